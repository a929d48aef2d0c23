"""What becomes of objects and of those that read them: limits, tries, provenance, crashes."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gmn_pipeline.database.object_runs import MADE_BY, RunState
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import ObjectMissing, ObjectRefused, ServiceRunning, WarehouseBusy
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.flows.object_rules import reprocess
from gmn_pipeline.processing import outcomes
from gmn_pipeline.processing.processor import Task
from gmn_pipeline.processing.registry import processors
from gmn_pipeline.schemas.objects import OperationKind
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.objects import loading
from gmn_pipeline_tests.support.objects import PERSON, object_bench, settings_of
from gmn_pipeline_tests.support.processing import (
    ProcessingBench,
    night_sky,
    package,
    png,
    processing_bench,
)

LIMITS = {
    "objects_process_s": 3, "objects_process_memory_mb": 200, "objects_process_output_mb": 5,
    "objects_process_megapixels": 1, "objects_process_tries": 2,
}  # fmt: skip

OTHERS = """
import os, signal, time
import pyarrow as pa
from gmn_pipeline.processing.processor import Found, Made, Outcome, Rows

class Trouble:
    name, version, content_types = "trouble", 1, ("text/x-rms-config",)

    def process(self, task):
        what = task.path.read_text().split()[1]
        getattr(self, what)(task)
        return Outcome([Rows("ours", pa.table({"a": [1, 2]}))], found=Found({"what": what}))

    def fine(self, task): pass
    def hang(self, task): time.sleep(1000)
    def fork(self, task):
        if os.fork() == 0: time.sleep(1000)
    def crash(self, task): os.kill(os.getpid(), signal.SIGSEGV)
    def memory(self, task): self.much = bytearray(2_000_000_000)
    def file(self, task):
        with open("much", "wb") as file:
            while True: file.write(bytes(1_000_000))
    def files(self, task):
        for n in range(10): open(f"some{n}", "wb").write(bytes(1_000_000))
    def outside(self, task): open(task.path.parent / "evil", "wb")
    def leave(self, task): raise ValueError("no such thing")

class Broken:
    def __init__(self): raise RuntimeError("not today")
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessingBench]:
    """With another package's processors beside ours, and small limits."""
    folder = tmp_path_factory.mktemp("one")
    others = package(folder / "site", OTHERS, trouble="Trouble", broken="Broken")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(others)
        patched.setenv("PYTHONPATH", str(others))
        processors.cache_clear()
        with processing_bench(settings_of(folder, **LIMITS)) as one:
            yield one
    processors.cache_clear()


TROUBLE = {
    "hang": "It took more than 3 s.",
    "crash": "It ended by SIGSEGV",
    "memory": "It wanted more than 200 MB.",
    "file": "It made more than 5 MB.",
    "files": "It made more than 5 MB.",
    "leave": "ValueError: no such thing",
}


def test_an_object_that_hangs_crashes_or_takes_too_much_fails_alone_and_is_not_tried_for_ever(
    bench: ProcessingBench,
) -> None:
    for what in (*TROUBLE, "fork", "fine"):
        bench.put(f"{what}.config", f"[x] {what}")
    bench.put("huge.png", png(night_sky([]).repeat(4, 0).repeat(4, 1)))
    bench.put("bad.png", b"\x89PNG\r\n\x1a\nnothing")
    done = bench.process()
    for what, why in TROUBLE.items():
        run = bench.runs(f"{what}.config")["trouble"]
        assert (run.state, run.tries) == (RunState.FAILED, 2)
        assert run.reason.startswith(why), run.reason
    assert "has 1,228,800 pixels" in bench.runs("huge.png")["images"].reason
    assert "UnidentifiedImageError" in bench.runs("bad.png")["images"].reason
    assert len(done.failures) == len(TROUBLE) + 2
    assert {o.name for o in bench.objects.search.operations() if o.kind is OperationKind.PROCESS
            and not o.is_success} >= {"cams/ff/hang.config", "cams/ff/huge.png"}  # fmt: skip
    assert bench.said("fine.config", "trouble") == {"what": "fine"}
    assert bench.said("fork.config", "trouble") == {"what": "fork"}  # what it began is ended
    assert bench.ask("SELECT count(*), count(DISTINCT object_id) FROM ours") == [(4, 2)]
    assert not bench.process().failures  # they had their tries


