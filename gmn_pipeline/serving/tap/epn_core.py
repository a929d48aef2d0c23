"""`gmn_epn.epn_core`: each trajectory as a granule of EPN-TAP 2.0, which VESPA and others ask.

What belongs here: what of a trajectory each column of EPNCore is; nothing else derives it. What
does not: the trajectories (`schemas/fields.py`).

Names, units and UCDs are those of the standard (IVOA Recommendation EPN-TAP 2.0). A column that
says nothing of a meteor is there and null, as the standard wants it. Of its texts `#` parts values.

- A granule is an entry of a catalogue (`ci`), a derived product (level 5) of interplanetary matter.
- `c1`, `c2`, `c3`: where it was seen over the Earth, from its beginning to its end. Longitudes are
  east, 0 to 360; `c1min` is the western end, so it is the larger one where a meteor crosses the
  prime meridian. Latitudes are planetocentric, as the standard has them, where the network's are
  geodetic (up to 0.2 degrees apart); heights stand above the WGS84 ellipsoid.
- Times are Julian dates in UTC.
- `ra`, `dec` are the geocentric radiant; the shower is in `alt_target_name` (IAU code) and
  `feature_name` (IAU name).
- No `s_region`: a track is a line, which no shape of the standard is.
"""

from dataclasses import dataclass

from gmn_pipeline.schemas.fields import Field, Kind, Null
from gmn_pipeline.serving.tap.relations import Relation

SCHEMA, NAME = "gmn_epn", "epn_core"
"""A schema with nothing else in it, as the standard wants it."""
UTYPE = "ivo://ivoa.net/std/epntap#table-2.0"
_FIREBALL_MAGNITUDE = -4
_EQUATOR_KM, _FLATTENING = 6_378.137, 1 / 298.257223563
"""WGS84."""
_SQUARED_ECCENTRICITY = _FLATTENING * (2 - _FLATTENING)
_REFERENCE = "2021MNRAS.506.5046V"
"""Vida et al. 2021, The Global Meteor Network."""


@dataclass(frozen=True)
class Column:
    """A column, and its SQL over `_PLACES` t and `iau_showers` s."""

    name: str
    sql: str
    ucd: str
    meaning: str
    unit: str | None = None
    kind: Kind = Kind.NUMBER
    is_required: bool = False

    @property
    def field(self) -> Field:
        null = Null.NEVER if self.is_required else Null.UNDEFINED
        return Field(self.name, self.meaning, self.kind, self.unit, null=null, ucd=self.ucd)


def _text(name: str, sql: str, ucd: str, meaning: str, *, is_required: bool = False) -> Column:
    return Column(name, sql, ucd, meaning, kind=Kind.TEXT, is_required=is_required)


def _given(name: str, sql: str, ucd: str, meaning: str) -> Column:
    """A text that the standard wants in each row."""
    return _text(name, sql, ucd, meaning, is_required=True)


def _range(
    name: str, ucd: str, meaning: str, unit: str | None,
    sql: tuple[str, str] = ("NULL::DOUBLE", "NULL::DOUBLE"), *, sign: str = "_",
) -> tuple[Column, Column]:  # fmt: skip
    return (
        Column(f"{name}{sign}min", sql[0], f"{ucd};stat.min", f"{meaning}, lower limit", unit),
        Column(f"{name}{sign}max", sql[1], f"{ucd};stat.max", f"{meaning}, upper limit", unit),
    )


def _date(name: str, sql: str, ucd: str, meaning: str) -> Column:
    return Column(name, sql, ucd, meaning, kind=Kind.TIMESTAMP, is_required=True)


def _harmless(sql: str) -> str:
    """A text without the characters that the standard keeps for lists and for queries."""
    return f"trim(regexp_replace({sql}, '[#''\"]', '_', 'g'))"


_UNUSED = "; not given for meteors"
_END = "t.beginning_julian_date + coalesce(t.duration_s, 0) / 86400"

