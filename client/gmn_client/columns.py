"""Names that the server knows.

Written by `make docs` from its definitions: change them there.
"""

from typing import Literal, TypeAlias

from gmn_client.conditions import Day, Number, Text, Texts, Time, Truth


class Trajectories:
    """The columns of trajectories."""

    # beginning time cut to seconds, and five characters of a hash of the solution
    trajectory_identifier = Text("trajectory_identifier")
    # [d] Julian date (UTC) of the beginning
    beginning_julian_date = Number("beginning_julian_date")
    # UTC time of the beginning
    beginning_utc_time = Time("beginning_utc_time")
    # IAU number of the meteor shower, -1 for a sporadic meteor
    iau_shower_number = Number("iau_shower_number")
    # three-letter IAU code of the meteor shower, ... for a sporadic meteor
    iau_shower_code = Text("iau_shower_code")
    # [deg] solar longitude of the beginning, J2000
    solar_longitude_deg = Number("solar_longitude_deg")
    # [deg] apparent local sidereal time of the beginning
    apparent_lst_deg = Number("apparent_lst_deg")
    # [deg] geocentric right ascension, J2000
    rageo_deg = Number("rageo_deg")
    # [deg] 1-sigma uncertainty of rageo_deg
    rageo_sigma_deg = Number("rageo_sigma_deg")
    # [deg] geocentric declination, J2000
    decgeo_deg = Number("decgeo_deg")
    # [deg] 1-sigma uncertainty of decgeo_deg
    decgeo_sigma_deg = Number("decgeo_sigma_deg")
    # [deg] geocentric ecliptic longitude, J2000
    lamgeo_deg = Number("lamgeo_deg")
    # [deg] 1-sigma uncertainty of lamgeo_deg
    lamgeo_sigma_deg = Number("lamgeo_sigma_deg")
    # [deg] geocentric ecliptic latitude, J2000
    betgeo_deg = Number("betgeo_deg")
    # [deg] 1-sigma uncertainty of betgeo_deg
    betgeo_sigma_deg = Number("betgeo_sigma_deg")
    # [km/s] geocentric velocity
    vgeo_km_s = Number("vgeo_km_s")
    # [km/s] 1-sigma uncertainty of vgeo_km_s
    vgeo_sigma_km_s = Number("vgeo_sigma_km_s")
    # [deg] heliocentric ecliptic longitude, J2000
    lamhel_deg = Number("lamhel_deg")
    # [deg] 1-sigma uncertainty of lamhel_deg
    lamhel_sigma_deg = Number("lamhel_sigma_deg")
    # [deg] heliocentric ecliptic latitude, J2000
    bethel_deg = Number("bethel_deg")
    # [deg] 1-sigma uncertainty of bethel_deg
    bethel_sigma_deg = Number("bethel_sigma_deg")
    # [km/s] heliocentric velocity
    vhel_km_s = Number("vhel_km_s")
    # [km/s] 1-sigma uncertainty of vhel_km_s
    vhel_sigma_km_s = Number("vhel_sigma_km_s")
    # [AU] semi-major axis, negative for a hyperbolic orbit
    semi_major_axis_au = Number("semi_major_axis_au")
    # [AU] 1-sigma uncertainty of semi_major_axis_au
    semi_major_axis_sigma_au = Number("semi_major_axis_sigma_au")
    # eccentricity
    eccentricity = Number("eccentricity")
    # 1-sigma uncertainty of eccentricity
    eccentricity_sigma = Number("eccentricity_sigma")
    # [deg] inclination
    inclination_deg = Number("inclination_deg")
    # [deg] 1-sigma uncertainty of inclination_deg
    inclination_sigma_deg = Number("inclination_sigma_deg")
    # [deg] argument of perihelion
    argument_of_perihelion_deg = Number("argument_of_perihelion_deg")
    # [deg] 1-sigma uncertainty of argument_of_perihelion_deg
    argument_of_perihelion_sigma_deg = Number("argument_of_perihelion_sigma_deg")
    # [deg] longitude of the ascending node
    ascending_node_deg = Number("ascending_node_deg")
    # [deg] 1-sigma uncertainty of ascending_node_deg
    ascending_node_sigma_deg = Number("ascending_node_sigma_deg")
    # [deg] longitude of perihelion
    longitude_of_perihelion_deg = Number("longitude_of_perihelion_deg")
    # [deg] 1-sigma uncertainty of longitude_of_perihelion_deg
    longitude_of_perihelion_sigma_deg = Number("longitude_of_perihelion_sigma_deg")
    # [deg] latitude of perihelion
    latitude_of_perihelion_deg = Number("latitude_of_perihelion_deg")
    # [deg] 1-sigma uncertainty of latitude_of_perihelion_deg
    latitude_of_perihelion_sigma_deg = Number("latitude_of_perihelion_sigma_deg")
    # [AU] perihelion distance
    perihelion_distance_au = Number("perihelion_distance_au")
    # [AU] 1-sigma uncertainty of perihelion_distance_au
    perihelion_distance_sigma_au = Number("perihelion_distance_sigma_au")
    # [deg] true anomaly at the beginning
    true_anomaly_deg = Number("true_anomaly_deg")
    # [deg] 1-sigma uncertainty of true_anomaly_deg
    true_anomaly_sigma_deg = Number("true_anomaly_sigma_deg")
    # [deg] mean anomaly; undefined for a hyperbolic orbit
    mean_anomaly_deg = Number("mean_anomaly_deg")
    # [deg] 1-sigma uncertainty of mean_anomaly_deg
    mean_anomaly_sigma_deg = Number("mean_anomaly_sigma_deg")
    # [AU] aphelion distance, negative for a hyperbolic orbit
    aphelion_distance_au = Number("aphelion_distance_au")
    # [AU] 1-sigma uncertainty of aphelion_distance_au
    aphelion_distance_sigma_au = Number("aphelion_distance_sigma_au")
    # [deg/d] mean motion
    mean_motion_deg_d = Number("mean_motion_deg_d")
    # [deg/d] 1-sigma uncertainty of mean_motion_deg_d
    mean_motion_sigma_deg_d = Number("mean_motion_sigma_deg_d")
    # [a] orbital period; undefined for a hyperbolic orbit
    orbital_period_years = Number("orbital_period_years")
    # [a] 1-sigma uncertainty of orbital_period_years
    orbital_period_sigma_years = Number("orbital_period_sigma_years")
    # Tisserand parameter with respect to Jupiter
    tisserand_jupiter = Number("tisserand_jupiter")
    # 1-sigma uncertainty of tisserand_jupiter
    tisserand_jupiter_sigma = Number("tisserand_jupiter_sigma")
    # [deg] right ascension of the apparent ground-fixed radiant, epoch of date
    raapp_deg = Number("raapp_deg")
    # [deg] 1-sigma uncertainty of raapp_deg
    raapp_sigma_deg = Number("raapp_sigma_deg")
    # [deg] declination of the apparent ground-fixed radiant, epoch of date
    decapp_deg = Number("decapp_deg")
    # [deg] 1-sigma uncertainty of decapp_deg
    decapp_sigma_deg = Number("decapp_sigma_deg")
    # [deg] azimuth of the apparent radiant, +east of north
    radiant_azimuth_deg = Number("radiant_azimuth_deg")
    # [deg] 1-sigma uncertainty of radiant_azimuth_deg
    radiant_azimuth_sigma_deg = Number("radiant_azimuth_sigma_deg")
    # [deg] elevation of the apparent radiant (entry angle)
    radiant_elevation_deg = Number("radiant_elevation_deg")
    # [deg] 1-sigma uncertainty of radiant_elevation_deg
    radiant_elevation_sigma_deg = Number("radiant_elevation_sigma_deg")
    # [km/s] apparent ground-fixed initial velocity
    vinit_km_s = Number("vinit_km_s")
    # [km/s] 1-sigma uncertainty of vinit_km_s
    vinit_sigma_km_s = Number("vinit_sigma_km_s")
    # [km/s] apparent ground-fixed average velocity
    vavg_km_s = Number("vavg_km_s")
    # [km/s] 1-sigma uncertainty of vavg_km_s
    vavg_sigma_km_s = Number("vavg_sigma_km_s")
    # [deg] latitude of the beginning, +north
    begin_latitude_deg = Number("begin_latitude_deg")
    # [deg] 1-sigma uncertainty of begin_latitude_deg
    begin_latitude_sigma_deg = Number("begin_latitude_sigma_deg")
    # [deg] longitude of the beginning, +east
    begin_longitude_deg = Number("begin_longitude_deg")
    # [deg] 1-sigma uncertainty of begin_longitude_deg
    begin_longitude_sigma_deg = Number("begin_longitude_sigma_deg")
    # [km] begin height above the WGS84 ellipsoid
    begin_height_km = Number("begin_height_km")
    # [km] 1-sigma uncertainty of begin_height_km
    begin_height_sigma_km = Number("begin_height_sigma_km")
    # [deg] latitude of the end, +north
    end_latitude_deg = Number("end_latitude_deg")
    # [deg] 1-sigma uncertainty of end_latitude_deg
    end_latitude_sigma_deg = Number("end_latitude_sigma_deg")
    # [deg] longitude of the end, +east
    end_longitude_deg = Number("end_longitude_deg")
    # [deg] 1-sigma uncertainty of end_longitude_deg
    end_longitude_sigma_deg = Number("end_longitude_sigma_deg")
    # [km] end height above the WGS84 ellipsoid
    end_height_km = Number("end_height_km")
    # [km] 1-sigma uncertainty of end_height_km
    end_height_sigma_km = Number("end_height_sigma_km")
    # [s] observed duration
    duration_s = Number("duration_s")
    # [mag] peak magnitude at a distance of 100 km
    peak_absolute_magnitude = Number("peak_absolute_magnitude")
    # [km] height of the peak magnitude
    peak_height_km = Number("peak_height_km")
    # where on the path the peak lies: (begin height - peak height) / (begin height - end height)
    f_parameter = Number("f_parameter")
    # [kg] photometric mass for a luminous efficiency of 0.7 %
    mass_kg = Number("mass_kg")
    # [deg] largest convergence angle between two stations
    convergence_angle_deg = Number("convergence_angle_deg")
    # [arcsec] median angular error of the fit
    median_fit_error_arcsec = Number("median_fit_error_arcsec")
    # the beginning was seen by at least one camera
    begin_in_fov = Truth("begin_in_fov")
    # the end was seen by at least one camera
    end_in_fov = Truth("end_in_fov")
    # number of participating stations
    station_count = Number("station_count")
    # codes of the participating stations
    participating_stations = Texts("participating_stations")
    # names of what is odd about the row though not impossible (see docs/quality.md)
    quality_flags = Texts("quality_flags")
    # UTC date on which the bin begins: the daily partition, and the date in the file name
    bin_date = Day("bin_date")
    # lower edge of the bin of one degree of solar longitude
    bin_solar_longitude_deg = Number("bin_solar_longitude_deg")
    # when the network generated the file this content came in
    summary_generated_at_utc = Time("summary_generated_at_utc")
    # SHA-256 of the landed file this content came in; kafka:topic/partition/offset of the
    # message, if it came in none
    source_file_sha256 = Text("source_file_sha256")
    # 1 for the first content loaded, one more for each change
    revision = Number("revision")
    # when this content came into the warehouse
    valid_from_utc = Time("valid_from_utc")
    # when the identifier first came into the warehouse
    first_loaded_at_utc = Time("first_loaded_at_utc")


