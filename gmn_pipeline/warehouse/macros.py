"""Functions that analysts call in SQL: orbits, angles, quality flags, and habits from SQLite.

What belongs here: SQL macros, each with its meaning and the source of its formula. What does not:
views (`views.py`) and creating anything. The SQL is simple enough for DuckLake and for a file
that DuckDB 1.1 opens: no macro calls another one, so that `gmn.d_jopek(...)` works too where the
file is attached and not in use; nothing that DuckDB spells differently from version to version
(lambdas). Angles are in degrees, distances in au; a null argument gives null.

Sources:
- D_SH: Southworth and Hawkins 1963, Smithsonian Contributions to Astrophysics 7, 261-285
- D_D: Drummond 1981, Icarus 45, 545-553
- D_J (also D_H, since it joins the two): Jopek 1993, Icarus 106, 603-607
- distance on the sphere: Vincenty 1975, Survey Review 23, 88-93 (here with no flattening), which
  loses no digits for points that coincide, at the poles or opposite each other
- circular mean and standard deviation: Mardia and Jupp 2000, Directional Statistics, 2.2 and 2.3
"""

from dataclasses import dataclass

from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.validated.flags import Family
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS


@dataclass(frozen=True)
class Macro:
    """A macro: an expression of its parameters or, with `is_table`, a query."""

    name: str
    parameters: tuple[str, ...]
    meaning: str
    body: str
    is_table: bool = False

    @property
    def call(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"

    def create(self, catalog: str) -> str:
        """The statement that makes it."""
        kind = "TABLE " if self.is_table else ""
        return f"CREATE OR REPLACE MACRO {catalog}.{self.call} AS {kind}{self.body}"


def _difference_deg(one: str, other: str) -> str:
    """one - other, from -180 to 180; antisymmetric, also at a half turn.

    The remainder of two numbers has the sign of the first one and no rounding error.
    """
    turn = f"((({one})::DOUBLE - ({other})::DOUBLE) % 360.0)"
    return (
        f"(CASE WHEN {turn} > 180 THEN {turn} - 360 "
        f"WHEN {turn} < -180 THEN {turn} + 360 ELSE {turn} END)"
    )


def _positive_deg(angle: str) -> str:
    """The same angle from 0 to below 360."""
    return f"((({angle}) % 360.0 + 360.0) % 360.0)"


def _distance_deg(longitude1: str, latitude1: str, longitude2: str, latitude2: str) -> str:
    """Angle between two directions, 0 to 180."""
    turn = f"radians({_difference_deg(longitude2, longitude1)})"
    one, other = f"radians({latitude1})", f"radians({latitude2})"
    across = f"cos({other}) * sin({turn})"
    along = f"cos({one}) * sin({other}) - sin({one}) * cos({other}) * cos({turn})"
    cosine = f"sin({one}) * sin({other}) + cos({one}) * cos({other}) * cos({turn})"
    return f"degrees(atan2(sqrt(power({across}, 2) + power({along}, 2)), {cosine}))"


def _relative(one: str, other: str) -> str:
    """(one - other) / (one + other), and 0 where both are 0."""
    return (
        f"(CASE WHEN {one} = 0 AND {other} = 0 THEN 0 "
        f"ELSE (({one})::DOUBLE - {other}) / (({one})::DOUBLE + {other}) END)"
    )


_ORBITS = ("q1", "e1", "i1", "node1", "peri1", "q2", "e2", "i2", "node2", "peri2")
_NODES_APART = f"radians({_difference_deg('node2', 'node1')})"
# (2 sin(I/2))^2, with I the angle between the planes of the orbits.
_PLANES_CHORD_SQUARED = (
    "(power(2 * sin(radians((i2)::DOUBLE - i1) / 2), 2) + sin(radians(i1)) * sin(radians(i2)) "
    f"* power(2 * sin({_NODES_APART} / 2), 2))"
)
# What rounding leaves above 1, where the planes are opposite, would have no arcsine.
_MUTUAL_NODE_SINE = (
    f"cos(radians((i2)::DOUBLE + i1) / 2) * sin({_NODES_APART} / 2) "
    f"/ sqrt(1 - {_PLANES_CHORD_SQUARED} / 4)"
)
_MUTUAL_NODE_DEG = (
    f"degrees(CASE WHEN {_PLANES_CHORD_SQUARED} >= 4 THEN 0 "
    f"WHEN {_MUTUAL_NODE_SINE} > 1 THEN pi() / 2 WHEN {_MUTUAL_NODE_SINE} < -1 THEN -pi() / 2 "
    f"ELSE asin({_MUTUAL_NODE_SINE}) END)"
)
# Difference of the longitudes of perihelion, measured from where the orbits' planes meet. The
# papers change a sign where the nodes are more than 180 deg apart: the same as the difference of
# nodes between -180 and 180 that stands in here.
_PERIHELIA_APART = f"radians(({_difference_deg('peri2', 'peri1')}) + 2 * {_MUTUAL_NODE_DEG})"
_MEAN_ECCENTRICITY_SQUARED = "power(((e1)::DOUBLE + e2) / 2, 2)"
_PERIHELIA_TERM = f"{_MEAN_ECCENTRICITY_SQUARED} * power(2 * sin({_PERIHELIA_APART} / 2), 2)"


def _perihelion(node: str, peri: str, i: str) -> tuple[str, str]:
    """Ecliptic longitude and latitude of the perihelion."""
    longitude = (
        f"({node}) + degrees(atan2(cos(radians({i})) * sin(radians({peri})), cos(radians({peri}))))"
    )
    return longitude, f"degrees(asin(sin(radians({i})) * sin(radians({peri}))))"


def _pole(node: str, i: str) -> tuple[str, str]:
    """Direction of the pole of an orbit, but for a turn that is the same for both."""
    return node, f"90 - ({i})"


_PLANES_APART_DEG = _distance_deg(*_pole("node1", "i1"), *_pole("node2", "i2"))
_PERIHELION_DIRECTIONS_APART_DEG = _distance_deg(
    *_perihelion("node1", "peri1", "i1"), *_perihelion("node2", "peri2", "i2")
)

_D_ARGUMENTS = (
    "of two orbits, each as perihelion distance (au), eccentricity, inclination, longitude of the "
    "ascending node and argument of perihelion (deg, J2000)"
)
_ORBIT_MACROS = (
    Macro(
        "d_southworth_hawkins", _ORBITS,
        f"D criterion of Southworth and Hawkins (1963) {_D_ARGUMENTS}",
        f"sqrt(power((q1)::DOUBLE - q2, 2) + power((e1)::DOUBLE - e2, 2) + {_PLANES_CHORD_SQUARED}"
        f" + {_PERIHELIA_TERM})",
    ),
    Macro(
        "d_drummond", _ORBITS,
        f"D criterion of Drummond (1981) {_D_ARGUMENTS}",
        f"sqrt(power({_relative('q1', 'q2')}, 2) + power({_relative('e1', 'e2')}, 2) "
        f"+ power({_PLANES_APART_DEG} / 180, 2) "
        f"+ {_MEAN_ECCENTRICITY_SQUARED} * power({_PERIHELION_DIRECTIONS_APART_DEG} / 180, 2))",
    ),
    Macro(
        "d_jopek", _ORBITS,
        f"D criterion of Jopek (1993), also called D_H, {_D_ARGUMENTS}",
        f"sqrt(power({_relative('q1', 'q2')}, 2) + power((e1)::DOUBLE - e2, 2) "
        f"+ {_PLANES_CHORD_SQUARED} + {_PERIHELIA_TERM})",
    ),
)  # fmt: skip

_MEAN_SINE, _MEAN_COSINE = "avg(sin(radians(angle_deg)))", "avg(cos(radians(angle_deg)))"
_RESULTANT = f"sqrt(power({_MEAN_SINE}, 2) + power({_MEAN_COSINE}, 2))"
_ANGLE_MACROS = (
    Macro(
        "angle_difference_deg", ("one_deg", "other_deg"),
        "one angle minus another, the short way round: from -180 to 180 deg",
        _difference_deg("one_deg", "other_deg"),
    ),
    Macro(
        "absolute_angle_difference_deg", ("one_deg", "other_deg"),
        "how far two angles are apart, the short way round: from 0 to 180 deg",
        f"abs({_difference_deg('one_deg', 'other_deg')})",
    ),
    Macro(
        "circular_mean_deg", ("angle_deg",),
        "aggregate: mean of angles, from 0 to below 360 deg; null where they have none, since "
        "they cancel out",
        f"CASE WHEN {_RESULTANT} > 1e-12 "
        f"THEN {_positive_deg(f'degrees(atan2({_MEAN_SINE}, {_MEAN_COSINE}))')} END",
    ),
    Macro(
        "circular_standard_deviation_deg", ("angle_deg",),
        "aggregate: circular standard deviation of angles, sqrt(-2 ln R) with R the length of the "
        "mean vector, deg; null where the angles cancel out",
        # R may come out a little above 1 for angles that are all the same.
        f"CASE WHEN {_RESULTANT} >= 1 THEN 0 WHEN {_RESULTANT} > 1e-12 "
        f"THEN degrees(sqrt(-2 * ln({_RESULTANT}))) END",
    ),
    Macro(
        "sun_centred_longitude_deg", ("lamgeo_deg", "solar_longitude_deg"),
        "ecliptic longitude less the solar longitude, from 0 to below 360 deg: 0 is the direction "
        "of the Sun, 180 the one away from it, 270 that of the apex",
        _positive_deg("(lamgeo_deg)::DOUBLE - solar_longitude_deg"),
    ),
    Macro(
        "radiant_distance_deg",
        ("longitude1_deg", "latitude1_deg", "longitude2_deg", "latitude2_deg"),
        "angle between two directions on the sky, from 0 to 180 deg; right ascension and "
        "declination or ecliptic longitude and latitude, both of the same kind",
        _distance_deg("longitude1_deg", "latitude1_deg", "longitude2_deg", "latitude2_deg"),
    ),
)  # fmt: skip


def _texts(texts: list[str]) -> str:
    return f"[{', '.join(map(sql_text, texts))}]"


_FLAGS = _texts([flag.name for flag in QUALITY_FLAGS])


def _or_error(is_right: str, wrong: str, value: str) -> str:
    """A value, and an error that tells what is wrong, also where no row is looked at.

    DuckDB finds out which part of a date is asked for before it plans a query, and refuses one
    that it does not know. Its function error() waits for the first row, and filters and
    statistics may see to it that there is none.
    """
    message = f"{wrong} || '; see quality_flag_definitions'"
    part = f"date_part(CASE WHEN {is_right} THEN 'year' ELSE {message} END, DATE '2000-01-01')"
    return f"CASE WHEN {part} IS NOT NULL THEN {value} END"


def _of_known_flags(value: str) -> str:
    names = "(flag_names)::VARCHAR[]"
    is_right = (
        f"list_has_all({_FLAGS}, {names}) AND list_aggregate({names}, 'count') = len({names})"
    )
    wrong = f"'unknown quality flag in ' || coalesce({names}::VARCHAR, 'NULL')"
    return _or_error(is_right, wrong, value)


_FLAG_MACROS = (
    Macro(
        "has_flag", ("quality_flags", "flag_name"),
        "whether a row has a quality flag; a name that is no flag is an error",
        _or_error(
            f"list_contains({_FLAGS}, flag_name)",
            "'unknown quality flag: ' || coalesce(flag_name, 'NULL')",
            "list_contains(quality_flags, flag_name)",
        ),
    ),
    Macro(
        "has_any_flag", ("quality_flags", "flag_names"),
        "whether a row has one of a list of quality flags; a name that is no flag is an error",
        _of_known_flags("list_has_any(quality_flags, (flag_names)::VARCHAR[])"),
    ),
    Macro(
        "without_flags", ("quality_flags", "flag_names"),
        "whether a row has none of a list of quality flags; a name that is no flag is an error",
        _of_known_flags("NOT list_has_any(quality_flags, (flag_names)::VARCHAR[])"),
    ),
    Macro(
        "flags_of_family", ("family",),
        f"the quality flags of a family ({', '.join(Family)}), as a list for has_any_flag and "
        "without_flags; another name is an error",
        _or_error(
            f"coalesce(list_contains({_texts(list(Family))}, family), false)",
            "'unknown family of quality flags: ' || coalesce(family, 'NULL')",
            "CASE family "
            + " ".join(
                f"WHEN {sql_text(family)} THEN "
                + _texts([flag.name for flag in QUALITY_FLAGS if flag.family is family])
                for family in Family
            )
            + " END",
        ),
    ),
)  # fmt: skip

_SQLITE_MACROS = (
    Macro(
        "julianday", ("utc_time",), "Julian date of a time (UTC), as SQLite has it",
        "epoch_us((utc_time)::TIMESTAMP) / 86400000000 + 2440587.5",
    ),
    Macro(
        "unixepoch", ("utc_time",), "whole seconds from 1970 to a time (UTC), as SQLite has it",
        "floor(epoch_us((utc_time)::TIMESTAMP) / 1000000)::BIGINT",
    ),
    Macro(
        "datetime", ("utc_time",), "a time as text, cut to seconds, as SQLite has it",
        "strftime((utc_time)::TIMESTAMP, '%Y-%m-%d %H:%M:%S')",
    ),
    Macro(
        "total", ("number",), "aggregate: the sum, and 0.0 where there is nothing to add, as "
        "SQLite has it",
        "coalesce(sum(number), 0)::DOUBLE",
    ),
)  # fmt: skip

_COLUMNS = ", ".join(TRAJECTORIES.columns)
_TABLE_MACROS = (
    Macro(
        "trajectories_as_of", ("utc_time",),
        "table: the trajectories as they stood in the warehouse at a time (UTC)",
        f"SELECT {_COLUMNS} FROM trajectories WHERE valid_from_utc <= utc_time UNION ALL "
        f"SELECT {_COLUMNS} FROM trajectory_revisions "
        "WHERE valid_from_utc <= utc_time AND utc_time < valid_until_utc",
        is_table=True,
    ),
)  # fmt: skip

MACROS = (*_ORBIT_MACROS, *_ANGLE_MACROS, *_FLAG_MACROS, *_SQLITE_MACROS, *_TABLE_MACROS)