MANDATORY = (
    _given("granule_uid", "t.trajectory_identifier", "meta.id", "identifier of the trajectory"),
    _given("granule_gid", "'trajectory'", "meta.id", "kind of granule: all are trajectories"),
    _given("obs_id", "t.trajectory_identifier", "meta.id;obs", "identifier of the trajectory"),
    _given("dataproduct_type", "'ci'", "meta.code.class", "kind of product: an entry of a "
           "catalogue"),
    _text("measurement_type", "'pos.eq#phys.veloc#src.orbital#phys.magAbs#phys.mass'", "meta.ucd",
          "UCDs of what was measured: radiant, velocity, orbit, magnitude, mass"),
    Column("processing_level", "5", "meta.calibLevel", "CODMAC level: derived",
            kind=Kind.INTEGER, is_required=True),
    _text("target_name", "t.trajectory_identifier", "meta.id;src", "the meteor, which has no "
          "other name than its identifier"),
    _given("target_class", "'interplanetary_medium'", "src.class", "kind of target; there is none "
           "for meteors"),
    Column("time_min", "t.beginning_julian_date", "time.start;obs", "Julian date (UTC) of the "
            "beginning", "d"),
    Column("time_max", _END, "time.end;obs", "Julian date (UTC) of the end", "d"),
    *_range("time_sampling_step", "time.resolution", f"time between measurements{_UNUSED}", "s"),
    *_range("time_exp", "time.duration;obs.exposure", f"integration time{_UNUSED}", "s"),
    *_range("spectral_range", "em.freq", f"frequency{_UNUSED}", "Hz"),
    *_range("spectral_sampling_step", "em.freq;spect.binSize",
            f"step in frequency{_UNUSED}", "Hz"),
    *_range("spectral_resolution", "spect.resolution", f"resolving power{_UNUSED}", None),
    *_range("c1", "pos.bodyrc.lon", "longitude on the Earth, +east, 0 to 360: from the western "
            "end of the track to the eastern one", "deg",
            ("CASE WHEN t.goes_east THEN t.lon1 ELSE t.lon2 END",
             "CASE WHEN t.goes_east THEN t.lon2 ELSE t.lon1 END"), sign=""),
    *_range("c2", "pos.bodyrc.lat", "planetocentric latitude on the Earth", "deg",
            ("least(t.lat1, t.lat2)", "greatest(t.lat1, t.lat2)"), sign=""),
    *_range("c3", "pos.bodyrc.alt", "height above the WGS84 ellipsoid", "km",
            ("least(t.begin_height_km, t.end_height_km)",
             "greatest(t.begin_height_km, t.end_height_km)"), sign=""),
    _text("s_region", "NULL::VARCHAR", "pos.outline;obs.field", "outline on the Earth; not given: "
          "a track is a line"),
    *_range("c1_resol", "pos.angResolution", "resolution of the longitude: its uncertainty", "deg",
            ("least(t.begin_longitude_sigma_deg, t.end_longitude_sigma_deg)",
             "greatest(t.begin_longitude_sigma_deg, t.end_longitude_sigma_deg)")),
    *_range("c2_resol", "pos.angResolution", "resolution of the latitude: its uncertainty", "deg",
            ("least(t.begin_latitude_sigma_deg, t.end_latitude_sigma_deg)",
             "greatest(t.begin_latitude_sigma_deg, t.end_latitude_sigma_deg)")),
    *_range("c3_resol", "pos.resolution", "resolution of the height: its uncertainty", "km",
            ("least(t.begin_height_sigma_km, t.end_height_sigma_km)",
             "greatest(t.begin_height_sigma_km, t.end_height_sigma_km)")),
    _given("spatial_frame_type", "'body'", "meta.code.class;pos.frame", "kind of coordinates: "
           "fixed to the Earth"),
    *_range("incidence", "pos.incidenceAng", f"incidence angle{_UNUSED}", "deg"),
    *_range("emergence", "pos.emergenceAng", f"emergence angle{_UNUSED}", "deg"),
    *_range("phase", "pos.phaseAng", f"phase angle{_UNUSED}", "deg"),
    _text("instrument_host_name", "array_to_string(t.participating_stations, '#')",
          "meta.id;instr.obsty", "codes of the participating stations"),
    _text("instrument_name", "'Global Meteor Network camera#GMN'", "meta.id;instr",
          "what observed it"),
    _given("service_title", "'gmn'", "meta.title", "name of this collection: its schema"),
    _date("creation_date", "t.first_loaded_at_utc", "time.creation", "when the trajectory first "
          "came here"),
    _date("modification_date", "t.valid_from_utc", "time.processing", "when its content last "
          "changed here"),
    _date("release_date", "t.first_loaded_at_utc", "time.release", "since when it can be had "
          "here"),
)  # fmt: skip
"""The columns that each EPN-TAP service has."""

