"""What people noted of stations: maintenance, and what else explains readings.

What belongs here: the answers, and noticing that something is new. What does not: how it is noted
(`gmn stations annotate`) and kept (`database/annotations.py`), and telling it (`events.py`).
"""

import asyncio
import logging
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

import anyio.to_thread
import pyarrow as pa
from starlette.responses import JSONResponse, Response

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.schemas.annotations import Annotation
from gmn_pipeline.serving.formats.export import About, Export
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.readings import spans
from gmn_pipeline.serving.readings.arrivals import Arrivals
from gmn_pipeline.serving.readings.latest import STATION
from gmn_pipeline.serving.readings.times import shown
from gmn_pipeline.serving.routes import Asked, Parameter

FROM = replace(spans.FROM, meaning="a time (UTC): what was over before is left out")
TO = replace(spans.TO, meaning="a time (UTC): what began later is left out")
WITHDRAWN = Parameter("withdrawn", "those too that were taken back", choices=("on",))
_MOST = 1_000
_LOOK_S = 1.0
# The database changes without a commit that would tell.
_HEADERS = {"Cache-Control": "no-cache"}
_TIME, _TEXT = pa.timestamp("us"), pa.string()
_SCHEMA = pa.schema([
    ("station_code", _TEXT), ("sensor_id", _TEXT), ("begin_utc", _TIME), ("end_utc", _TIME),
    ("text", _TEXT), ("noted_by", _TEXT), ("number", pa.int64()), ("noted_at_utc", _TIME),
    ("withdrawn_at_utc", _TIME), ("withdrawn_by", _TEXT),
])  # fmt: skip

_log = logging.getLogger(__name__)


async def json(asked: Asked) -> Response:
    """Those that are asked for, the latest first."""
    told = [_told(one) for one in await _found(asked)]
    return JSONResponse({"annotations": told}, headers=_HEADERS)


async def csv(asked: Asked) -> Response:
    """The same as a table."""
    rows = [asdict(one) for one in await _found(asked)]
    one = FORMATS["csv"]
    about = About("annotations", "What people noted of stations", "", utc_now())
    table = pa.Table.from_pylist(rows, _SCHEMA)
    written = one.write(Export.of(about, _SCHEMA, ()), table.to_batches())
    return Response(b"".join(written), headers=_HEADERS, media_type=one.media_type)


async def _found(asked: Asked) -> list[Annotation]:
    find = partial(
        asked.work.annotations.find, _MOST, asked.texts(STATION.name),
        spans.time_of(asked, FROM), spans.time_of(asked, TO),
        are_withdrawn_wanted=asked.text(WITHDRAWN.name) is not None,
    )  # fmt: skip
    return await anyio.to_thread.run_sync(find)


def _told(one: Annotation) -> dict[str, object]:
    return {
        name: shown(value) if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }


class AnnotationNews:
    """Looks for what is noted, as long as somebody listens. `open` it in the event loop that
    serves, and `close` it at the end."""

    def __init__(self, store: AnnotationStore, arrivals: Arrivals) -> None:
        self._store = store
        self._arrivals = arrivals
        self._looking: asyncio.Task[None] | None = None
        self._is_well = True

    def open(self) -> None:
        self._looking = asyncio.create_task(self._look())

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._arrivals.listeners.are_any:
                continue
            try:
                self._arrivals.tell_annotated(await anyio.to_thread.run_sync(self._store.revision))
                self._is_well = True
            except Exception as error:  # the next look may go better
                if self._is_well:
                    _log.warning("What is noted of stations cannot be read: %s", error)
                self._is_well = False
