"""The names that the client for Python knows: columns, tables and ready questions.

What belongs here: writing `client/gmn_client/columns.py`, so that an editor and mypy know the names
and kinds of `schemas/`. What does not: the client, which stands on nothing of this package.
"""

import textwrap
from collections.abc import Iterable

from gmn_pipeline.queries.canned.catalogue import OBJECTS, all_queries
from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.tables.relations import RELATIONS

_CLASSES = {
    Kind.TEXT: "Text", Kind.TIMESTAMP: "Time", Kind.DATE: "Day", Kind.INTEGER: "Number",
    Kind.LONG: "Number", Kind.NUMBER: "Number", Kind.BOOLEAN: "Truth", Kind.TEXT_LIST: "Texts",
}  # fmt: skip
_HEAD = '''"""Names that the server knows.

Written by `make docs` from its definitions: change them there.
"""

from typing import Literal, TypeAlias

from gmn_client.conditions import Day, Number, Text, Texts, Time, Truth


class Trajectories:
    """The columns of trajectories."""

'''


def columns_module() -> str:
    """The text of the module."""
    columns = "".join(_column(field) for field in TRAJECTORIES.fields)
    names = {
        "TrajectoryColumn": [field.name for field in TRAJECTORIES.fields],
        "TableName": [relation.name for relation in RELATIONS],
        "QueryName": [query.name for query in all_queries(OBJECTS)],
    }
    literals = "\n".join(_literal(name, members) for name, members in names.items())
    return f"{_HEAD}{columns}\n\n{literals}"


def _column(field: Field) -> str:
    comment = textwrap.fill(
        " ".join(describe(field).split()), 98, initial_indent="    # ", subsequent_indent="    # "
    )
    return f'{comment}\n    {field.name} = {_CLASSES[field.kind]}("{field.name}")\n'


def _literal(name: str, members: Iterable[str]) -> str:
    lines = "".join(f'    "{member}",\n' for member in members)
    return f"{name}: TypeAlias = Literal[\n{lines}]\n"