OPTIONAL = (
    _text("alt_target_name", "nullif(t.iau_shower_code, '...')", "meta.id;src", "IAU code of the "
          "meteor shower, null for a sporadic meteor"),
    _text("feature_name", _harmless("s.iau_shower_name"), "meta.id;src;obs.field", "IAU name of "
          "the meteor shower, null for a sporadic meteor"),
    _text("target_region", "'atmosphere'", "meta.id;src;obs.field", "where it was seen"),
    _text("event_type", "nullif(concat_ws('#', CASE WHEN t.iau_shower_number <> -1 THEN "
          "'meteor_shower' END, CASE WHEN t.peak_absolute_magnitude <= "
          f"{_FIREBALL_MAGNITUDE} THEN 'fireball' END), '')", "meta.code.class",
          "meteor_shower: it belongs to one; fireball: its absolute magnitude was "
          f"{_FIREBALL_MAGNITUDE} or brighter"),
    _text("event_status", "'observation'", "meta.code.status", "it was observed"),
    Column("ra", "t.rageo_deg", "pos.eq.ra;meta.main", "right ascension of the geocentric "
            "radiant, J2000", "deg"),
    Column("dec", "t.decgeo_deg", "pos.eq.dec;meta.main", "declination of the geocentric "
            "radiant, J2000", "deg"),
    *_range("solar_longitude", "pos.ecliptic.lon;pos.heliocentric", "solar longitude of the "
            "beginning, J2000", "deg", ("t.solar_longitude_deg", "t.solar_longitude_deg")),
    Column("semi_major_axis", "t.semi_major_axis_au", "phys.size.smajAxis", "semi-major axis of "
            "the orbit, negative for a hyperbolic one", "AU"),
    Column("inclination", "t.inclination_deg", "src.orbital.inclination", "inclination of the "
            "orbit", "deg"),
    Column("eccentricity", "t.eccentricity", "src.orbital.eccentricity", "eccentricity of the "
            "orbit"),
    Column("long_asc", "t.ascending_node_deg", "src.orbital.node", "longitude of the ascending "
            "node, J2000", "deg"),
    Column("arg_perihel", "t.argument_of_perihelion_deg", "src.orbital.periastron", "argument of "
            "perihelion, J2000", "deg"),
    Column("mean_anomaly", "t.mean_anomaly_deg", "src.orbital.meanAnomaly", "mean anomaly at the "
            "beginning", "deg"),
    Column("epoch", "t.beginning_julian_date", "time.epoch", "Julian date that the mean anomaly "
            "is of", "d"),
    Column("mass", "t.mass_kg", "phys.mass", "photometric mass for a luminous efficiency of "
            "0.7 %", "kg"),
    _text("time_scale", "'UTC'", "time.scale", "scale of the times"),
    _text("publisher", "'Global Meteor Network'", "meta.curation", "who publishes it"),
    _text("bib_reference", f"'{_REFERENCE}'", "meta.bib", "what describes the network"),
)  # fmt: skip
"""Of the standard's other columns, those that a meteor has something for."""


def _east(name: str) -> str:
    return f"CASE WHEN {name} < 0 THEN {name} + 360 ELSE {name} END"


def _planetocentric(latitude: str, height_km: str) -> str:
    """The angle at the Earth's centre of a place that is given by its geodetic latitude."""
    sine = f"sin(radians({latitude}))"
    curvature = f"({_EQUATOR_KM} / sqrt(1 - {_SQUARED_ECCENTRICITY!r} * pow({sine}, 2)))"
    up = f"({curvature} * {1 - _SQUARED_ECCENTRICITY!r} + {height_km}) * {sine}"
    out = f"({curvature} + {height_km}) * cos(radians({latitude}))"
    return f"degrees(atan2({up}, {out}))"


_PLACES = f"""SELECT *,
  {_east("begin_longitude_deg")} AS lon1, {_east("end_longitude_deg")} AS lon2,
  (end_longitude_deg - begin_longitude_deg + 540) % 360 >= 180 AS goes_east,
  {_planetocentric("begin_latitude_deg", "begin_height_km")} AS lat1,
  {_planetocentric("end_latitude_deg", "end_height_km")} AS lat2
FROM main.trajectories"""

_COLUMNS = (*MANDATORY, *OPTIONAL)

RELATION = Relation(
    SCHEMA,
    NAME,
    "meteor trajectories as EPN-TAP 2.0 has them: where and when, radiant, orbit, shower",
    tuple(column.field for column in _COLUMNS),
    "(SELECT "
    + ", ".join(f"{column.sql} AS {column.name}" for column in _COLUMNS)
    + f" FROM ({_PLACES}) AS t"
    " LEFT JOIN main.iau_showers AS s ON t.iau_shower_number = s.iau_shower_number)",
    utype=UTYPE,
    standard=frozenset(column.name for column in _COLUMNS),
    xtypes={"s_region": "adql:REGION"},
)
