-- title: Radiant drift of a shower
-- description: A straight line through right ascension and declination against solar longitude,
--   each with the error of its slope. Angles are taken relative to their circular mean, so that a
--   shower near 0 deg gives no nonsense. What the network calls members counts, unless its columns
--   contradict each other.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: from_deg | number | 0 | deg | solar longitude from which it counts
-- parameter: to_deg | number | 360 | deg | solar longitude up to which it counts; may be less than from_deg
WITH shower AS (
  SELECT solar_longitude_deg, rageo_deg, decgeo_deg
  FROM trajectories
  WHERE iau_shower_code = upper($shower)
    AND CASE WHEN $from_deg <= $to_deg
      THEN solar_longitude_deg BETWEEN $from_deg AND $to_deg
      ELSE solar_longitude_deg >= $from_deg OR solar_longitude_deg <= $to_deg END
    AND without_flags(quality_flags, flags_of_family('identity'))
), middle AS (
  SELECT circular_mean_deg(solar_longitude_deg) AS solar_longitude_deg,
    circular_mean_deg(rageo_deg) AS ra_deg
  FROM shower
), offsets AS (
  SELECT middle.solar_longitude_deg AS at_solar_longitude_deg, middle.ra_deg AS middle_ra_deg,
    angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg) AS x,
    angle_difference_deg(shower.rageo_deg, middle.ra_deg) AS ra, decgeo_deg AS dec
  FROM shower, middle
)
SELECT count(*) AS trajectories,
  round(any_value(at_solar_longitude_deg), 2) AS at_solar_longitude_deg,
  round((any_value(middle_ra_deg) + regr_intercept(ra, x) + 360) % 360, 2) AS ra_deg,
  round(regr_intercept(dec, x), 2) AS dec_deg,
  round(regr_slope(ra, x), 3) AS ra_drift_deg_per_deg,
  round(sqrt((1 - regr_r2(ra, x)) / nullif(count(*) - 2, 0)) * stddev_samp(ra)
    / nullif(stddev_samp(x), 0), 3) AS ra_drift_error,
  round(regr_slope(dec, x), 3) AS dec_drift_deg_per_deg,
  round(sqrt((1 - regr_r2(dec, x)) / nullif(count(*) - 2, 0)) * stddev_samp(dec)
    / nullif(stddev_samp(x), 0), 3) AS dec_drift_error
FROM offsets
