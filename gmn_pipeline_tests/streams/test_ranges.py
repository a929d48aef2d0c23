"""Ranges of offsets in parts, and what is made ahead of them; nothing here needs a broker."""

import threading
from collections.abc import Generator

import pytest

from gmn_pipeline.errors import StreamGap
from gmn_pipeline.prefetch import prefetch
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.streams.consumer import bounded, steps


def test_bounded_ranges_share_what_may_be_read() -> None:
    ranges = [OffsetRange(0, 0, 100), OffsetRange(1, 5, 8), OffsetRange(2, 4, 4)]
    assert bounded(ranges, 20) == [OffsetRange(0, 0, 17), OffsetRange(1, 5, 8)]
    assert bounded([OffsetRange(0, 0, 9)], 0) == []
    # One that is in the warehouse already, beyond its end, takes and leaves nothing.
    assert bounded([OffsetRange(0, 9, 5), OffsetRange(1, 0, 30)], 20) == [OffsetRange(1, 0, 20)]


def test_steps_cover_ranges_in_order_and_within_bounds() -> None:
    found = list(steps([OffsetRange(0, 0, 100), OffsetRange(1, 5, 8), OffsetRange(2, 4, 4)], 20))
    assert all(sum(r.end - r.begin for r in step) <= 20 for step in found)
    for partition, begin, end in ((0, 0, 100), (1, 5, 8)):
        read = [at for step in found for r in step if r.partition == partition
                for at in range(r.begin, r.end)]  # fmt: skip
        assert read == list(range(begin, end))


def test_the_next_item_is_made_while_one_is_used_and_an_error_keeps_its_place() -> None:
    made = threading.Event()

    def items() -> Generator[int, None, None]:
        yield 1
        made.set()
        yield 2
        raise StreamGap("lost", remedy="none")

    found = prefetch(items())
    assert next(found) == 1
    assert made.wait(5)
    assert next(found) == 2
    with pytest.raises(StreamGap):
        next(found)
