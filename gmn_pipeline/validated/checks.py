"""Tell rows that may be believed from rows that may not, all rows at once.

What belongs here: the last conversions (times, flags, lists), the hard limits (through Pandera,
from the one column definition), duplicates, and the reasons of a rejection. What does not:
reading files (`readers/summary_file.py`) and what is merely odd (`trajectories/quality.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pandera.errors
import polars as pl

from gmn_pipeline.isolate import by_halves, in_words
from gmn_pipeline.readers.times import in_calendar, time_marks, utc_time
from gmn_pipeline.schemas.derive import polars_schema, polars_within_limits
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.schemas.hard_limits import pandera_schema
from gmn_pipeline.schemas.tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.validated.trajectories.quality import with_quality_flags

_SCHEMA = pandera_schema(VALIDATED_TRAJECTORIES)
_TYPES = polars_schema(VALIDATED_TRAJECTORIES.fields)
_NUMBERS = [f for f in TRAJECTORY_FIELDS if f.kind is Kind.NUMBER]
_MARK_OF_MISSING = {"latitude_of_perihelion_deg": "latitude_of_perihelion_missing"}
_TRUTH = {"True": True, "False": False}
# Why a row is rejected: its index, the column to blame (if one is) and the reason.
_NO_PROBLEMS = pl.DataFrame(schema={"row": pl.UInt32, "column": pl.String, "reason": pl.String})


@dataclass(frozen=True)
class Checked:
    """Every row went one way: `accepted` has the columns of the validated table; `rejected` is
    one row (`row`, `reasons`) for each other, by its index among the rows given."""

    accepted: pl.DataFrame
    rejected: pl.DataFrame


def check_rows(rows: pl.DataFrame) -> Checked:
    """Check parsed rows (the 86 columns as the reader left them, and those of their source)."""
    typed, problem = _one_by_one_if_need_be(_check_texts, rows)
    sound = typed.join(problem, on="row", how="anti") if problem.height else typed
    duplicates = _duplicates(sound)
    if duplicates.height:
        sound = sound.join(duplicates, on="row", how="anti")
        problem = pl.concat([problem, duplicates])
    return Checked(sound.drop("row"), _rejected(problem))


def check_typed_rows(rows: pl.DataFrame) -> Checked:
    """Check rows that came typed, not as text: those of messages. The same limits and flags.

    One trajectory may stand in several rows, each a state of it at another time.
    """
    typed, problem = _one_by_one_if_need_be(lambda part: _check_values(part, []), rows)
    sound = typed.join(problem, on="row", how="anti") if problem.height else typed
    return Checked(sound.drop("row"), _rejected(problem))


def _one_by_one_if_need_be(
    check: Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]], rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The typed rows and all problems; a row that breaks the check itself has that problem."""
    typed: list[pl.DataFrame] = []
    problem: list[pl.DataFrame] = []
    for first, _, result in by_halves(
        lambda first, size: check(rows.slice(first, size)), rows.height
    ):
        if isinstance(result, BaseException):
            reason = f"check: {in_words(result)}"
            problem.append(pl.DataFrame([(first, "", reason)], _NO_PROBLEMS.schema, orient="row"))
            continue
        for found, frame in zip((typed, problem), result, strict=True):
            found.append(frame.with_columns(pl.col("row") + pl.lit(first, pl.UInt32)))
    if not typed:
        typed.append(pl.DataFrame(schema={"row": pl.UInt32, **_TYPES}))
    return pl.concat(typed), pl.concat(problem)


def _check_texts(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a file, numbered and with their quality flags, and every problem they have."""
    typed, problems = _convert(rows)
    problems += _none_where_a_number_must_be(typed)
    return _check_values(typed, problems)


def _check_values(
    typed: pl.DataFrame, problems: list[pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows, numbered and with their quality flags, and every problem they have."""
    typed = with_quality_flags(typed).with_columns(
        pl.col([f.name for f in _NUMBERS]).fill_nan(None)
    )
    typed = typed.select(VALIDATED_TRAJECTORIES.columns).cast(_TYPES)
    misread = pl.concat([_NO_PROBLEMS, *problems])
    # What could not be read is null by now: its type is the reason, not that it is missing.
    beyond = _beyond_hard_limits(typed).join(misread, on=["row", "column"], how="anti")
    return typed.with_row_index("row"), pl.concat([misread, beyond, *_unlike_pattern(typed)])


def _rejected(problem: pl.DataFrame) -> pl.DataFrame:
    """Every reason of each row that has a problem."""
    return (
        problem.select("row", "reason").unique().sort("row", "reason")
        .group_by("row", maintain_order=True).agg(pl.col("reason").alias("reasons"))
    )  # fmt: skip


def _convert(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Texts that the reader left to typed values, and what would not convert."""
    texts = [f for f in TRAJECTORY_FIELDS if f.kind not in (Kind.NUMBER, Kind.INTEGER)]
    stripped = rows.with_columns(pl.col([f.name for f in texts]).str.strip_chars(" "))
    converted = stripped.with_columns(
        *(_conversion(f) for f in texts), *time_marks(pl.col("beginning_utc_time"))
    ).with_columns(in_calendar(pl.col("beginning_utc_time")))
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
    return column


def _none_where_a_number_must_be(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """`None` stands for an uncertainty that was not computed; no other number may be None."""
    return [
        _problems(f.name, _is_none(f, rows), pl.lit(f"type: {f.name} is None"))
        for f in _NUMBERS
        if f.null is not Null.NOT_COMPUTED and rows.get_column(f.name).null_count()
    ]


def _is_none(field: Field, rows: pl.DataFrame) -> pl.Series:
    """Where a number is None, and not only missing from the format of the file."""
    is_none = rows.get_column(field.name).is_null()
    missing = _MARK_OF_MISSING.get(field.name)
    if missing not in rows.columns:
        return is_none
    return is_none & ~rows.get_column(missing).fill_null(value=False)


@cache  # not at import: this starts Polars' threads, which a forked process would miss
def _within_limits() -> pl.Expr:
    return polars_within_limits(VALIDATED_TRAJECTORIES)


def _beyond_hard_limits(rows: pl.DataFrame) -> pl.DataFrame:
    """Every value that the schema refuses. Most often there is none, which is soon seen."""
    if rows.schema == _TYPES and rows.select(_within_limits().all()).item():
        return _NO_PROBLEMS
    try:
        _SCHEMA.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        return _from_failure_cases(errors)
    return _NO_PROBLEMS


def _from_failure_cases(errors: pandera.errors.SchemaErrors) -> pl.DataFrame:
    """One problem for each value that Pandera refuses. A failure without a row is a bug of ours."""
    cases: pl.DataFrame = errors.failure_cases
    if cases.get_column("index").null_count():
        raise errors
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


def _unlike_pattern(rows: pl.DataFrame) -> list[pl.DataFrame]:
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
        for f in TRAJECTORY_FIELDS
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


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """An identifier twice in a file: the one with most stations stays (upstream's own rule)."""
    key = ["source_file_sha256", "trajectory_identifier"]
    again = rows.filter(pl.struct(key).is_duplicated())
    if not again.height:
        return _NO_PROBLEMS
    ranked = again.sort("station_count", "line_number", descending=[True, False]).with_columns(
        pl.col("line_number").first().over(key).alias("kept")
    )
    return ranked.filter(pl.col("line_number") != pl.col("kept")).select(
        "row",
        pl.lit("trajectory_identifier").alias("column"),
        pl.format(
            "duplicate: {} stands also in line {}, which has more stations or comes first",
            "trajectory_identifier", "kept",
        ).alias("reason"),
    )  # fmt: skip
