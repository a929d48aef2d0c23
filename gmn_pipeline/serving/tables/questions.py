"""Ready questions over HTTP: the list of them, and the answer to one in any format.

What belongs here: their addresses and parameters. What does not: the questions themselves
(`queries/canned/`).
"""

from collections.abc import Iterator

from starlette.responses import JSONResponse, Response

from gmn_pipeline.queries.canned.catalogue import OBJECTS, CannedQuery, all_queries
from gmn_pipeline.queries.canned.catalogue import Parameter as CannedParameter
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.conditional import OwnStamp
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables import exports
from gmn_pipeline.serving.tables.addresses import EXPORT_PROBLEMS, STORE, in_formats, suffix
from gmn_pipeline.serving.tables.as_of import AS_OF, state

ANY_COLUMNS = tuple(name for name, one in FORMATS.items() if one.is_for_any_columns)
_CACHED = {"Cache-Control": "public, max-age=300"}
_LIST_SCHEMA = {
    "type": "object",
    "required": ["queries"],
    "properties": {"queries": {"type": "array", "items": {"type": "object"}}},
}


async def _list(asked: Asked) -> Response:
    store = asked.text("store")
    told = [_told(query, f"/{store}/queries/{query.name}") for query in all_queries(OBJECTS)]
    return JSONResponse({"queries": told, "suffixes": list(ANY_COLUMNS)}, headers=_CACHED)


def _told(query: CannedQuery, base: str) -> dict[str, object]:
    parameters = [
        {
            "name": one.name, "type": one.type, "meaning": one.meaning, "unit": one.unit,
            "default": one.default, "is_required": one.is_required, "choices": list(one.choices),
        }
        for one in query.parameters
    ]  # fmt: skip
    return {
        "name": query.name, "title": query.title, "description": query.description,
        "parameters": parameters, "sql": query.sql, "needs": query.needs,
        "address": f"{base}.json",
    }  # fmt: skip


def _parameter(one: CannedParameter) -> Parameter:
    unit = f" [{one.unit}]" if one.unit else ""
    return Parameter(
        one.name, f"{one.meaning}{unit} ({one.type})", one.default, one.choices,
        is_required=one.is_required, example=_EXAMPLES.get(one.type) if one.is_required else None,
    )  # fmt: skip


_EXAMPLES = {
    "time": "2026-08-13T22:00:00", "date": "2026-08-13", "text": "20220304220741_yrPTs",
    "number": "1", "positive": "1", "integer": "1",
}  # fmt: skip


def _route(query: CannedQuery) -> Route:
    async def answer(asked: Asked) -> Response:
        given = {p.name: asked.text(p.name) for p in query.parameters}
        values = query.values({name: text for name, text in given.items() if text is not None})
        one, stamp = FORMATS[asked.text("suffix") or ""], await state(asked)
        if query.needs and not asked.work.object_tables.exists:
            raise Problem(404, "not-found", "Nothing was read out of objects here yet.")
        # What is asked of objects depends on who asks: it is for them alone, and never kept.
        visible = await free_sql.visible_objects(asked, query.sql) if query.needs else None
        return await exports.exported(
            asked, stamp if visible is None else OwnStamp(stamp.snapshot, stamp.is_pinned), one,
            query.sql, values, query.name, f"{query.title}. {query.description}",
            TRAJECTORY_FIELDS, is_free=visible is not None, visible=visible,
        )  # fmt: skip

    return Route(
        f"/{{store}}/queries/{query.name}.{{suffix}}", f"query_{query.name}",
        f"{query.title}. {query.description}", answer, in_formats(ANY_COLUMNS),
        (STORE, suffix(ANY_COLUMNS), *map(_parameter, query.parameters), AS_OF),
        problems=(401, *EXPORT_PROBLEMS) if query.needs else EXPORT_PROBLEMS,
    )  # fmt: skip


def routes() -> Iterator[Route]:
    yield Route(
        "/{store}/queries.json", "queries", "The ready questions that there are, with their "
        "parameters", _list, (Answers("application/json", "All of them", _LIST_SCHEMA),), (STORE,),
        problems=(404,),
    )  # fmt: skip
    yield from map(_route, all_queries(OBJECTS))
