"""Unified Content Descriptors: what a column is, in the Virtual Observatory's words.

What belongs here: the UCD of each column by its name, wherever the name occurs, of UCD1+ as the
IVOA lists it (version 1.6, 2024). What does not: units and meanings (`fields.py`), and how a
format spells a UCD. A column that is not here has none: a wrong one is worse.
"""

from types import MappingProxyType

_ECLIPTIC_LONGITUDE, _ECLIPTIC_LATITUDE = "pos.ecliptic.lon", "pos.ecliptic.lat"

UCDS = MappingProxyType({
    "trajectory_identifier": "meta.id;meta.main",
    "beginning_julian_date": "time.start",
    "beginning_utc_time": "time.start",
    "iau_shower_number": "meta.id.parent",
    "iau_shower_code": "meta.id.parent",
    "iau_shower_name": "meta.id.parent",
    "solar_longitude_deg": _ECLIPTIC_LONGITUDE,
    "rageo_deg": "pos.eq.ra;pos.geocentric",
    "decgeo_deg": "pos.eq.dec;pos.geocentric",
    "lamgeo_deg": f"{_ECLIPTIC_LONGITUDE};pos.geocentric",
    "betgeo_deg": f"{_ECLIPTIC_LATITUDE};pos.geocentric",
    "vgeo_km_s": "phys.veloc;pos.geocentric",
    "lamhel_deg": f"{_ECLIPTIC_LONGITUDE};pos.heliocentric",
    "bethel_deg": f"{_ECLIPTIC_LATITUDE};pos.heliocentric",
    "vhel_km_s": "phys.veloc;pos.heliocentric",
    "semi_major_axis_au": "phys.size.smajAxis;src.orbital",
    "eccentricity": "src.orbital.eccentricity",
    "inclination_deg": "src.orbital.inclination",
    "argument_of_perihelion_deg": "src.orbital.periastron",
    "ascending_node_deg": "src.orbital.node",
    "longitude_of_perihelion_deg": f"{_ECLIPTIC_LONGITUDE};src.orbital.periastron",
    "latitude_of_perihelion_deg": f"{_ECLIPTIC_LATITUDE};src.orbital.periastron",
    "perihelion_distance_au": "pos.distance;src.orbital.periastron",
    "true_anomaly_deg": "src.orbital",
    "mean_anomaly_deg": "src.orbital.meanAnomaly",
    "aphelion_distance_au": "pos.distance;src.orbital",
    "mean_motion_deg_d": "src.orbital.meanMotion",
    "orbital_period_years": "time.period.revolution",
    "tisserand_jupiter": "src.orbital.TissJ",
    "raapp_deg": "pos.eq.ra",
    "decapp_deg": "pos.eq.dec",
    "radiant_azimuth_deg": "pos.az.azi",
    "radiant_elevation_deg": "pos.az.alt",
    "vinit_km_s": "phys.veloc",
    "vavg_km_s": "phys.veloc;stat.mean",
    "begin_latitude_deg": "pos.earth.lat",
    "begin_longitude_deg": "pos.earth.lon",
    "begin_height_km": "pos.earth.altitude",
    "end_latitude_deg": "pos.earth.lat",
    "end_longitude_deg": "pos.earth.lon",
    "end_height_km": "pos.earth.altitude",
    "duration_s": "time.duration",
    "peak_absolute_magnitude": "phys.magAbs;stat.max",
    "peak_height_km": "pos.earth.altitude",
    "mass_kg": "phys.mass",
    "convergence_angle_deg": "pos.angDistance;stat.max",
    "median_fit_error_arcsec": "stat.fit.residual;stat.median",
    "begin_in_fov": "meta.code",
    "end_in_fov": "meta.code",
    "station_count": "meta.number",
    "participating_stations": "meta.id;instr.obsty",
    "station_code": "meta.id;instr.obsty",
    "quality_flags": "meta.code.qual",
    "revision": "meta.version",
    "source_file_sha256": "meta.ref;meta.file",
    "bin_date": "time.start",
    "bin_solar_longitude_deg": f"{_ECLIPTIC_LONGITUDE};stat.min",
    "summary_generated_at_utc": "time.creation",
    "valid_from_utc": "time.processing",
    "valid_until_utc": "time.processing",
    "first_loaded_at_utc": "time.processing",
    "loaded_at_utc": "time.processing",
})  # fmt: skip


def ucd_of(name: str, sigma_of: str | None = None) -> str | None:
    """The UCD of a column with this name; `sigma_of` is the column whose uncertainty it is."""
    if sigma_of is not None:
        value = UCDS.get(sigma_of)
        return f"stat.error;{value}" if value else "stat.error"
    return UCDS.get(name)
