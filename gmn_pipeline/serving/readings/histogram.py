"""How many readings there are over time, among those that filters let through.

What belongs here: `/readings/histogram.json`. What does not: the readings themselves, which are a
table (`serving/tables/`).
"""

import json
from datetime import timedelta

from starlette.responses import Response

from gmn_pipeline.schemas.station_readings import STATION_READINGS
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import answered
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.readings.spans import span_of
from gmn_pipeline.serving.readings.times import in_sql, shown
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables.as_of import state
from gmn_pipeline.serving.tables.filters import Condition, conditions, where
from gmn_pipeline.serving.tables.page import filters_of
from gmn_pipeline.serving.tables.relations import READINGS_RELATIONS
from gmn_pipeline.warehouse.lakes import READINGS

RELATION = next(one for one in READINGS_RELATIONS if one.name == STATION_READINGS.name)
FILTERS = filters_of(RELATION)
BINS = Parameter("bins", "bins at most, 120 without it, 2,000 at most", 120, minimum=1,
                 example="60")  # fmt: skip
_MOST_BINS = 2_000
_USUAL = timedelta(days=1)


async def answer(asked: Asked) -> Response:
    stamp = await state(asked, READINGS.name)
    bins = asked.number(BINS.name) or 1
    if bins > _MOST_BINS:
        raise bad_request(f"{BINS.name} is {_MOST_BINS:,} at most, not {bins:,}.")
    over = span_of(asked, stamp.snapshot.committed_at_utc, usual=_USUAL, points=bins)
    some = conditions(RELATION, [(*FILTERS.parts(n), text) for n, text in asked.conditions])
    within = Condition(
        f"measured_at_utc >= {in_sql(over.begin)} AND measured_at_utc < {in_sql(over.end)}"
    )
    clause, values = where([within, *some])

    async def ask() -> Kept:
        sql = (
            f"SELECT {over.bucket.format('measured_at_utc')} AS begin, count(*) AS n "
            f"FROM {RELATION.name} {clause} GROUP BY 1 ORDER BY 1"
        )
        rows = (await asked.work.fetch(asked.request, stamp.snapshot, sql, values)).to_pylist()
        told = {
            **over.told(), "columns": ["begin_utc", "reading_count"],
            "bins": [[shown(row["begin"]), row["n"]] for row in rows],
            "reading_count": sum(row["n"] for row in rows), "snapshot": stamp.snapshot.id,
        }  # fmt: skip
        return Kept(json.dumps(told).encode(), "application/json", {})

    return await answered(asked, stamp, ask)
