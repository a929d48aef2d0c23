"""Rules: what of a sensor is worth an alert, read from a TOML file, and the question of each.

What belongs here: the file and SQL. What does not: when an alert is raised (`decision.py`).

    [[rule]]
    name = "silent"
    silent_for_s = 600

    [[rule]]
    name = "dew on the lens"
    when = "humidity_percent > 95 AND dew_point_margin_deg_c < 1"
    for_s = 300

    [[rule]]
    name = "odd pressure"
    quantity = "pressure_hpa"
    sigma = 5
    over_days = 7
    stations = ["ES*", "FR000A"]

A question answers, for each sensor, whether the rule holds: yes, no, or null where that cannot be
told just now (no such quantity, or nothing new of the sensor).
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gmn_pipeline.errors import SettingsError

Kind = Literal["silent", "when", "sigma"]
_KINDS: dict[Kind, str] = {"silent": "silent_for_s", "when": "when", "sigma": "sigma"}
_FRESH_S = 900.0
_LEAST_MINUTES = 60
"""Of so many minutes at least, a spread is worth something."""


@dataclass(frozen=True)
class Rule:
    """One rule; exactly one of `silent_for_s`, `when` and `sigma` (of `quantity`) says of which
    kind it is. It is about stations whose code matches one of `stations`, where * is anything; it
    has to hold for `for_s`; and what has not told anything for `fresh_s` is not judged."""

    name: str
    silent_for_s: float | None = None
    when: str | None = None
    quantity: str | None = None
    sigma: float | None = None
    over_days: float = 7.0
    for_s: float = 0.0
    fresh_s: float = _FRESH_S
    stations: tuple[str, ...] = ("*",)

    @property
    def kind(self) -> Kind:
        """Which of the three it is."""
        return next(kind for kind, name in _KINDS.items() if getattr(self, name) is not None)

    def question(self) -> tuple[str, dict[str, object]]:
        """SQL over the lake of readings with station_code, sensor_id, holds and detail (text), and
        its values; `$now` is left to be bound."""
        sql, values = getattr(self, f"_{self.kind}")()
        clauses = " OR ".join(f"station_code GLOB $station_{n}" for n in range(len(self.stations)))
        stations = {f"station_{n}": one for n, one in enumerate(self.stations)}
        return f"SELECT * FROM ({sql}) WHERE {clauses}", {**values, **stations}

    def _silent(self) -> tuple[str, dict[str, object]]:
        silence = "date_diff('second', last_received_at_utc, $now::TIMESTAMP)"
        return (
            f"SELECT station_code, sensor_id, {silence} >= $silent_for_s AS holds, "
            "'nothing came since ' || strftime(last_received_at_utc, '%Y-%m-%d %H:%M:%S') || "
            "' UTC' AS detail FROM sensors",
            {"silent_for_s": self.silent_for_s},
        )

    def _when(self) -> tuple[str, dict[str, object]]:
        return (
            f"SELECT station_code, sensor_id, CASE WHEN {_IS_FRESH} THEN ({self.when}) END "
            "AS holds, $condition AS detail FROM latest_readings",
            {"fresh_s": self.fresh_s, "condition": self.when},
        )

    def _sigma(self) -> tuple[str, dict[str, object]]:
        column = f'"{self.quantity}"'
        return (
            f"""WITH usual AS (
              SELECT station_code, sensor_id, avg(mean) AS mean, stddev_samp(mean) AS spread
              FROM station_readings_by_minute
              WHERE quantity = $quantity
                AND begin_utc >= $now::TIMESTAMP - to_seconds($over_days * 86400)
              GROUP BY ALL HAVING count(*) >= {_LEAST_MINUTES} AND stddev_samp(mean) > 0
            )
            SELECT station_code, sensor_id,
              CASE WHEN {_IS_FRESH} THEN abs({column} - mean) > $sigma * spread END AS holds,
              format('{{}} is {{:.6g}}, usually {{:.6g}} +- {{:.2g}}',
                $quantity::VARCHAR, {column}, mean, spread) AS detail
            FROM latest_readings JOIN usual USING (station_code, sensor_id)""",
            {"quantity": self.quantity, "sigma": self.sigma, "over_days": self.over_days,
             "fresh_s": self.fresh_s},
        )  # fmt: skip


_IS_FRESH = "last_measured_at_utc >= $now::TIMESTAMP - to_seconds($fresh_s)"


def read_rules(path: Path, quantities: frozenset[str]) -> tuple[Rule, ...]:
    """The rules of a file. Raises SettingsError, naming what is wrong in it."""
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"it cannot be read: {error}") from error
    if set(said) - {"rule"} or not isinstance(said.get("rule", []), list):
        raise _wrong(path, "it has rules, each under [[rule]], and nothing else")
    rules = tuple(_rule(path, one, quantities) for one in said.get("rule", []))
    names = [rule.name for rule in rules]
    if twice := [name for name in names if names.count(name) > 1]:
        raise _wrong(path, f"two rules have the name {twice[0]!r}")
    return rules


def _rule(path: Path, said: dict[str, Any], quantities: frozenset[str]) -> Rule:
    name = said.get("name")
    if not isinstance(name, str) or not name.strip():
        raise _wrong(path, "a rule has no name")
    known = {field.name: field for field in fields(Rule)}
    if unknown := sorted(set(said) - set(known)):
        raise _wrong(path, f"{unknown[0]} is no setting of a rule ({name!r})")
    for key, value in said.items():
        wanted = {"name": str, "when": str, "quantity": str, "stations": list}.get(key)
        is_right = isinstance(value, wanted) if wanted else _is_number(value)
        if not is_right:
            raise _wrong(path, f"{key} of {name!r} is {value!r}")
    if sum(said.get(key) is not None for key in _KINDS.values()) != 1:
        raise _wrong(path, f"{name!r} has to say one of {', '.join(_KINDS.values())}")
    if "sigma" in said and said.get("quantity") not in quantities:
        raise _wrong(path, f"{name!r} is about the quantity {said.get('quantity')!r}: there is "
                     f"{', '.join(sorted(quantities))}")  # fmt: skip
    stations = said.get("stations", ["*"])
    if not stations or not all(isinstance(one, str) for one in stations):
        raise _wrong(path, f'stations of {name!r} are codes, such as ["ES*"]')
    return Rule(**{**said, "stations": tuple(stations)})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _wrong(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path} does not have rules of alerts: {why}.", remedy="docs/alerts.md has examples."
    )
