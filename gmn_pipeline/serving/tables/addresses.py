"""What the addresses of tables, ready questions and changes have in common.

What belongs here: parts of a path, and what is said of formats. What does not: what is answered.
"""

from dataclasses import replace

from gmn_pipeline.serving import links
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.warehouse.lakes import READINGS, WAREHOUSE

STORE = Parameter(
    "store", "gmn, or gmn_data_store as the old platform called it",
    choices=("gmn", "gmn_data_store"), is_required=True, is_in_path=True, example="gmn",
)  # fmt: skip
READINGS_STORE = replace(
    STORE, meaning="readings: what sensors of stations measure", choices=(READINGS.name,),
    example=READINGS.name,
)  # fmt: skip
EVERY_STORE = replace(
    STORE, meaning=f"{STORE.meaning}; or readings, another lake",
    choices=(*STORE.choices, READINGS.name),
)  # fmt: skip
PROBLEMS = (404, 410, 503)
EXPORT_PROBLEMS = (*PROBLEMS, 505)


_AS_THE_OLD_PLATFORM = "gmn_data_store"


def store_of(relation: Relation) -> Parameter:
    """What the addresses of a table begin with."""
    return READINGS_STORE if relation.lake == READINGS.name else STORE


def lake_of(asked: Asked) -> str:
    """The lake that an address is about."""
    is_readings = asked.text(STORE.name) == READINGS.name
    return READINGS.name if is_readings else WAREHOUSE.name


def base_of(asked: Asked) -> str:
    """What links begin with: nothing, so that they are paths, right behind any proxy. Those of the
    old platform were whole addresses, which its users' programs go on with as they are."""
    if asked.text(STORE.name) != _AS_THE_OLD_PLATFORM:
        return ""
    try:
        is_believed = asked.work.settings.serve_trust_forwarded
        return links.base_of(asked.request, is_proxy_believed=is_believed)
    except Problem:
        return ""  # a path leads there just as well


def suffix(choices: tuple[str, ...]) -> Parameter:
    """What an address ends in."""
    meaning = "the format: " + "; ".join(
        f"{name}: {FORMATS[name].name}, {FORMATS[name].description}" for name in choices
    )
    return Parameter(
        "suffix", meaning, choices=choices, is_required=True, is_in_path=True,
        example="csv" if "csv" in choices else choices[0],
    )  # fmt: skip


def in_formats(choices: tuple[str, ...]) -> tuple[Answers, ...]:
    """What they answer, each media type once."""
    kinds = {FORMATS[name].media_type.split(";")[0]: FORMATS[name] for name in reversed(choices)}
    return tuple(Answers(kind, one.name) for kind, one in reversed(kinds.items()))
