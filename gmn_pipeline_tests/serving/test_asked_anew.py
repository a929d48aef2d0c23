"""An answer that is read whole is asked for once more where the lake was put in order meanwhile."""

import io
from collections.abc import Iterator, Mapping
from datetime import datetime

import pyarrow as pa
import pytest

from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.tap import questions, results
from gmn_pipeline.settings import ServingSettings

LIMITS = Limits(5, 100, disk_mb=0, rows=100)
STATE = Snapshot(1, datetime(2026, 1, 1), "a")


class PutInOrder:
    """A lake that fails so often after its first rows."""

    def __init__(self, times: int) -> None:
        self.left = times

    def ask(
        self, _: Snapshot, __: str, ___: Mapping[str, str], ____: Limits, _____: Cancellation
    ) -> Answer:
        batch = pa.record_batch({"station_code": ["XX0001"]})
        return Answer(
            batch.schema, self._batches(batch), truncated=lambda: False, close=lambda: None
        )

    def _batches(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield batch
        if self.left:
            self.left -= 1
            raise WarehouseBusy("The warehouse was put in order.")


def written(times: int) -> str:
    given = {"LANG": "ADQL", "QUERY": "SELECT station_code FROM stations", "FORMAT": "csv"}
    question, target = questions.question(given, ServingSettings()), io.BytesIO()
    results.write(
        question, STATE, PutInOrder(times).ask, LIMITS, Cancellation(), target, most_bytes=10_000
    )
    return target.getvalue().decode()


def test_the_answer_of_a_query_in_adql_has_each_row_once() -> None:
    assert written(2).split() == written(0).split() == ["station_code", "XX0001"]


def test_after_some_times_it_is_told() -> None:
    with pytest.raises(WarehouseBusy):
        written(3)
