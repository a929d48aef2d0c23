"""What a dataset is declared with: its tables, and what names and dates a row of it.

What belongs here: what all datasets share. What does not: the datasets (`trajectories.py`,
`showers.py`), and the list of them (`tables.py`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmn_pipeline.schemas.fields import Field, Kind, Null

if TYPE_CHECKING:  # it imports what tables alone do not need, and queries wait for
    from gmn_pipeline.schemas.message_schema import MessageSchema


@dataclass(frozen=True)
class Table:
    """A table of the warehouse or of the validated layer."""

    name: str
    meaning: str
    fields: tuple[Field, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


def text(name: str, meaning: str, null: Null = Null.NEVER, pattern: str | None = None) -> Field:
    return Field(name, meaning, Kind.TEXT, null=null, pattern=pattern)


def utc(name: str, meaning: str, null: Null = Null.NEVER) -> Field:
    return Field(name, meaning, Kind.TIMESTAMP, null=null)


def integer(
    name: str, meaning: str, minimum: float | None = 0, maximum: float | None = None
) -> Field:
    return Field(name, meaning, Kind.INTEGER, minimum=minimum, maximum=maximum)


def count_since(name: str, meaning: str) -> Field:
    """A count that warehouses made before it was counted do not know."""
    return Field(name, meaning, Kind.INTEGER, null=Null.UNDEFINED, minimum=0)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, declared once; there is one value of each.

    `name` is the second part of its assets' keys. The first of `tables` has what is current: `key`
    names a row of it, and `time_column` says when what it tells of happened. `validated` are the
    tables of rows that were checked and are not in the warehouse yet, where those are others than
    `tables`. `flags` is the column of the names of what is odd about a row, and `messages` is how
    rows are sent. `lake` is where its tables are.
    """

    name: str
    tables: tuple[Table, ...]
    key: tuple[str, ...]
    time_column: str | None = None
    flags: Field | None = None
    validated: tuple[Table, ...] = ()
    working_tables: tuple[Table, ...] = ()
    messages: "MessageSchema | None" = None
    lake: str = "warehouse"

    def __post_init__(self) -> None:
        """Raises ValueError for a declaration that contradicts itself."""
        if problem := self._problem():
            raise ValueError(f"The dataset {self.name} is declared wrongly: {problem}.")

    @property
    def current(self) -> Table:
        """The table of what is current."""
        return self.tables[0]

    @property
    def checked(self) -> tuple[Table, ...]:
        """What rows have to be to be let into the warehouse."""
        return self.validated or self.tables

    def _problem(self) -> str | None:
        if not self.tables:
            return "it has no table"
        for table in (*self.tables, *self.validated, *self.working_tables):
            if len(set(table.columns)) < len(table.columns):
                return f"two columns of {table.name} have one name"
        columns = {field.name: field for field in self.current.fields}
        for name in self.key:
            if name not in columns or columns[name].nullable:
                return f"{self.current.name} has no {name} that is never null, to be its key"
        if self.time_column and columns.get(self.time_column, _NO_TIME).kind is not Kind.TIMESTAMP:
            return f"{self.current.name} has no time {self.time_column}"
        if self.flags and self.flags not in self.checked[0].fields:
            return f"{self.checked[0].name} has no {self.flags.name}"
        sent = {field.column for field in self.messages.fields} if self.messages else set(self.key)
        if missing := [name for name in self.key if name not in sent]:
            return f"its messages do not say {missing[0]}"
        return None


_NO_TIME = Field("", "")
