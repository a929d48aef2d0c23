"""What containers say to processors, and having objects read again.

What belongs here: accepting what is proposed, rules with their checks, the list of what is to be
read again. What does not: reading (`object_processing.py`).
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from gmn_pipeline.database.object_runs import ObjectRuns
from gmn_pipeline.database.object_search import ObjectSearch, Search
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.registry import of_type, processors
from gmn_pipeline.processing.tables import Tables, table_name
from gmn_pipeline.schemas.objects import By, StoredObject

_PAGE = 1_000


def set_rules(runs: ObjectRuns, project: str, container: str, rules: Any, by: By) -> None:
    """Let a container say this to processors: a list of rules by the name of each.

    Raises ObjectRefused if it is something else.
    """
    if not isinstance(rules, dict) or not all(
        isinstance(some, list) and all(isinstance(rule, dict) for rule in some)
        for some in rules.values()
    ):
        raise ObjectRefused(
            "Rules are an object of lists of objects, by the names of processors.",
            remedy='As in {"tables": [{"names": "*.csv", "table": "weather"}]}.',
        )
    if unknown := sorted(rules.keys() - processors().keys()):
        raise ObjectRefused(
            f"There is no processor {', '.join(unknown)}.",
            remedy=f"There are {', '.join(processors())}.",
        )
    runs.set_rules(project, container, rules, by)


def accept(
    runs: ObjectRuns, search: ObjectSearch, stored: StoredObject, by: By,
    table: str | None = None, names: str | None = None,
) -> tuple[str, int]:  # fmt: skip
    """Accept the schema that was proposed of a file: it is loaded into a table of its container
    (by default one of its own name), and so is every file that `names`, a pattern, matches (by
    default it alone). The table in the lake, and how many objects are read again for it."""
    if Tables not in map(type, of_type(stored.description.content_type)):
        raise ObjectRefused(
            f"{stored.name} is no table: it is {stored.description.content_type}.",
            remedy="Tables come from CSV, TSV, JSON, NDJSON, Parquet and spreadsheets.",
        )
    place = stored.name
    rules = dict(runs.rules(place.project, place.container))
    pattern = names or _exactly(place.name)
    rule = {"names": pattern, "table": table or PurePosixPath(place.name).stem}
    others = [one for one in rules.get(Tables.name, []) if one.get("names") != pattern]
    set_rules(runs, place.project, place.container, rules | {Tables.name: [rule, *others]}, by)
    asked = 0
    for page in _pages(search, Search(project=place.project, container=place.container)):
        matching_it = [one for one in page if fnmatchcase(one.name.name, pattern)]
        asked += reprocess_objects(runs, matching_it, by, Tables.name)
    return table_name(place, rule["table"]), asked


def _exactly(name: str) -> str:
    """A pattern that matches a name and no other."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def reprocess(
    runs: ObjectRuns, search: ObjectSearch, wanted: Search, by: By, processor: str = ""
) -> int:
    """Have objects read again, by one processor or by all; how many are on the list for it."""
    asked = 0
    for page in _pages(search, wanted):
        asked += runs.ask_again(_pairs(page, processor), by)
    return asked


def reprocess_objects(
    runs: ObjectRuns, objects: Sequence[StoredObject], by: By, processor: str = ""
) -> int:
    """The same of these objects."""
    return runs.ask_again(_pairs(objects, processor), by)


def _pairs(objects: Sequence[StoredObject], processor: str) -> list[tuple[int, str]]:
    if processor and processor not in processors():
        raise ObjectRefused(
            f"There is no processor {processor}.", remedy=f"There are {', '.join(processors())}."
        )
    return [
        (one.object_id, taking.name)
        for one in objects
        for taking in of_type(one.description.content_type)
        if processor in ("", taking.name)
    ]


def _pages(search: ObjectSearch, wanted: Search) -> Iterator[list[StoredObject]]:
    after = 0
    while page := search.find(wanted, _PAGE, after):
        yield page
        after = page[-1].object_id
