"""Datagrams by real sockets on loopback: all are counted, whatever becomes of them."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from gmn_pipeline.errors import ServiceRunning, SettingsError
from gmn_pipeline.readers.station_readings.received import Received
from gmn_pipeline.sources import datagrams
from gmn_pipeline.sources.datagrams import DatagramSource
from gmn_pipeline.sources.many_datagrams import OneByOne


@contextmanager
def source(
    host: str = "127.0.0.1", port: int = 0, *, queue_mb: float = 10, per_s: float = 1e9,
    buffer_mb: float = 1,
) -> Iterator[DatagramSource]:  # fmt: skip
    made = DatagramSource(host, port, buffer_mb=buffer_mb, queue_mb=queue_mb, sender_per_s=per_s)
    try:
        yield made
    finally:
        made.close()


def send(made: DatagramSource, *payloads: bytes, of: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((of, 0))
        for payload in payloads:
            opened.sendto(payload, ("127.0.0.1", made.port))


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def all_of(made: DatagramSource) -> list[Received]:
    made.stop()
    found = made.take(1_000_000)
    counts = made.counts
    assert counts.received == counts.over_limit + counts.queue_full + counts.taken
    assert counts.waiting == 0
    return found


def test_datagrams_come_in_order_with_their_sender_and_time() -> None:
    with source() as made:
        made.start()
        before = time.time_ns() // 1000
        payloads = [b"", b"one", b"x" * 65_000]
        send(made, *payloads)
        found = all_of(made)
    assert [one.payload for one in found] == payloads
    assert {one.sender for one in found} == {"127.0.0.1"}
    assert all(before <= one.received_at_us <= time.time_ns() // 1000 for one in found)


def test_one_by_one_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "receiver", OneByOne)
    test_datagrams_come_in_order_with_their_sender_and_time()
    test_what_had_come_when_it_is_stopped_is_taken()


def test_what_had_come_when_it_is_stopped_is_taken() -> None:
    with source() as made:
        send(made, *[b"waits in the kernel"] * 100)
        made.start()
        assert len(all_of(made)) == 100


def test_a_flood_from_one_sender_leaves_room_for_the_others() -> None:
    with source(queue_mb=0.02) as made:  # some 40 datagrams
        made.start()
        send(made, *[b"flood"] * 500)
        send(made, *[b"calm"] * 5, of="127.0.0.2")
        found = all_of(made)
        assert [one.payload for one in found].count(b"calm") == 5
        flood = made.counts.senders["127.0.0.1"]
        assert (flood.received, made.counts.senders["127.0.0.2"].queue_full) == (500, 0)
        assert flood.queue_full == 500 - (len(found) - 5) > 400


def test_a_sender_has_a_limit_of_its_own() -> None:
    with source(per_s=10) as made:
        made.start()
        send(made, *[b"flood"] * 200)
        send(made, *[b"calm"] * 5, of="127.0.0.2")
        found = all_of(made)
    assert [one.payload for one in found].count(b"calm") == 5
    assert 10 <= [one.payload for one in found].count(b"flood") <= 30  # of up to three seconds
    assert made.counts.senders["127.0.0.2"].over_limit == 0


def test_what_the_kernel_drops_is_told() -> None:
    with source(buffer_mb=0.01) as made:
        assert made.kernel_dropped == 0
        send(made, *[b"x" * 1_000] * 200)  # nobody reads yet
        dropped = made.kernel_dropped
        made.start()
        assert len(all_of(made)) == 200 - dropped < 200
        assert made.status()["kernel_dropped"] == dropped
    assert made.status()["kernel_dropped"] == dropped


def test_how_much_the_kernel_holds_is_told() -> None:
    with source(buffer_mb=0.1) as made:
        assert made.buffer_bytes == 200_000
    with source(buffer_mb=100_000 / 1024) as made:
        assert made.buffer_bytes > 0


def test_datagrams_come_by_the_other_protocol_too() -> None:
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
        opened.bind(("::1", 0))
        with source("::1") as made:
            made.start()
            opened.sendto(b"six", ("::1", made.port))
            wait_for(lambda: made.counts.received == 1)
            assert all_of(made)[0].sender == "::1"


def test_a_port_that_is_taken_and_an_address_that_is_none_are_told_of() -> None:
    with source() as made, pytest.raises(ServiceRunning, match="--port"):
        DatagramSource("127.0.0.1", made.port, buffer_mb=1, queue_mb=1, sender_per_s=1)
    with pytest.raises(SettingsError, match="--host"):
        DatagramSource("no such host.", 1, buffer_mb=1, queue_mb=1, sender_per_s=1)
