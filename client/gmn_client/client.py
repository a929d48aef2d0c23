"""The client that waits for its answers.

What belongs here: methods, each of which runs a flow. `async_client.py` has the same, awaited.
"""

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from gmn_client import flows, following, frames, requests
from gmn_client.asking import Asked, Asking
from gmn_client.conditions import Where
from gmn_client.event_stream import Event
from gmn_client.flows import Page, ReadyQuestion, State
from gmn_client.following import Changes
from gmn_client.progress import Tell
from gmn_client.reading import Reading
from gmn_client.requests import DOWNLOADS, AsOf, When
from gmn_client.retries import Patience
from gmn_client.rows import Rows
from gmn_client.transport import Blocking

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


class Answer(Asked):
    """Rows of one state, asked for when they are needed; iterating gives record batches."""

    def __init__(self, transport: Blocking, reading: Reading) -> None:
        super().__init__(reading)
        self._transport = transport

    def arrow(self) -> pa.Table:
        """All rows; units and meanings are metadata of the columns."""
        return self._transport.run(flows.table(self._reading))

    def polars(self) -> "pl.DataFrame":
        return frames.to_polars(self.arrow())

    def pandas(self) -> "pd.DataFrame":
        """Units and meanings are in `attrs`."""
        return frames.to_pandas(self.arrow())

    def duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyRelation":
        return frames.to_duckdb(self.arrow(), connection)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as they come, in memory for one batch."""
        return self._transport.stream(flows.batches(self._reading))

    __iter__ = batches

    def pages(self, size: int = 1000) -> Iterator[Page]:
        """The rows in pages of JSON. Not for ready questions."""
        return self._transport.stream(flows.pages(self._reading, size))

    def count(self) -> int:
        """How many rows there are, without fetching them. Not for ready questions."""
        return self._transport.run(flows.count(self._reading))

    def save(self, path: str | PathLike[str], suffix: str | None = None) -> Path:
        """The rows as a file in one of the server's formats, by the file's ending or `suffix`."""
        return self._transport.run(flows.save(self._reading, Path(path), suffix))


class Client(Asking[Answer]):
    __doc__ = Asking.__doc__

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_s: float = 300.0,
        patience: Patience | None = None,
        progress: bool | Tell = False,
    ) -> None:
        super().__init__(url, timeout_s=timeout_s, patience=patience, progress=progress)
        self._transport = Blocking(self.url, timeout_s, self._headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        self._transport.close()

    def _answer(self, reading: Reading) -> Answer:
        return Answer(self._transport, reading)

    def queries(self) -> list[ReadyQuestion]:
        """The ready questions that there are."""
        return self._transport.run(flows.ready_questions(self.patience))

    def sql(self, sql: str, *, snapshot: int | None = None, truncated: bool = False) -> Rows:
        """A SELECT of one's own, in DuckDB's dialect; up to 1,000 rows, times as texts.

        Raises Truncated where there are more, unless `truncated`: then these are given.
        """
        asked = requests.sql(sql, snapshot)
        reading = self._about(sql, asked.path)
        return Rows(self._transport.run(flows.sql(reading, asked, is_part_enough=truncated)))

    def trajectory(self, identifier: str, *, as_of: AsOf = None) -> Mapping[str, Any]:
        """One trajectory with its revisions, files, stations and its line."""
        asked = requests.trajectory(identifier, as_of)
        return self._transport.run(flows.document(asked, self.patience))

    def state(self) -> State:
        """The state that the server answers from just now."""
        return self._transport.run(flows.newest(self.patience))

    def changes(self, since: int | When = 0, *, as_of: AsOf = None) -> Changes:
        """What has changed since a state or a time; since 0 it is everything."""
        reading = self._reading(following.question(since, as_of))
        return self._transport.run(following.changes(reading, since))

    def follow(self, since: int | When | None = None, *, poll_s: float = 10.0) -> Iterator[Changes]:
        """The changes of each new state, for ever; without `since` from now on.

        Each change is given once. To go on later, ask since the `snapshot` of the last one that
        was dealt with. Raises SnapshotGone where that state is not kept any more.
        """
        return self._transport.stream(following.follow(self.url, since, poll_s, self.patience))

    def events(
        self, *, where: Where = None, since: int | When | None = None,
        last_event_id: str | None = None, quiet_s: float = 60.0,
    ) -> Iterator[Event]:  # fmt: skip
        """Each change as it is committed, for ever; `where` lets through what matched or matches.

        Begins after an event (`last_event_id`), a state or time (`since`), or now. Where nothing
        comes for `quiet_s` it connects anew; none is left out. Raises SnapshotGone as `follow`.
        """
        return self._transport.stream(
            following.events(where, since, last_event_id, quiet_s, self.patience)
        )

    def download(self, name: str, path: str | PathLike[str] | None = None) -> Path:
        """A published file, such as gmn.duckdb; broken off it goes on, also when called again."""
        reading = self._about(name, f"{DOWNLOADS}/{name}")
        return self._transport.run(flows.download(reading, Path(name if path is None else path)))
