"""The client for an event loop.

What belongs here: methods, each of which runs a flow. `client.py` has the same, which wait.
"""

from collections.abc import AsyncIterator, Mapping
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
from gmn_client.transport import Looping

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


class AsyncAnswer(Asked):
    """Rows of one state, asked for when they are needed; iterating gives record batches."""

    def __init__(self, transport: Looping, reading: Reading) -> None:
        super().__init__(reading)
        self._transport = transport

    async def arrow(self) -> pa.Table:
        """As `Answer.arrow`."""
        return await self._transport.run(flows.table(self._reading))

    async def polars(self) -> "pl.DataFrame":
        return frames.to_polars(await self.arrow())

    async def pandas(self) -> "pd.DataFrame":
        """As `Answer.pandas`."""
        return frames.to_pandas(await self.arrow())

    async def duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyRelation":
        return frames.to_duckdb(await self.arrow(), connection)

    def batches(self) -> AsyncIterator[pa.RecordBatch]:
        """As `Answer.batches`."""
        return self._transport.stream(flows.batches(self._reading))

    __aiter__ = batches

    def pages(self, size: int = 1000) -> AsyncIterator[Page]:
        """As `Answer.pages`."""
        return self._transport.stream(flows.pages(self._reading, size))

    async def count(self) -> int:
        """As `Answer.count`."""
        return await self._transport.run(flows.count(self._reading))

    async def save(self, path: str | PathLike[str], suffix: str | None = None) -> Path:
        """As `Answer.save`."""
        return await self._transport.run(flows.save(self._reading, Path(path), suffix))


class AsyncClient(Asking[AsyncAnswer]):
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
        self._transport = Looping(self.url, timeout_s, self._headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    def _answer(self, reading: Reading) -> AsyncAnswer:
        return AsyncAnswer(self._transport, reading)

    async def queries(self) -> list[ReadyQuestion]:
        """As `Client.queries`."""
        return await self._transport.run(flows.ready_questions(self.patience))

    async def sql(self, sql: str, *, snapshot: int | None = None, truncated: bool = False) -> Rows:
        """As `Client.sql`."""
        asked = requests.sql(sql, snapshot)
        reading = self._about(sql, asked.path)
        return Rows(await self._transport.run(flows.sql(reading, asked, is_part_enough=truncated)))

    async def trajectory(self, identifier: str, *, as_of: AsOf = None) -> Mapping[str, Any]:
        """As `Client.trajectory`."""
        asked = requests.trajectory(identifier, as_of)
        return await self._transport.run(flows.document(asked, self.patience))

    async def state(self) -> State:
        """As `Client.state`."""
        return await self._transport.run(flows.newest(self.patience))

    async def changes(self, since: int | When = 0, *, as_of: AsOf = None) -> Changes:
        """As `Client.changes`."""
        reading = self._reading(following.question(since, as_of))
        return await self._transport.run(following.changes(reading, since))

    def follow(
        self, since: int | When | None = None, *, poll_s: float = 10.0
    ) -> AsyncIterator[Changes]:
        """As `Client.follow`."""
        return self._transport.stream(following.follow(self.url, since, poll_s, self.patience))

    def events(
        self, *, where: Where = None, since: int | When | None = None,
        last_event_id: str | None = None, quiet_s: float = 60.0,
    ) -> AsyncIterator[Event]:  # fmt: skip
        """As `Client.events`."""
        return self._transport.stream(
            following.events(where, since, last_event_id, quiet_s, self.patience)
        )

    async def download(self, name: str, path: str | PathLike[str] | None = None) -> Path:
        """As `Client.download`."""
        reading = self._about(name, f"{DOWNLOADS}/{name}")
        return await self._transport.run(
            flows.download(reading, Path(name if path is None else path))
        )
