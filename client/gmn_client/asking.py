"""What both clients have in common: the server, how patient they are, and what can be asked.

What belongs here: methods that do not wait for an answer, so that they are the same in both. What
does not: those that do (`client.py`, `async_client.py`).
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Generic, TypeVar

from gmn_client import requests
from gmn_client.citation import Citation
from gmn_client.columns import QueryName, TableName, TrajectoryColumn
from gmn_client.conditions import Given, Where, pairs_of
from gmn_client.progress import Tell, teller
from gmn_client.reading import Reading
from gmn_client.requests import AsOf, Question, Shower, When
from gmn_client.retries import Patience

SERVER_VARIABLE = "GMN_SERVER"
DEFAULT_SERVER = "http://127.0.0.1:8001"
A = TypeVar("A")


class Asked:
    """Rows that are asked for when they are needed, all of one state of the warehouse.

    The first answer decides the state (`snapshot`); whatever is asked of this object afterwards
    is of the same.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @property
    def snapshot(self) -> int | None:
        """Number of the state that was read; None before."""
        return self._reading.snapshot

    def cite(self) -> Citation:
        """What to write into a paper. Raises NothingRead before something was read."""
        return self._reading.cite()


class Asking(ABC, Generic[A]):
    """A server of the network's trajectories.

    `url`: its address; without it that of the environment variable GMN_SERVER.
    `progress`: a function that is told how far a download is, or True for a bar (rich or tqdm).
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_s: float = 300.0,
        patience: Patience | None = None,
        progress: bool | Tell = False,
    ) -> None:
        self.url = (url or os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER).rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"An address begins with http:// or https://, not as {self.url!r}.")
        self.patience = patience or Patience()
        self._timeout_s = timeout_s
        self._headers = {"User-Agent": f"gmn-client/{version('gmn-client')}"}
        self._tell = teller(progress)

    @abstractmethod
    def _answer(self, reading: Reading) -> A:
        """The object of this client that asks the question."""

    def _reading(self, question: Question) -> Reading:
        return Reading(self.url, question, self.patience, self._tell)

    def _about(self, title: str, path: str) -> Reading:
        """Of something that is no table."""
        return self._reading(Question(path, title, (), has_pages=False))

    def trajectories(
        self,
        *,
        shower: Shower | Iterable[Shower] | None = None,
        since: When | None = None,
        until: When | None = None,
        stations: str | Iterable[str] | None = None,
        where: Where = None,
        columns: Sequence[TrajectoryColumn] | None = None,
        sort: TrajectoryColumn | None = None,
        descending: bool = False,
        as_of: AsOf = None,
    ) -> A:
        """Trajectories for which all of this holds.

        `shower`: IAU codes or numbers, "sporadic" for none. `since`, `until`: of the beginning,
        UTC; a date as `until` counts as a whole. `stations`: any of them took part.
        `where`: conditions on columns. `as_of`: as it was then.
        """
        pairs = (*requests.trajectories(shower, since, until, stations), *pairs_of(where))
        asked = requests.table(
            "trajectories", columns=columns, sort=sort, descending=descending, as_of=as_of
        )
        words = ", ".join(f"{name}={value}" for name, value in pairs)
        title = f"trajectories ({words})" if words else "trajectories"
        question = Question(asked.path, title, (*pairs, *asked.parameters), as_of)
        return self._answer(self._reading(question))

    def table(
        self,
        name: TableName,
        *,
        where: Where = None,
        columns: Sequence[str] | None = None,
        sort: str | None = None,
        descending: bool = False,
        as_of: AsOf = None,
    ) -> A:
        """A table or view of the server."""
        question = requests.table(
            name, where=where, columns=columns, sort=sort, descending=descending, as_of=as_of
        )
        return self._answer(self._reading(question))

    def query(self, name: QueryName, *, as_of: AsOf = None, **parameters: Given) -> A:
        """A ready question by its name, with its parameters (see `queries`)."""
        return self._answer(self._reading(requests.ready(name, parameters, as_of)))
