"""IN_UNIT: by what a value in one unit is multiplied to be one in another.

What belongs here: the units that columns have, and those of the same kinds that people ask for, in
the spelling of the IVOA's VOUnits. What does not: logarithmic units; `mag` is only `mag`.
"""

import math
import re
from types import MappingProxyType

_KNOWN = MappingProxyType({
    "deg": ("angle", 1.0), "arcmin": ("angle", 1 / 60), "arcsec": ("angle", 1 / 3_600),
    "mas": ("angle", 1 / 3_600_000), "rad": ("angle", 180 / math.pi),
    "m": ("length", 1.0), "km": ("length", 1_000.0), "cm": ("length", 0.01),
    "mm": ("length", 0.001), "AU": ("length", 149_597_870_700.0),
    "au": ("length", 149_597_870_700.0),
    "s": ("time", 1.0), "ms": ("time", 0.001), "min": ("time", 60.0), "h": ("time", 3_600.0),
    "d": ("time", 86_400.0), "a": ("time", 31_557_600.0), "yr": ("time", 31_557_600.0),
    "kg": ("mass", 1.0), "g": ("mass", 0.001), "mg": ("mass", 1e-6),
    "Hz": ("frequency", 1.0), "mag": ("magnitude", 1.0),
})  # fmt: skip
_PART = re.compile(r"([A-Za-z]+)(?:\^?([+-]?\d))?")


class UnknownUnit(ValueError):
    """A unit that is not known here."""


def factor(from_unit: str, to_unit: str) -> float | None:
    """What to multiply by; None where they measure different things. Raises UnknownUnit."""
    have, value = _measured(from_unit)
    want, other = _measured(to_unit)
    return value / other if have == want else None


def _measured(unit: str) -> tuple[dict[str, int], float]:
    """What a unit measures (kinds and their powers), and how much of it it is."""
    kinds: dict[str, int] = {}
    size = 1.0
    above, *below = unit.replace(" ", "").replace("**", "^").split("/")
    for sign, product in ((1, above), *((-1, one) for one in below)):
        for part in re.split(r"[.*]", product):
            if part == "1" and sign == 1:
                continue
            found = _PART.fullmatch(part)
            if found is None or found[1] not in _KNOWN:
                raise UnknownUnit(unit)
            kind, one = _KNOWN[found[1]]
            power = sign * int(found[2] or 1)
            kinds[kind] = kinds.get(kind, 0) + power
            size *= one**power
    return {kind: power for kind, power in kinds.items() if power}, size