TrajectoryColumn: TypeAlias = Literal[
    "trajectory_identifier",
    "beginning_julian_date",
    "beginning_utc_time",
    "iau_shower_number",
    "iau_shower_code",
    "solar_longitude_deg",
    "apparent_lst_deg",
    "rageo_deg",
    "rageo_sigma_deg",
    "decgeo_deg",
    "decgeo_sigma_deg",
    "lamgeo_deg",
    "lamgeo_sigma_deg",
    "betgeo_deg",
    "betgeo_sigma_deg",
    "vgeo_km_s",
    "vgeo_sigma_km_s",
    "lamhel_deg",
    "lamhel_sigma_deg",
    "bethel_deg",
    "bethel_sigma_deg",
    "vhel_km_s",
    "vhel_sigma_km_s",
    "semi_major_axis_au",
    "semi_major_axis_sigma_au",
    "eccentricity",
    "eccentricity_sigma",
    "inclination_deg",
    "inclination_sigma_deg",
    "argument_of_perihelion_deg",
    "argument_of_perihelion_sigma_deg",
    "ascending_node_deg",
    "ascending_node_sigma_deg",
    "longitude_of_perihelion_deg",
    "longitude_of_perihelion_sigma_deg",
    "latitude_of_perihelion_deg",
    "latitude_of_perihelion_sigma_deg",
    "perihelion_distance_au",
    "perihelion_distance_sigma_au",
    "true_anomaly_deg",
    "true_anomaly_sigma_deg",
    "mean_anomaly_deg",
    "mean_anomaly_sigma_deg",
    "aphelion_distance_au",
    "aphelion_distance_sigma_au",
    "mean_motion_deg_d",
    "mean_motion_sigma_deg_d",
    "orbital_period_years",
    "orbital_period_sigma_years",
    "tisserand_jupiter",
    "tisserand_jupiter_sigma",
    "raapp_deg",
    "raapp_sigma_deg",
    "decapp_deg",
    "decapp_sigma_deg",
    "radiant_azimuth_deg",
    "radiant_azimuth_sigma_deg",
    "radiant_elevation_deg",
    "radiant_elevation_sigma_deg",
    "vinit_km_s",
    "vinit_sigma_km_s",
    "vavg_km_s",
    "vavg_sigma_km_s",
    "begin_latitude_deg",
    "begin_latitude_sigma_deg",
    "begin_longitude_deg",
    "begin_longitude_sigma_deg",
    "begin_height_km",
    "begin_height_sigma_km",
    "end_latitude_deg",
    "end_latitude_sigma_deg",
    "end_longitude_deg",
    "end_longitude_sigma_deg",
    "end_height_km",
    "end_height_sigma_km",
    "duration_s",
    "peak_absolute_magnitude",
    "peak_height_km",
    "f_parameter",
    "mass_kg",
    "convergence_angle_deg",
    "median_fit_error_arcsec",
    "begin_in_fov",
    "end_in_fov",
    "station_count",
    "participating_stations",
    "quality_flags",
    "bin_date",
    "bin_solar_longitude_deg",
    "summary_generated_at_utc",
    "source_file_sha256",
    "revision",
    "valid_from_utc",
    "first_loaded_at_utc",
]

