"""What waits on disk: in order, whole, and in the hands of one at a time."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gmn_pipeline.storage.spool import Frame, Spool, Taken

BIG = 1 << 30


def spool(folder: Path, most_bytes: int = BIG) -> Spool:
    return Spool(folder / "spool", most_bytes)


def bodies(taken: Taken | None) -> list[bytes]:
    assert taken is not None
    return [frame.body for frame in taken.frames()]


def all_of(waiting: Spool) -> Iterator[bytes]:
    while (taken := waiting.take()) is not None:
        yield from bodies(taken)
        taken.remove()


def test_what_was_put_in_comes_out_in_order_also_after_the_end_of_its_process(
    tmp_path: Path,
) -> None:
    first, second = spool(tmp_path), spool(tmp_path)
    put = [bytes([n]) * 600_000 for n in range(20)]  # several segments
    assert all(first.append(Frame(1, body)) for body in put)
    assert list(all_of(second)) == put[:-6], "the segment that is being written is the writer's"
    first.close()
    assert list(all_of(second)) == put[-6:]
    assert second.is_empty


def test_what_is_being_written_can_be_taken_and_more_be_put_in(tmp_path: Path) -> None:
    waiting = spool(tmp_path)
    waiting.append(Frame(1, b"a"))
    taken = waiting.take()
    waiting.append(Frame(1, b"b"))
    assert bodies(taken) == [b"a"]
    assert taken is not None
    taken.leave()  # Kafka is away again
    assert list(all_of(waiting)) == [b"a", b"b"]


def test_a_full_spool_takes_nothing_more(tmp_path: Path) -> None:
    waiting = spool(tmp_path, 100)
    assert waiting.append(Frame(1, b"x" * 50))
    assert not waiting.append(Frame(1, b"y" * 50))
    assert list(all_of(waiting)) == [b"x" * 50]


def test_a_full_disk_leaves_no_half_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = spool(tmp_path)
    waiting.append(Frame(1, b"a"))
    real = os.write

    def write(descriptor: int, data: memoryview) -> int:
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:50])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        assert not waiting.append(Frame(1, b"x" * 80))
    assert waiting.append(Frame(1, b"b"))
    assert list(all_of(waiting)) == [b"a", b"b"]


@settings(max_examples=60, deadline=None)
@given(cut=some.integers(0, 200), frames=some.lists(some.binary(max_size=20), max_size=6))
def test_a_frame_that_was_not_finished_is_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, frames: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    waiting = spool(folder)
    for body in frames:
        waiting.append(Frame(1, body))
    waiting.close()
    for path in (folder / "spool").glob("*.segment"):
        os.truncate(path, min(cut, path.stat().st_size))
    found = list(all_of(spool(folder)))
    assert found == frames[: len(found)]
    assert sum(len(body) + 16 for body in found) <= cut
    assert not list((folder / "spool").iterdir())


@pytest.mark.parametrize(
    ("harmed", "damages", "lost_items"),
    [(16 + 4 + 16, 1, 2), (16 + 4, 1, 0), (16 + 4 + 3, 1, 0), (16 + 4 + 12, 1, 0)],
    ids=["body", "length", "length, its last byte", "CRC of the head"],
)
def test_what_is_damaged_is_passed_over_and_kept_for_a_person(
    tmp_path: Path, harmed: int, damages: int, lost_items: int
) -> None:
    waiting = spool(tmp_path)
    for body in (b"good", b"bad!", b"more"):
        waiting.append(Frame(2, body))
    waiting.close()
    (path,) = (tmp_path / "spool").iterdir()
    data = bytearray(path.read_bytes())
    data[harmed] ^= 1
    path.write_bytes(data)
    again = spool(tmp_path)
    taken = again.take()
    assert bodies(taken) == [b"good", b"more"]
    assert taken is not None
    assert (taken.damages, taken.lost_items) == (damages, lost_items)
    assert taken.remove() == again.damaged[0] == path.with_suffix(".damaged")
    assert again.damaged[0].read_bytes() == data
    assert again.take() is None
    assert again.is_empty
