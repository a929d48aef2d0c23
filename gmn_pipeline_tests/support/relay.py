"""A network between a client and a broker that can be split: packets vanish, nothing is refused.

What belongs here: the relay, and a broker that is known by its address too. What does not: what is
to survive it.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline_tests.support.ports import free_port

_CHUNK = 65_536
_RELAYED = """
listeners=PLAINTEXT://127.0.0.1:{port},RELAYED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},RELAYED://127.0.0.1:{relay}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,RELAYED:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


class Relay:
    """Passes bytes on between a port of its own and another one, both ways, but when `split`.

    Then nobody takes connections either: one or two are held by the system without an answer, as
    by a machine that hangs, and the others' first packets vanish.
    """

    def __init__(self, port: int, to: int) -> None:
        self._to = to
        self._flows = threading.Event()
        self._flows.set()
        self._ended = False
        self._ends: list[socket.socket] = []
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def split(self) -> None:
        self._flows.clear()

    def heal(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self._ended = True
        self.heal()
        for one in (self._socket, *self._ends):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._ended:
                self._flows.wait()
                client, _ = self._socket.accept()
                self._flows.wait()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                self._ends += [client, broker]
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def relayed_brokers() -> Iterator[tuple[Relay, str]]:
    """Brokers that are started in the block are behind a relay too; with its servers' address."""
    behind, port = free_port(), free_port()
    relay, write = Relay(port, behind), brokers._write_settings

    def with_a_relay(to: Path, plain: int, controller: int) -> Path:
        path = write(to, plain, controller)
        more = _RELAYED.format(port=plain, behind=behind, controller=controller, relay=port)
        path.write_text(path.read_text() + more)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brokers, "_write_settings", with_a_relay)
        try:
            yield relay, f"127.0.0.1:{port}"
        finally:
            relay.close()