TableName: TypeAlias = Literal[
    "trajectories",
    "trajectory_revisions",
    "trajectory_stations",
    "stations",
    "source_files",
    "rejected_rows",
    "iau_showers",
    "iau_shower_solutions",
    "meteor_summary",
    "meteor",
    "iau_shower",
    "station",
    "participating_station",
    "trajectory_history",
    "trajectories_with_showers",
    "quality_flag_definitions",
    "macro_definitions",
    "column_definitions",
]

QueryName: TypeAlias = Literal[
    "calendar",
    "changes_since",
    "connected_to",
    "countries",
    "country_nights",
    "duplicates",
    "fireballs",
    "graph_around",
    "heights_by_speed",
    "hyperbolic_candidates",
    "image_contents",
    "images_like",
    "images_of",
    "images_that_show",
    "long_duration",
    "low_perihelion",
    "near_orbit",
    "near_trajectory",
    "newest_trajectories",
    "night_showers",
    "nights",
    "revisions",
    "seen_from",
    "shower_activity",
    "shower_magnitudes",
    "shower_nights",
    "shower_orbit",
    "shower_orbits",
    "shower_radiant_drift",
    "shower_radiants",
    "shower_solutions",
    "shower_speeds",
    "shower_years",
    "showers",
    "sporadic_background",
    "station_nights",
    "station_partners",
    "station_places",
    "station_quality",
    "station_residuals",
    "stations",
]