def test_of_many_in_one_process_those_that_end_it_fail_alone(
    bench: ProcessingBench, tmp_path: Path
) -> None:
    tasks = []
    for what in ("fine", "leave", "crash", "fine", "memory", "fine", "files"):
        stored = bench.put(f"many/{what}.config", f"[x] {what}")
        folder = tmp_path / str(len(tasks))
        folder.mkdir()
        path = bench.objects.landing.contents.local_path(stored.content)
        assert path is not None
        tasks.append(Task(stored, path, folder))
    told = [
        str(one) if isinstance(one, ObjectRefused) else one[0].found.metadata["what"]
        for one in bench.workshop.process_many("trouble", tasks)
    ]
    assert [told[at] for at in (0, 3, 5)] == ["fine"] * 3
    assert [told[at].split(":")[0].split(" by SIG")[0] for at in (1, 2)] == [
        "ValueError",
        "It ended",
    ]
    assert "200 MB" in told[4]
    (many,) = bench.workshop.process_many("trouble", tasks[-1:])
    assert told[6] == str(many) == "It made more than 5 MB."
    # In one process with another, which it does not keep from being read.
    for task in (tasks[0], tasks[6]):
        shutil.rmtree(task.folder)
        task.folder.mkdir()
    much, fine = bench.workshop.process_many("trouble", [tasks[6], tasks[0]])
    assert str(much) == "It made more than 5 MB."
    assert not isinstance(fine, ObjectRefused)
    bench.process()  # what was put here is read as all else


def test_what_reads_strangers_files_can_write_nowhere_else(bench: ProcessingBench) -> None:
    bench.put("outside.config", "[x] outside")
    bench.process()
    run = bench.runs("outside.config")["trouble"]
    assert "PermissionError" in run.reason


def test_nothing_is_read_twice_unless_it_is_asked_for(bench: ProcessingBench) -> None:
    stored = bench.put("once.config", "[x] fine")
    assert bench.process().finished == 3  # ours read configurations and names
    assert bench.process().finished == 0
    version = bench.now("once.config").version
    assert version == stored.version + 1  # all that was found was said at once
    asked = reprocess(bench.processing.runs, bench.objects.search,
                      Search(text="once.config"), PERSON, "trouble")  # fmt: skip
    assert asked == 1
    assert bench.process().finished == 1
    assert bench.now("once.config").version == version
    of_it = "SELECT count(*) FROM ours WHERE object_id = ?"
    assert bench.ask(of_it, stored.object_id) == [(2,)]
    with pytest.raises(ServiceRunning), bench.processing.working():
        pass


