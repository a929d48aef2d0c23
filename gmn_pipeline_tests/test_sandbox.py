"""What a confined thread may write."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gmn_pipeline.sandbox import confine
from gmn_pipeline_tests.support.absent import not_run


def test_files_that_are_gone_by_now_keep_nobody_from_the_others(tmp_path: Path) -> None:
    """SQLite removes its log as the last one closes it, be it just now."""
    there, other = tmp_path / "catalog.sqlite", tmp_path / "other"
    there.write_text("")
    other.write_text("")

    def confined() -> bool:
        if not confine([there, tmp_path / "catalog.sqlite-wal"]):
            return False
        there.write_text("changed")
        try:
            other.write_text("changed")
        except PermissionError:
            return True
        raise AssertionError("it could be written to")

    with ThreadPoolExecutor(1) as thread:  # which ends, and what binds it with it
        if not thread.submit(confined).result():
            not_run("this system has no Landlock")
    assert there.read_text() == "changed"
