"""A line of a trajectory summary file from the values of a row, as the network prints them.

What belongs here: printing. It is for rows that have no line of the current format to be copied:
those that came in messages or in files of a former format. What does not: the lines that there
are (`summary_text.py`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field, Kind, Null

HEAD_LINES = tuple(
    files(__package__).joinpath("summary_head.txt").read_bytes().rstrip(b"\n").split(b"\n")
)
"""The three lines that name the columns, as in today's files."""

# name: format of a number; the width is that of the head.
_FORMS = {
    ".5f": "rageo_deg lamgeo_deg vgeo_km_s lamhel_deg vhel_km_s raapp_deg radiant_azimuth_deg "
    "radiant_elevation_deg vinit_km_s vavg_km_s",
    "+.5f": "decgeo_deg betgeo_deg bethel_deg decapp_deg",
    ".4f": "begin_height_km end_height_km peak_height_km",
    ".3f": "f_parameter",
    ".2f": "duration_s convergence_angle_deg median_fit_error_arcsec",
    "+.2f": "peak_absolute_magnitude",
    ".2e": "mass_kg",
    ".12f": "beginning_julian_date",
}
_FORM = {name: form for form, names in _FORMS.items() for name in names.split()}
_OTHERWISE, _OF_SIGMA, _OF_HEIGHT_SIGMA = ".6f", ".4f", ".2f"
# From where on they are in scientific notation, and how.
_LARGE = {
    "semi_major_axis_au": (1000.0, ".2e"),
    "aphelion_distance_au": (1000.0, ".4e"),
    "orbital_period_years": (1000.0, ".4e"),
}
_A_SIGMA = "rageo_sigma_deg"
_LARGE_SIGMA = (100.0, ".1e")
_FIXED_SIGMAS = """
vgeo_km_s vhel_km_s vinit_km_s vavg_km_s eccentricity inclination_deg argument_of_perihelion_deg
ascending_node_deg longitude_of_perihelion_deg latitude_of_perihelion_deg perihelion_distance_au
true_anomaly_deg mean_anomaly_deg begin_latitude_deg begin_longitude_deg begin_height_km
end_latitude_deg end_longitude_deg end_height_km
"""


def summary_line(row: Mapping[str, object]) -> bytes:
    """The line, without its end. `row` has the 86 columns by name."""
    # A solution has uncertainties or has not; of one that has, a missing one is undefined.
    missing_sigma = "None" if row[_A_SIGMA] is None else "nan"
    cells = (
        (print_(row[name]) or (missing_sigma if is_sigma else "None")).rjust(width)
        for name, is_sigma, print_, width in _PRINTED
    )
    return "; ".join(cells).encode("ascii", "replace")


def _printer(field: Field) -> Callable[[object], str]:
    """Prints a value; nothing where it was not computed."""
    missing = "" if field.null is Null.NOT_COMPUTED else "nan"
    if field.kind is Kind.TIMESTAMP:
        return _time
    if field.kind is Kind.TEXT_LIST:
        return lambda value: ",".join(value) if isinstance(value, list) else missing
    if field.kind is not Kind.NUMBER:
        return lambda value: missing if value is None else str(value)
    large, in_full = _forms(field)

    def number(value: object) -> str:
        if not isinstance(value, int | float):
            return missing
        return format(value, large[1] if large and abs(value) >= large[0] else in_full)

    return number


def _forms(field: Field) -> tuple[tuple[float, str] | None, str]:
    if field.sigma_of is None:
        return _LARGE.get(field.name), _FORM.get(field.name, _OTHERWISE)
    form = _OF_HEIGHT_SIGMA if field.unit == "km" else _OF_SIGMA
    return (None if field.sigma_of in _FIXED_SIGMAS.split() else _LARGE_SIGMA), form


def _time(value: object) -> str:
    # Without decimals at a whole second, and then with blanks in their place.
    return str(value).ljust(26) if isinstance(value, datetime) else "nan"


_WIDTHS = [len(cell) - 1 for cell in HEAD_LINES[2].removeprefix(b"#").split(b";")]
# The first column has two bytes more in the head, for `# `; the last one is as long as it needs.
_WIDTHS[0], _WIDTHS[-1] = 20, 0
_PRINTED = [
    (field.name, field.sigma_of is not None, _printer(field), width)
    for field, width in zip(TRAJECTORY_FIELDS, _WIDTHS, strict=True)
]
