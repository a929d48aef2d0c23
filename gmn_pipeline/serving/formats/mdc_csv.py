"""CSV in the columns of the IAU Meteor Data Center's catalogue of orbits.

What belongs here: which of our columns each of them is; each number is followed by its
uncertainty as `delta_<name>`, empty where the network gives none. Stays empty because nothing
here says it: the catalogue's own numbers (IC, Ano), and cor, crh, mr, Hrf, LpA. Mas and lgM stay
empty too: the catalogue does not say for which luminous efficiency and unit they are.
"""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving.formats.columns_csv import BEGINNING, NOTHING, ForeignColumn, foreign_csv
from gmn_pipeline.serving.formats.export import Export

_DAY = BEGINNING.dt.day() + (
    (BEGINNING - BEGINNING.dt.truncate("1d")).dt.total_microseconds() / 86_400e6
)
_IDENTITY = (
    ForeignColumn("IID", "the network's identifier", None, pl.col("trajectory_identifier")),
    ForeignColumn("DB", "database: GMN", None, pl.lit("GMN")),
    ForeignColumn("IC", NOTHING),
    ForeignColumn("Ano", NOTHING),
    ForeignColumn("Yr", "year of the beginning, UTC", None, BEGINNING.dt.year()),
    ForeignColumn("Mn", "month", None, BEGINNING.dt.month()),
    ForeignColumn("Dayy", "day with its fraction", "d", _DAY),
)
# name: meaning, unit, column (whose uncertainty follows, if it has one)
_NUMBERS: dict[str, tuple[str, str | None, str | None]] = {
    "LS": ("solar longitude, J2000", "deg", "solar_longitude_deg"),
    "mv": ("absolute peak magnitude", "mag", "peak_absolute_magnitude"),
    "HB": ("height of the beginning", "km", "begin_height_km"),
    "HM": ("height of the peak magnitude", "km", "peak_height_km"),
    "HE": ("height of the end", "km", "end_height_km"),
    "RA": ("right ascension of the geocentric radiant", "deg", "rageo_deg"),
    "DECL": ("declination of the geocentric radiant", "deg", "decgeo_deg"),
    "Vi": ("initial speed", "km/s", "vinit_km_s"),
    "Vg": ("geocentric speed", "km/s", "vgeo_km_s"),
    "Vh": ("heliocentric speed", "km/s", "vhel_km_s"),
    "cZ": ("cosine of the zenith distance of the apparent radiant", None, None),
    "Qm": ("largest convergence angle", "deg", "convergence_angle_deg"),
    "q": ("perihelion distance", "AU", "perihelion_distance_au"),
    "e": ("eccentricity", None, "eccentricity"),
    "a1": ("reciprocal semi-major axis", "1/AU", None),
    "a": ("semi-major axis", "AU", "semi_major_axis_au"),
    "Qa": ("aphelion distance", "AU", "aphelion_distance_au"),
    "i": ("inclination", "deg", "inclination_deg"),
    "arg": ("argument of perihelion", "deg", "argument_of_perihelion_deg"),
    "nod": ("ascending node", "deg", "ascending_node_deg"),
    "pi": ("longitude of perihelion", "deg", "longitude_of_perihelion_deg"),
    "sh": ("IAU number of the shower, -1 for a sporadic meteor", None, "iau_shower_number"),
    **dict.fromkeys(("Mas", "lgM", "cor", "crh", "mr", "Hrf", "LpA"),
                    (NOTHING, None, None)),
    "dur": ("duration", "s", "duration_s"),
}  # fmt: skip
_ELEVATION = pl.col("radiant_elevation_deg").radians()
_AXIS, _AXIS_SIGMA = pl.col("semi_major_axis_au"), pl.col("semi_major_axis_sigma_au")
_COMPUTED = {
    "cZ": (
        _ELEVATION.sin(),
        _ELEVATION.cos() * pl.col("radiant_elevation_sigma_deg").radians(),
    ),
    "a1": (1 / _AXIS, _AXIS_SIGMA / _AXIS**2),
}
_SIGMA = {field.sigma_of: field.name for field in TRAJECTORY_FIELDS if field.sigma_of}
_WITHOUT_DELTA = ("sh",)


def _columns() -> Iterator[ForeignColumn]:
    yield from _IDENTITY
    for name, (meaning, unit, column) in _NUMBERS.items():
        value, delta = _COMPUTED.get(name, (None, None))
        if column is not None:
            value = pl.col(column)
            delta = pl.col(_SIGMA[column]) if column in _SIGMA else None
        yield ForeignColumn(name, meaning, unit, value)
        if name not in _WITHOUT_DELTA:
            yield ForeignColumn(f"delta_{name}", f"uncertainty of {name}", unit, delta)


COLUMNS = tuple(_columns())


def mdc_csv(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """CSV with the Meteor Data Center's names."""
    return foreign_csv(export, batches, COLUMNS, "the Meteor Data Center's CSV")
