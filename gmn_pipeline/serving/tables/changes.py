"""What has changed since a state, for mirrors: who applies it has exactly our rows.

What belongs here: `/gmn/changes.<suffix>`. What does not: the query (`difference.py`), feeds for
people.
"""

from starlette.responses import Response

from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Parameter, Route
from gmn_pipeline.serving.tables.addresses import EXPORT_PROBLEMS, STORE, in_formats, suffix
from gmn_pipeline.serving.tables.as_of import AS_OF, named, state
from gmn_pipeline.serving.tables.difference import NOTHING, changes_sql
from gmn_pipeline.serving.tables.exports import exported
from gmn_pipeline.serving.tables.questions import ANY_COLUMNS

_SUFFIXES = tuple(name for name in ANY_COLUMNS if name != "json")
_SINCE = Parameter(
    "since", "the number of the state that you have (header GMN-Snapshot of your last answer); 0 "
    "if you have nothing; or a time (UTC)", is_required=True, example="0",
)  # fmt: skip
_MEANING = (
    "Trajectories that came (inserted), were solved again (revised), came from another file with "
    "the same content (relabelled) or went (withdrawn), each once, with what it is now; in order "
    "of the time of the change (since 0: in no order). Apply them to what you have: then "
    "it is the state that the header GMN-Snapshot names, from which you go on"
)


async def _answer(asked: Asked) -> Response:
    stamp = await state(asked)
    since = await _former(asked)
    if since > stamp.snapshot.id:
        raise bad_request(f"since ({since}) is later than the state asked ({stamp.snapshot.id}).")
    one = FORMATS[asked.text("suffix") or ""]
    return await exported(
        asked, stamp, one, changes_sql(since, is_recent=True), [],
        f"changes since state {since}", _MEANING, TRAJECTORIES.fields,
    )  # fmt: skip


async def _former(asked: Asked) -> int:
    text = asked.text(_SINCE.name) or ""
    if text == "0":
        return NOTHING
    snapshot, _ = await named(asked, text, _SINCE.name)
    return snapshot.id


ROUTE = Route(
    "/{store}/changes.{suffix}", "changes", _MEANING, _answer, in_formats(_SUFFIXES),
    (STORE, suffix(_SUFFIXES), _SINCE, AS_OF), problems=EXPORT_PROBLEMS,
)  # fmt: skip