def test_a_newer_processor_reads_all_again_and_replaces_what_the_older_one_made(
    bench: ProcessingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = bench.put("newer.config", "[x] fine")
    bench.process()
    monkeypatch.setattr(processors()["trouble"], "version", 2)
    waiting = {one.object_id: names for one, names in bench.processing.waiting(100)}
    assert waiting[stored.object_id] == ["trouble"]
    bench.process()
    assert bench.ask(
        "SELECT processor_version, row_count FROM loads WHERE object_id = ?", stored.object_id
    ) == [(2, 2)]
    assert [run.processor_version for run in bench.processing.runs.of_object(stored.object_id)
            if run.processor == "trouble"] == [2, 1]  # fmt: skip


def test_the_mirror_follows_what_is_moved_deleted_and_restored(bench: ProcessingBench) -> None:
    catalogue = bench.objects.catalogue
    stored = bench.put("mirror.config", "[x] fine")
    bench.process()
    now = bench.now("mirror.config")
    moved = catalogue.move(now, type(now.name)("cams", "ff", "moved.config"), PERSON)
    bench.process()
    name = "SELECT name, version FROM catalogue WHERE object_id = ?"
    rows = "SELECT count(*) FROM ours WHERE object_id = ?"
    assert bench.ask(name, stored.object_id) == [("moved.config", now.version)]
    catalogue.delete(moved, PERSON, timedelta(days=1))
    bench.process()
    assert bench.ask(name, stored.object_id) == []
    assert bench.ask(rows, stored.object_id) == [(0,)]
    catalogue.restore(stored.object_id, PERSON)
    bench.process()
    assert bench.ask(name, stored.object_id) == [("moved.config", now.version)]
    assert bench.ask(rows, stored.object_id) == [(2,)]


def test_a_lake_of_an_earlier_version_gets_what_it_lacks(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with processing_bench(settings) as bench:
        bench.put("a.png", png(night_sky([(50, 50)])))
        bench.process()
        with bench.processing.lake.writing() as connection:
            connection.execute("DROP VIEW edges")
            connection.execute("DROP TABLE image_objects")
            connection.execute("CREATE VIEW edges AS SELECT 1 AS source")
    with processing_bench(settings) as bench:
        bench.process()
        assert bench.ask("SELECT count(*) FROM image_objects") == [(0,)]
        assert ("label:source",) in bench.ask("SELECT target FROM edges")


def test_a_lake_that_is_away_costs_an_object_no_try(
    bench: ProcessingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("away.config", "[x] fine")
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise WarehouseBusy("Somebody writes.")

        patched.setattr("gmn_pipeline.flows.object_processing.load", away)
        for _ in range(3):
            with pytest.raises(WarehouseBusy):
                bench.process()
    assert bench.runs("away.config")["trouble"].tries == 0
    bench.process()
    assert bench.runs("away.config")["trouble"].state is RunState.FINISHED


def test_a_newer_version_of_another_type_takes_rows_and_previews_of_the_older_one_away(
    bench: ProcessingBench,
) -> None:
    stored = bench.put("turned.png", png(night_sky([(50, 50)])))
    bench.process()
    rows = "SELECT count(*) FROM image_detections WHERE object_id = ?"
    assert bench.ask(rows, stored.object_id) == [(1,)]
    bench.put("turned.png", b"only a text by now")
    bench.process()
    assert bench.ask(rows, stored.object_id) == [(0,)]
    assert bench.ask("SELECT processor FROM loads WHERE object_id = ?", stored.object_id) == [
        ("documents",)
    ]
    with pytest.raises(ObjectMissing):
        bench.now("previews/turned.png.jpg")


class InThisProcess:
    """Reads objects here, by the same files between both sides: a process for each of many
    crashes would take minutes."""

    def process(self, name: str, task: Any) -> Any:
        outcomes.write(processors()[name].process(task), task.folder)
        return outcomes.read(task.folder)

    def process_many(self, name: str, tasks: Any) -> Any:
        return [self.process(name, task) for task in tasks]


def die_at(settings: Settings, nth: int, data: bytes) -> None:
    """Put a version, read it, and be killed at the n-th commit: before or after it."""
    steps = count()

    def step(*_: object) -> None:
        if next(steps) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    transaction = loading.transaction

    @contextmanager
    def counted(connection: Any) -> Iterator[None]:
        with transaction(connection):
            yield
            step()
        step()

    object_bench(settings).put("a.png", data)
    loading.transaction = counted  # type: ignore[attr-defined]
    event.listen(Engine, "commit", step)
    processing = ObjectProcessing(settings, PERSON)
    processing.process_waiting(InThisProcess())  # type: ignore[arg-type]
    os._exit(0)


def test_who_is_killed_at_a_commit_leaves_rows_of_one_version_and_none_twice(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, objects_process_tries=1_000)
    # From a process without threads, as elsewhere.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    with processing_bench(settings) as bench:
        bench.put("a.png", png(night_sky([(50, 50)])))
        bench.process()
        stars_before, seen = 1, set()
        for nth in count(step=4):  # each takes a second: every fourth one
            # One star more than before: rows tell which version they are of.
            stars = [(40 + 20 * (n % 12), 40 + 20 * (n // 12)) for n in range(nth + 2)]
            child = processes.Process(target=die_at, args=(settings, nth, png(night_sky(stars))))
            child.start()
            child.join()
            ((_, rows, numbers),) = bench.ask(
                "SELECT version, count(*), count(DISTINCT row_number) FROM image_detections "
                "GROUP BY ALL"
            )
            assert rows == numbers
            assert rows in (stars_before, len(stars))
            seen.add(rows == len(stars))
            stars_before = rows
            if child.exitcode == 0:
                break
        assert seen == {True, False}
        assert nth > 8
        bench.process()
        assert bench.ask("SELECT count(*) FROM image_detections") == [(len(stars),)]
        assert bench.ask("SELECT count(*) FROM provenance") == [(1,)]
        assert bench.runs("a.png")["images"].state is RunState.FINISHED
        assert bench.objects.search.count(Search(folder="previews"))[0] == 1
        stored = bench.now("a.png")
        bench.objects.catalogue.delete(stored, PERSON, timedelta(days=1))
        bench.process()  # what was made of it goes with it
        assert bench.objects.search.count(Search())[0] == 0
        bench.objects.catalogue.restore(stored.object_id, PERSON)
        bench.process()
        assert bench.objects.search.count(Search(folder="previews"))[0] == 1


def test_an_object_that_somebody_put_is_not_overwritten_by_one_that_is_made(
    tmp_path: Path,
) -> None:
    with processing_bench(settings_of(tmp_path)) as bench:
        bench.put("previews/b.png.jpg", b"mine")
        bench.put("b.png", png(night_sky([])))
        bench.process()
        assert "nobody made of another" in bench.runs("b.png")["images"].reason
        assert bench.objects.bytes_of("previews/b.png.jpg") == b"mine"
        assert MADE_BY.strip() not in bench.now("previews/b.png.jpg").description.application
