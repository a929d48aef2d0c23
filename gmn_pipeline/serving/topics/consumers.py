"""Consumer instances: members of groups that are read over HTTP, until they are deleted or idle.

What belongs here: which there are, one request of each at a time. What does not: requests
(`app.py`), and Kafka's client (`kafka/groups.py`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from gmn_pipeline.kafka.groups import GroupReader
from gmn_pipeline.serving.topics.errors import EXISTS, NO_INSTANCE, ProxyError

_MOST = 100


@dataclass
class Instance:
    """A member of a group; `format` is how its records are told."""

    group: str
    name: str
    format: str
    reader: GroupReader
    used_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_closed: bool = False


class Instances:
    """All instances of a process. Any number of threads may ask."""

    def __init__(
        self, idle_s: float, clock: Callable[[], float] = time.monotonic, most: int = _MOST
    ) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._instances: dict[tuple[str, str], Instance] = {}

    def add(
        self, group: str, name: str | None, form: str, make: Callable[[], GroupReader]
    ) -> Instance:
        """Raises ProxyError if there is one of the name, or too many."""
        self.close_idle()
        name = name or f"gmn-{uuid4().hex[:12]}"
        with self._lock:
            if (group, name) in self._instances:
                raise ProxyError(EXISTS, f"There is an instance {name} of {group} already.")
            if len(self._instances) >= self._most:
                raise ProxyError(503, "There are too many instances: delete those not in use.")
            instance = Instance(group, name, form, make(), self._clock())
            self._instances[group, name] = instance
        return instance

    @contextmanager
    def using(self, group: str, name: str) -> Iterator[Instance]:
        """One request at a time. Raises ProxyError if there is no such instance."""
        with self._lock:
            instance = self._instances.get((group, name))
        if instance is None:
            raise ProxyError(NO_INSTANCE, f"There is no instance {name} of {group}.")
        with instance.lock:
            if instance.is_closed:
                raise ProxyError(NO_INSTANCE, f"There is no instance {name} of {group}.")
            instance.used_at = self._clock()
            yield instance
            instance.used_at = self._clock()

    def delete(self, group: str, name: str) -> None:
        """Raises ProxyError if there is no such instance."""
        with self.using(group, name) as instance:
            self._close(instance)

    def close_idle(self) -> None:
        """Close those that nobody has used for long: their partitions are others' to read."""
        with self._lock:
            before = self._clock() - self._idle_s
            idle = [one for one in self._instances.values() if one.used_at < before]
        for instance in idle:
            if instance.lock.acquire(blocking=False):
                try:
                    self._close(instance)
                finally:
                    instance.lock.release()

    def close(self) -> None:
        with self._lock:
            left = list(self._instances.values())
        for instance in left:
            with instance.lock:
                self._close(instance)

    def _close(self, instance: Instance) -> None:
        if not instance.is_closed:
            instance.is_closed = True
            with self._lock:
                self._instances.pop((instance.group, instance.name), None)
            instance.reader.close()
