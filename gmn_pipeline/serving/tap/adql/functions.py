"""Functions of ADQL, and those of the Virtual Observatory beside it, in DuckDB's SQL.

What belongs here: functions of values. What does not: geometry (`geometry.py`), IN_UNIT, which
needs to know columns (`translate.py`).
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Function:
    """`templates`: SQL by the number of arguments; `_0` stands for the first."""

    templates: MappingProxyType[int, str]
    is_aggregate: bool = False


def _of(*templates: str) -> Function:
    """A function with as many arguments as each template has places."""
    return Function(MappingProxyType({_places(one): one for one in templates}))


def _places(template: str) -> int:
    return next(n for n in range(10) if f"_{n}" not in template)


def _aggregate(template: str) -> Function:
    return Function(MappingProxyType({_places(template): template}), is_aggregate=True)


_WORD = "[^\\pL\\pN_]"

FUNCTIONS = MappingProxyType({
    "ABS": _of("abs(_0)"), "CEILING": _of("ceil(_0)"), "DEGREES": _of("degrees(_0)"),
    "EXP": _of("exp(_0)"), "FLOOR": _of("floor(_0)"), "LOG": _of("ln(_0)"),
    "LOG10": _of("log10(_0)"), "MOD": _of("fmod(_0, _1)"), "PI": _of("pi()"),
    "POWER": _of("pow(_0, _1)"), "RADIANS": _of("radians(_0)"), "SQRT": _of("sqrt(_0)"),
    # A seed cannot be given to one query here: what is drawn differs each time.
    "RAND": _of("random()", "random() + 0 * _0"),
    "ROUND": _of("round(_0)", "round(_0, CAST(_1 AS INTEGER))"),
    "TRUNCATE": _of("trunc(_0)", "trunc(_0 * pow(10, _1)) / pow(10, _1)"),
    "ACOS": _of("acos(_0)"), "ASIN": _of("asin(_0)"), "ATAN": _of("atan(_0)"),
    "ATAN2": _of("atan2(_0, _1)"), "COS": _of("cos(_0)"), "COT": _of("1 / tan(_0)"),
    "SIN": _of("sin(_0)"), "TAN": _of("tan(_0)"),
    "LOWER": _of("lower(_0)"), "UPPER": _of("upper(_0)"),
    "AVG": _aggregate("avg(_0)"), "COUNT": _aggregate("count(_0)"), "MAX": _aggregate("max(_0)"),
    "MIN": _aggregate("min(_0)"), "SUM": _aggregate("sum(_0)"),
    "IVO_HASHLIST_HAS": _of("CAST(list_contains(string_split(lower(_0), '#'), lower(_1)) AS INT)"),
    "IVO_NOCASEMATCH": _of("CAST(_0 ILIKE _1 AS INT)"),
    "IVO_HASWORD": _of(
        f"CAST(regexp_matches(lower(_0), '(^|{_WORD})' || regexp_escape(lower(_1)) || "
        f"'($|{_WORD})') AS INT)"
    ),
    "IVO_STRING_AGG": _aggregate("string_agg(CAST(_0 AS VARCHAR), _1)"),
})  # fmt: skip
"""By name in upper case. COALESCE takes any number of arguments and stands apart."""

AGGREGATES = MappingProxyType({"IVO_STRING_AGG": "string_agg"})
"""What aggregates are called in DuckDB, where that is another name."""

ANY_NUMBER = MappingProxyType({"COALESCE": "coalesce"})

OF_THE_OBSERVATORY = MappingProxyType({
    "ivo_hashlist_has(hashlist VARCHAR(*), item VARCHAR(*)) -> INTEGER":
        "1 if a list of words with # between them has this one, upper or lower case; 0 if not",
    "ivo_nocasematch(value VARCHAR(*), pattern VARCHAR(*)) -> INTEGER":
        "1 if a text is like the pattern, as LIKE takes it, upper or lower case; 0 if not",
    "ivo_hasword(haystack VARCHAR(*), needle VARCHAR(*)) -> INTEGER":
        "1 if a text has this word, upper or lower case; 0 if not",
    "ivo_string_agg(expression VARCHAR(*), delimiter VARCHAR(*)) -> VARCHAR(*)":
        "the texts of a group put together, with a delimiter between",
})  # fmt: skip
"""Functions that are not ADQL's own, as the capabilities declare them."""
