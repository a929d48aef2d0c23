"""Rows on their way through messages: they come back as they were sent."""

import polars as pl
import pytest

from gmn_pipeline.schemas.messages import to_message_fields
from gmn_pipeline.streams.trajectories import check_messages
from gmn_pipeline.validated.trajectories.quality import FLAGS_OF_THE_FILE
from gmn_pipeline_tests.support.sample import Bench, sample


def through_messages(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the warehouse, sent and checked on arrival."""
    sent = to_message_fields(rows.with_columns(pl.lit("inserted").alias("change")))
    height = rows.height
    checked = check_messages(
        sent,
        message=range(height),
        keys=rows.get_column("trajectory_identifier").to_list(),
        sent_at_utc=rows.get_column("summary_generated_at_utc"),
        cause=pl.Series(["kafka:t/0/0"] * height),
    )
    assert not checked.reasons
    return checked.rows


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return Bench(tmp_path_factory.mktemp("rows")).check(sample().first(3)).accepted


@pytest.mark.parametrize("flag", FLAGS_OF_THE_FILE)
def test_a_flag_that_only_the_file_can_tell_survives_a_message(
    accepted: pl.DataFrame, flag: str
) -> None:
    flagged = pl.Series("quality_flags", [[flag], [], [flag]], dtype=pl.List(pl.String))
    arrived = through_messages(accepted.with_columns(flagged)).get_column("quality_flags")
    assert arrived.to_list() == flagged.to_list()
