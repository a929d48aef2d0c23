"""The file of rows by key beside a lake, in this process, and whether it says what the lake says.

What belongs here: opening both, and comparing. What does not: what is done to them.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import Any

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key import reading
from gmn_pipeline.serving.by_key.keeper import Keeper
from gmn_pipeline.serving.by_key.reading import History
from gmn_pipeline.serving.by_key.rows import ROWS, line
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.tables.relations import RELATIONS
from gmn_pipeline.serving.tables.shapes import line_sql
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import lakes

_RELATIONS = {relation.name: relation for relation in RELATIONS}
MOST_MB = 1_000


@contextmanager
def lake_of(settings: Settings, which: lakes.Lake = lakes.WAREHOUSE) -> Iterator[Lake]:
    lake = Lake(settings, settings, which)
    lake.start()
    try:
        yield lake
    finally:
        lake.stop()


@contextmanager
def keeper_of(settings: Settings, lake: Lake, most_mb: int = MOST_MB) -> Iterator[Keeper]:
    """One whose thread does not run: it follows when it is told to."""
    keeper = Keeper(settings.data_dir, lake, most_mb)
    try:
        yield keeper
    finally:
        keeper.stop()


def newest(lake: Lake) -> Snapshot:
    lake.verify(lake.snapshot())
    return lake.snapshot()


def history(keeper: Keeper, snapshot: Snapshot, identifier: str) -> History | None:
    return keeper.reading.ask(snapshot, lambda db: reading.history_of(db, identifier))


def identifiers(lake: Lake) -> list[str]:
    sql = "SELECT DISTINCT trajectory_identifier AS one FROM trajectory_history"
    return [str(one) for one in lake.fetch(newest(lake), sql)["one"].to_pylist()]


def assert_as_the_lake(lake: Lake, keeper: Keeper) -> None:
    """Each row, history and link of the newest state."""
    snapshot = newest(lake)
    for name in ROWS:
        relation = _RELATIONS[name]
        fields, key = relation.fields, relation.key[0]
        sql = f"SELECT {key} AS key, {line_sql(fields, 'objects')} AS line FROM {name}"
        for row in lake.fetch(snapshot, sql).to_pylist():
            kept = keeper.reading.ask(snapshot, partial(_row, relation=name, key=row["key"]))
            assert kept is not None, row["key"]
            assert line(fields, kept, "objects") == row["line"]
    assert_same_histories(lake, keeper, is_all=True)
    sql = "SELECT station_id, list(meteor_id ORDER BY meteor_id) AS of FROM participating_station"
    for row in lake.fetch(snapshot, f"{sql} GROUP BY 1").to_pylist():
        links = keeper.reading.ask(snapshot, partial(_links, number=row["station_id"]))
        assert links is not None
        assert (links.identifiers, links.number) == (row["of"], len(row["of"]))


def _row(db: sqlite3.Connection, relation: str, key: str) -> Mapping[str, str] | None:
    return reading.row_of(db, relation, key)


def _links(db: sqlite3.Connection, number: int) -> reading.Links | None:
    return reading.links_of(db, number, None, 10**6)


def assert_same_histories(lake: Lake, keeper: Keeper, *, is_all: bool) -> None:
    """Those that are told are the lake's; `is_all`: those of all current ones are told."""
    snapshot = newest(lake)

    def lines(name: str) -> list[dict[str, Any]]:
        sql = f"SELECT {line_sql(_RELATIONS[name].fields, 'objects')} AS line FROM {name}"
        return [json.loads(one) for one in lake.fetch(snapshot, sql)["line"].to_pylist()]

    files, stations = lines("source_files"), lines("stations")
    states: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sorted(lines("trajectory_history"), key=itemgetter("revision")):
        states[one["trajectory_identifier"]].append(one)
    assert states
    for identifier, of_it in states.items():
        kept = history(keeper, snapshot, identifier)
        if not of_it[-1]["is_current"]:
            assert kept is None  # withdrawn: the lake tells
        elif kept is None:
            assert not is_all
        else:
            assert kept.states == of_it
            sources = {(one["source_file_sha256"], one["bin_date"]) for one in of_it}
            codes = of_it[-1]["participating_stations"]
            assert_same_rows(
                kept.source_files,
                [f for f in files if (f["source_file_sha256"], f["bin_date"]) in sources],
            )
            assert_same_rows(kept.stations, [s for s in stations if s["station_code"] in codes])


def assert_same_rows(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    assert sorted(map(repr, some)) == sorted(map(repr, others))
