"""Tell rows that may be believed from rows that may not, all rows of a table at once.

What belongs here: the last conversions (times, truths, lists), the hard limits (through Pandera,
from the table's declaration), duplicates, and the reasons of a rejection. What does not: reading
files (`readers/`), and what one dataset has for its own (`trajectories/checks.py`). Nothing here
knows a dataset.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from gmn_pipeline.isolate import by_halves, in_words
from gmn_pipeline.readers.times import in_calendar, utc_time
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import polars_schema, polars_type, polars_within_limits
from gmn_pipeline.schemas.fields import Field, Kind, Null

_TRUTH = {"True": True, "False": False}
# Why a row is rejected: its index, the column to blame (if one is) and the reason.
_NO_PROBLEMS = pl.DataFrame(schema={"row": pl.UInt32, "column": pl.String, "reason": pl.String})
_NONE_REJECTED = pl.DataFrame(schema={"row": pl.UInt32, "reasons": pl.List(pl.String)})


@dataclass(frozen=True)
class Checked:
    """Every row went one way: `accepted` has the columns of the table; `rejected` is one row
    (`row`, `reasons`) for each other, by its index among the rows given."""

    accepted: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True)
class FileRows:
    """How rows of files come to the check: the columns `fields` as the reader left them, numbers
    and integers typed (`None` is null, `nan` is NaN), the rest texts with their padding.

    `marks` are truths about the texts, which flags may ask for. `missing` names for a column the
    mark of rows that have no value since their file had no such column.
    """

    fields: tuple[Field, ...]
    marks: tuple[pl.Expr, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def numbers(self) -> list[Field]:
        return [f for f in self.fields if f.kind is Kind.NUMBER]

    @cached_property
    def texts(self) -> list[Field]:
        return [f for f in self.fields if f.kind not in (Kind.NUMBER, Kind.INTEGER)]


@dataclass(frozen=True)
class OnlyOnce:
    """Of rows with the same `key` only one stays: that with most of `most_of`, the first of these.
    `why_not` says it of the others."""

    key: tuple[str, ...]
    most_of: str
    why_not: str


class Checks:
    """The checks of one table."""

    def __init__(
        self,
        table: Table,
        *,
        with_flags: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
        only_once: OnlyOnce | None = None,
    ) -> None:
        self._table = table
        self._with_flags = with_flags
        self._only_once = only_once
        self._types = polars_schema(table.fields)

    def check(self, rows: pl.DataFrame) -> Checked:
        """Check rows that came typed.

        One thing may stand in several rows, each a state of it at another time.
        """
        typed, problem = self._one_by_one_if_need_be(
            lambda part: self._check_values(part, []), rows
        )
        sound = typed.join(problem, on="row", how="anti") if problem.height else typed
        return Checked(sound.drop("row"), _rejected(problem))

    def check_file_rows(self, rows: pl.DataFrame, form: FileRows) -> Checked:
        """Check rows of files, parsed; beside the columns of the form they have those of their
        source."""
        typed, problem = self._one_by_one_if_need_be(
            lambda part: self._check_texts(part, form), rows
        )
        sound = typed.join(problem, on="row", how="anti") if problem.height else typed
        duplicates = _duplicates(sound, self._only_once) if self._only_once else _NO_PROBLEMS
        if duplicates.height:
            sound = sound.join(duplicates, on="row", how="anti")
            problem = pl.concat([problem, duplicates])
        return Checked(sound.drop("row"), _rejected(problem))

    def _one_by_one_if_need_be(
        self, check: Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]], rows: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The typed rows and all problems; a row that breaks the check itself has that problem."""
        typed: list[pl.DataFrame] = []
        problem: list[pl.DataFrame] = []
        for first, _, result in by_halves(
            lambda first, size: check(rows.slice(first, size)), rows.height
        ):
            if isinstance(result, BaseException):
                reason = f"check: {in_words(result)}"
                problem.append(
                    pl.DataFrame([(first, "", reason)], _NO_PROBLEMS.schema, orient="row")
                )
                continue
            for found, frame in zip((typed, problem), result, strict=True):
                found.append(_counted_from(first, frame))
        if not typed:
            typed.append(pl.DataFrame(schema={"row": pl.UInt32, **self._types}))
        return pl.concat(typed), pl.concat(problem)

    def _check_texts(self, rows: pl.DataFrame, form: FileRows) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of a file, numbered and with their flags, and every problem they have."""
        typed, problems = _convert(rows, form)
        problems += _none_where_a_number_must_be(typed, form)
        return self._check_values(typed, problems)

    def _check_values(
        self, typed: pl.DataFrame, problems: list[pl.DataFrame]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows, numbered and with their flags, and every problem they have."""
        if self._with_flags:
            typed = self._with_flags(typed)
        typed = typed.select(_as_in_table(f) for f in self._table.fields)
        misread = pl.concat([_NO_PROBLEMS, *problems])
        beyond = self._beyond_hard_limits(typed)
        if beyond.height and misread.height:
            # What could not be read is null by now: its type is the reason, not that it is missing.
            beyond = beyond.join(misread, on=["row", "column"], how="anti")
        return typed.with_row_index("row"), pl.concat(
            [misread, beyond, *_unlike_pattern(typed, self._table)]
        )

    @cached_property  # not at first: this starts Polars' threads, which a forked process would miss
    def _within_limits(self) -> pl.Expr:
        return polars_within_limits(self._table)

    def _beyond_hard_limits(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Every value that the schema refuses. Most often there is none, which
        is found out first because it is quick."""
        if rows.schema == self._types and rows.select(self._within_limits.all()).item():
            return _NO_PROBLEMS
        return _refused_by_pandera(rows, self._table)


def _counted_from(first: int, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a part, by their index among all."""
    return frame.with_columns(pl.col("row") + pl.lit(first, pl.UInt32)) if first else frame


def _as_in_table(field: Field) -> pl.Expr:
    """A column of a table: of its type, without NaN."""
    column = pl.col(field.name)
    if field.kind is Kind.NUMBER:
        column = column.fill_nan(None)
    return column.cast(polars_type(field))


def _rejected(problem: pl.DataFrame) -> pl.DataFrame:
    """Every reason of each row that has a problem."""
    if not problem.height:
        return _NONE_REJECTED
    return (
        problem.select("row", "reason").unique().sort("row", "reason")
        .group_by("row", maintain_order=True).agg(pl.col("reason").alias("reasons"))
    )  # fmt: skip


def _convert(rows: pl.DataFrame, form: FileRows) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Texts that the reader left to typed values, and what would not convert."""
    texts, times = form.texts, [f.name for f in form.texts if f.kind is Kind.TIMESTAMP]
    stripped = rows.with_columns(pl.col([f.name for f in texts]).str.strip_chars(" "))
    converted = stripped.with_columns(*(_conversion(f) for f in texts), *form.marks).with_columns(
        in_calendar(pl.col(time)) for time in times
    )
    return converted, [
        _problems(
            f.name,
            converted.get_column(f.name).is_null() & _must_be_read(f, stripped),
            pl.concat_str(pl.lit(f"type: {f.name} is '"), stripped.get_column(f.name),
                          pl.lit(f"', not a {f.kind}"), ignore_nulls=True),
        )
        for f in texts
        if converted.get_column(f.name).null_count()
    ]  # fmt: skip


def _must_be_read(field: Field, texts: pl.DataFrame) -> pl.Series:
    """Where a text has to convert: everywhere, but for `None` in a column that may say so."""
    column = texts.get_column(field.name)
    return (column != "None") if field.null is Null.NOT_COMPUTED else column.is_not_null()


def _conversion(field: Field) -> pl.Expr:
    column = pl.col(field.name)
    if field.kind is Kind.TIMESTAMP:
        return utc_time(column)
    if field.kind is Kind.BOOLEAN:
        return column.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
    if field.kind is Kind.TEXT_LIST:
        return column.str.split(",")
    if field.kind is Kind.DATE:
        return column.str.to_date("%Y-%m-%d", strict=False)
    if field.kind is Kind.LONG:
        return column.cast(pl.Int64, strict=False)
    return column


def _none_where_a_number_must_be(rows: pl.DataFrame, form: FileRows) -> list[pl.DataFrame]:
    """`None` stands for an uncertainty that was not computed; no other number may be None."""
    return [
        _problems(
            f.name, _is_none(f, rows, form.missing.get(f.name)), pl.lit(f"type: {f.name} is None")
        )
        for f in form.numbers
        if f.null is not Null.NOT_COMPUTED and rows.get_column(f.name).null_count()
    ]


def _is_none(field: Field, rows: pl.DataFrame, missing: str | None) -> pl.Series:
    """Where a number is None, and not only missing from the format of the file."""
    is_none = rows.get_column(field.name).is_null()
    if missing is None or missing not in rows.columns:
        return is_none
    return is_none & ~rows.get_column(missing).fill_null(value=False)


def _refused_by_pandera(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One problem for each value that Pandera refuses. A failure without a row is a bug of ours."""
    # Here, since they take 0.6 s to import and most loads never need them.
    from pandera.errors import SchemaErrors

    from gmn_pipeline.schemas.hard_limits import pandera_schema

    try:
        pandera_schema(table).validate(rows, lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        if cases.get_column("index").null_count():
            raise
        return _from_failure_cases(cases)
    return _NO_PROBLEMS


def _from_failure_cases(cases: pl.DataFrame) -> pl.DataFrame:
    is_null = pl.col("check") == "not_nullable"
    return cases.select(
        pl.col("index").cast(pl.UInt32).alias("row"),
        "column",
        pl.concat_str(
            pl.lit("range: "), "column",
            pl.when(is_null).then(pl.lit(" is missing"))
            .otherwise(pl.concat_str(pl.lit(" is "), "failure_case", pl.lit(", not "), "check",
                                     ignore_nulls=True)),
        ).alias("reason"),
    )  # fmt: skip


def _unlike_pattern(rows: pl.DataFrame, table: Table) -> list[pl.DataFrame]:
    """Members of lists that are unlike their pattern (Pandera looks at whole lists only)."""
    return [
        _problems(
            f.name,
            ~rows.select(
                pl.col(f.name).list.eval(pl.element().str.contains(f.pattern)).list.all()
            ).to_series(),
            pl.concat_str(pl.lit(f"range: {f.name} is "), rows.get_column(f.name).list.join(","),
                          pl.lit(f", not like {f.pattern}")),
        )
        for f in table.fields
        if f.kind is Kind.TEXT_LIST and f.pattern
    ]  # fmt: skip


def _problems(column: str, where: pl.Series, reason: pl.Expr) -> pl.DataFrame:
    """A problem for each row where `where` is true (null is not)."""
    if not where.any():
        return _NO_PROBLEMS
    row = pl.int_range(where.len(), dtype=pl.UInt32)
    return pl.select(
        row.alias("row"), pl.lit(column).alias("column"), reason.alias("reason")
    ).filter(where)


def _duplicates(rows: pl.DataFrame, only_once: OnlyOnce) -> pl.DataFrame:
    """Rows of files with the key of another that stays."""
    again = rows.filter(pl.struct(only_once.key).is_duplicated())
    if not again.height:
        return _NO_PROBLEMS
    ranked = again.sort(only_once.most_of, "line_number", descending=[True, False]).with_columns(
        pl.col("line_number").first().over(only_once.key).alias("kept")
    )
    name = only_once.key[-1]
    return ranked.filter(pl.col("line_number") != pl.col("kept")).select(
        "row",
        pl.lit(name).alias("column"),
        pl.format(
            f"duplicate: {{}} stands also in line {{}}, {only_once.why_not}", name, "kept"
        ).alias("reason"),
    )
