"""A whole table, view or ready question in any format, streamed.

What belongs here: the query of an export, and what is said of it. What does not: the formats
(`serving/formats/`), and sending (`serving/streaming.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.errors import FormatRefused
from gmn_pipeline.queries.answer import Answer
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field
from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.conditional import Stamp
from gmn_pipeline.serving.formats.export import About, Export, whole
from gmn_pipeline.serving.formats.registry import FORMATS, Format
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.routes import Asked, Conditions, Parameter
from gmn_pipeline.serving.tables import order
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.filters import where
from gmn_pipeline.serving.tables.page import (
    COL,
    NOCOL,
    SORT,
    SORT_DESC,
    chosen,
    filtered,
    of_rows,
    sorted_by,
)
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.work import Fetched

_TELLS_NO_END = "1.0"


def suffixes_of(relation: Relation) -> tuple[str, ...]:
    """The formats that a table can be had in; JSON is its pages'."""
    return tuple(
        suffix
        for suffix, one in FORMATS.items()
        if suffix != "json" and _has_what_is_needed(one, relation)
    )


def _has_what_is_needed(one: Format, relation: Relation) -> bool:
    legacy = {f.legacy_name for f in TRAJECTORY_FIELDS if f.name in one.needs}
    here = set(relation.by_name)
    return set(one.needs) <= here or (legacy <= here and not one.needs_lines)


def parameters_of(relation: Relation) -> tuple[Parameter, ...]:
    return (*of_rows(relation), SORT, SORT_DESC, COL, NOCOL, AS_OF)


async def answer(asked: Asked, relation: Relation, filters: Conditions) -> Response:
    """All rows that the filters let through, in the format of the suffix."""
    one = FORMATS[asked.text("suffix") or ""]
    name, descends = sorted_by(asked, relation)
    fields = _columns(asked, relation, one)
    conditions = filtered(asked, relation, filters)
    clause, values = where(conditions)
    sql = f"SELECT {', '.join(field.name for field in fields)} FROM {relation.name} {clause}"
    if name is not None:
        sql += f" ORDER BY {order.order_by(order.order_of(relation, name, descends=descends))}"
    elif one.order:
        sql += f" ORDER BY {', '.join(one.order)}"
    stamp = await state(asked, relation.lake)
    return await exported(
        asked, stamp, one, sql, values, relation.name, relation.meaning, relation.fields,
        is_free=any(condition.is_free for condition in conditions),
    )  # fmt: skip


def _columns(asked: Asked, relation: Relation, one: Format) -> Sequence[Field]:
    """Raises Problem where a format lacks a column that it is made of."""
    if asked.texts(COL.name) or asked.texts(NOCOL.name):
        return chosen(asked, relation)
    if one.needs_lines:
        return [field for field in relation.fields if field.name in one.needs]
    return relation.fields


async def exported(
    asked: Asked,
    stamp: Stamp,
    one: Format,
    sql: str,
    values: Parameters,
    title: str,
    description: str,
    known: Sequence[Field],
    *,
    is_free: bool = False,
    visible: Visible | None = None,
) -> Response:
    """The answer to a query in a format, as it comes; `is_free`: it holds text of a client;
    `visible`: see `Work.fetch_free`.

    Raises Problem before it begins.
    """
    request = asked.request
    if (same := stamp.not_modified(request)) is not None:
        return same
    if request.scope["http_version"] == _TELLS_NO_END:
        raise Problem(
            505, "http-version", "Exports need HTTP/1.1: in 1.0 a transfer that breaks looks "
            "whole. A proxy in between may have to be told (nginx: proxy_http_version 1.1).",
        )  # fmt: skip
    headers = stamp.headers(request)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=one.media_type)
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    about = About(
        title, description, str(stamp.snapshot.id), datetime.now(UTC).replace(tzinfo=None),
        address=address,
    )  # fmt: skip

    def write(answer: Answer) -> Iterator[bytes]:
        try:
            export = Export.of(about, answer.schema, known, asked.work.lines)
            pieces = one.write(export, whole(answer))
        except FormatRefused as error:
            raise bad_request(str(error)) from error
        return _nonempty(pieces, is_free=is_free)

    async def found() -> Fetched:
        most = asked.work.settings.serve_sql_rows
        fetched = await free_sql.fetch(
            asked, stamp.snapshot, sql, values, rows=most, visible=visible
        )
        if fetched.truncated:
            # What has an end must be whole, and most formats cannot say that they are not.
            raise Problem(400, "query-limit", f"The answer has more than {most:,} rows. Ask for "
                          "less, or for a whole table without SQL.")  # fmt: skip
        return fetched

    if is_free:
        streamed = await asked.work.stream_free(request, found, write)
    else:
        streamed = await asked.work.stream(request, stamp.snapshot, sql, values, write)
    return streamed.says(headers, one.media_type)


def _nonempty(pieces: Iterator[bytes], *, is_free: bool) -> Iterator[bytes]:
    """Raises Problem where a format finds only with the first row that it cannot be made."""
    try:
        yield from (piece for piece in pieces if piece)
    except FormatRefused as error:
        raise Problem(400, "format-refused", str(error)) from error
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        if not is_free:
            raise
        raise Problem(
            400, "format-refused", f"A column has a type that this format does not have: {error}. "
            "Cast it to another one.",
        ) from error  # fmt: skip
