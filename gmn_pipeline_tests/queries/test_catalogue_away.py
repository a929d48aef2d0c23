"""The catalogue is away for a moment, as others open or close it: who asks may ask again."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from gmn_pipeline.cli.answers import print_answer
from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.queries.answer import Answer
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.queries.start import start_worker
from gmn_pipeline.queries.states import states_of
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline_tests.support.lake import small_lake

SQL = "SELECT count(*) AS number FROM trajectories"


def rows(answer: Answer) -> int:
    with answer:
        return sum(batch.num_rows for batch in answer)


def test_a_session_says_that_it_is_busy(tmp_path: Path) -> None:
    settings = small_lake(tmp_path)
    away = tmp_path / "away"
    with read_session(settings, Limits.of(settings)) as session:
        assert rows(session.run(SQL)) == 1
        settings.warehouse_dir.rename(away)
        for sql in (SQL, "SELECT 1 FROM trajectories"):  # known to be good, and not looked at yet
            with pytest.raises(WarehouseBusy):
                rows(session.run(sql))
        away.rename(settings.warehouse_dir)
        assert rows(session.run(SQL)) == 1


@pytest.mark.parametrize(("times", "is_answered"), [(2, True), (3, False)])
def test_the_command_asks_a_new_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes],
    times: int, is_answered: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("GMN_DATA_DIR", str(small_lake(tmp_path).data_dir))
    ask, asked = QueryProcess.ask, []

    def busy_at_first(process: QueryProcess, *given: Any, **named: Any) -> Answer:
        asked.append(process)
        if len(asked) <= times:
            raise WarehouseBusy("The catalogue was closed by all since it was opened here.")
        return ask(process, *given, **named)

    with patch.object(QueryProcess, "ask", busy_at_first):
        if is_answered:
            print_answer(start_worker(), "SELECT 1 AS a", "json")
            assert b'"a"' in capfdbinary.readouterr().out
        else:
            with pytest.raises(WarehouseBusy):
                print_answer(start_worker(), "SELECT 1 AS a", "json")
    assert len(set(asked)) == 3
    assert not any(process.is_alive for process in asked)


@pytest.mark.parametrize("by", ["stream", "server"])
def test_a_lake_that_is_kept_open_has_its_catalogue_open_for_all(tmp_path: Path, by: str) -> None:
    settings = small_lake(tmp_path)
    catalogue = str(settings.warehouse_dir / "catalog.sqlite")

    def holders() -> int:
        processes = [
            Path(f"/proc/{child}/cmdline").read_text()
            for of_thread in Path("/proc/self/task").glob("*/children")
            for child in of_thread.read_text().split()
        ]
        return sum(catalogue in process for process in processes)

    kept = (
        stream_session(WarehouseConnection(settings))
        if by == "stream"
        else states_of(settings, Limits.of(settings), kept=1)
    )
    assert holders() == 0
    with kept:
        assert holders() == 1
    assert holders() == 0
