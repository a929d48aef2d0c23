"""The columns of the shower tables: the IAU Meteor Data Center's list, a shower and its solutions.

What belongs here: what a column is, the tables, and the declaration of the dataset. What does not:
how the list's own spellings become these columns (`readers/iau_showers.py`).

A quantity that trajectories have too has the same name here. Apart from what identifies a row
every column may be null: the list leaves much open, and warehouses made by former versions get
the columns that are new without values (which is why those stand last).
"""

from gmn_pipeline.schemas.dataset import Dataset, Table
from gmn_pipeline.schemas.fields import Field, Kind, Null

_OPEN = Null.UNDEFINED


def _text(name: str, meaning: str, null: Null = _OPEN) -> Field:
    return Field(name, meaning, Kind.TEXT, null=null)


def _integer(name: str, meaning: str, null: Null = _OPEN, minimum: float | None = 0) -> Field:
    return Field(name, meaning, Kind.INTEGER, null=null, minimum=minimum)


def _number(
    name: str,
    meaning: str,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Field:
    return Field(name, meaning, Kind.NUMBER, unit, null=_OPEN, minimum=minimum, maximum=maximum)


def _angle(name: str, meaning: str) -> Field:
    return _number(name, meaning, "deg", 0, 360)


_NUMBER = _integer("iau_shower_number", "IAU number", Null.NEVER)
_CODE = _text("iau_shower_code", "IAU code", Null.NEVER)
_SOURCE = _text("source", "the edition of the IAU list this row was read from", Null.NEVER)
_LOADED = Field("loaded_at_utc", "when this edition came into the warehouse", Kind.TIMESTAMP)
_EDITION_DATE = Field("edition_date", "date of that edition", Kind.DATE, null=_OPEN)
_STATUS_FLAG = (
    "1 established, 0 on the working list, 2 to be established, -1 to be removed, -2 and below "
    "removed; until 2022 also 4 and 6: member of a group, working list and established, 10 pro "
    "tempore"
)
_STATUS = (
    "established, to be established, working list, pro tempore, to be removed, removed: what "
    "the status flag means"
)

SHOWER_FIELDS = (
    _NUMBER,
    _CODE,
    _text("iau_shower_name", "name of the shower; its designation until it has one", Null.NEVER),
    _SOURCE,
    _LOADED,
    _text("provisional_name", "designation before the shower was named, e.g. M2023-H1"),
    _integer("status_flag", f"status as the list prints it: {_STATUS_FLAG}", minimum=None),
    _text("status", _STATUS),
    _text("activity", "annual, variable, irr., or the years in which it was seen, as the list "
          "prints it: of the first solution that is not removed"),
    _text("parent_body", "parent body, of the first solution that names one"),
    _EDITION_DATE,
)  # fmt: skip

SOLUTION_FIELDS = (
    _NUMBER,
    _CODE,
    _integer("solution_number", "AdNo: number of this set of parameters within the shower; the "
             "list gives a few of them twice"),
    _integer("list_row", "LP: running number of the row in the list"),
    _integer("status_flag", f"status of this solution: {_STATUS_FLAG}", minimum=None),
    _text("status", _STATUS),
    _text("submitted", "when the solution was submitted or published, as the list prints it, "
          "e.g. 2006-mm-dd"),
    _text("activity", "annual, variable, irr., or the years in which it was seen"),
    _angle("solar_longitude_begin_deg", "solar longitude at which the activity begins, J2000"),
    _angle("solar_longitude_end_deg", "solar longitude at which the activity ends, J2000"),
    _angle("solar_longitude_deg", "solar longitude of the peak, or mean of the activity, J2000"),
    _angle("rageo_deg", "geocentric right ascension of the radiant, J2000"),
    _number("decgeo_deg", "geocentric declination of the radiant, J2000", "deg", -90, 90),
    _number("rageo_drift_deg_d", "daily motion of the radiant in right ascension", "deg/d"),
    _number("decgeo_drift_deg_d", "daily motion of the radiant in declination", "deg/d"),
    _number("vgeo_km_s", "geocentric velocity", "km/s", 0),
    _angle("lamgeo_deg", "geocentric ecliptic longitude of the radiant, J2000"),
    _angle("sun_centred_longitude_deg", "Sun-centred ecliptic longitude of the radiant"),
    _number("betgeo_deg", "geocentric ecliptic latitude of the radiant, J2000", "deg", -90, 90),
    _angle("theta_deg", "Opik variable theta (Froeschle, Valsecchi & Jopek 1999)"),
    _angle("phi_deg", "Opik variable phi"),
    _text("flags", "by position: 1 epoch B1950 (B; R transformed), 2 velocity Vinf (I; R "
          "transformed), 3 arithmetic mean or median (A, M), 6 origin known, 7 reliability "
          "assessed"),
    _number("semi_major_axis_au", "semi-major axis, negative for a hyperbolic orbit", "AU"),
    _number("perihelion_distance_au", "perihelion distance", "AU", 0),
    _number("eccentricity", "eccentricity", None, 0),
    _angle("argument_of_perihelion_deg", "argument of perihelion, J2000"),
    _angle("ascending_node_deg", "longitude of the ascending node, J2000"),
    _number("inclination_deg", "inclination, J2000", "deg", 0, 180),
    _integer("member_count", "N: meteors that the solution was made from"),
    _integer("group_number", "IAU number of the complex that the shower belongs to"),
    _integer("group_member", "CG: serial number within that complex"),
    _text("parent_body", "parent body, as this solution's authors have it"),
    _text("remarks", "remarks of the list"),
    _text("observation_technique", "C CCD, P photographic, R radar, T television, V visual"),
    _text("lookup_table", "file of the members that the Meteor Data Center keeps"),
    _text("reference", "publication of the solution"),
    _text("reference_url", "address of that publication"),
    _SOURCE,
    _EDITION_DATE,
    _LOADED,
)  # fmt: skip

IAU_SHOWERS = Table(
    "iau_showers",
    "meteor showers of the IAU Meteor Data Center: number, code, name and status",
    SHOWER_FIELDS,
)

IAU_SHOWER_SOLUTIONS = Table(
    "iau_shower_solutions",
    "published solutions of the IAU Meteor Data Center's showers: radiant, drift, speed and orbit; "
    "a shower may have several",
    SOLUTION_FIELDS,
)


def _as_read(table: Table) -> Table:
    """A table as its rows are read from a list, before they are loaded."""
    fields = tuple(field for field in table.fields if field is not _LOADED)
    return Table(f"validated_{table.name}", table.meaning, fields)


DATASET = Dataset(
    "iau_showers",
    tables=(IAU_SHOWERS, IAU_SHOWER_SOLUTIONS),
    key=("iau_shower_number",),
    validated=(_as_read(IAU_SHOWERS), _as_read(IAU_SHOWER_SOLUTIONS)),
)
