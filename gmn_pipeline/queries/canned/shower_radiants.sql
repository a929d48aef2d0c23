-- title: Radiant of a shower, step by step
-- description: The mean radiant and speed of a shower in steps of solar longitude, with the
--   standard error of each mean: the points through which shower_radiant_drift lays its lines.
--   Counted from the middle of the shower, so that the order is right near 0 deg too.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: step_deg | positive | 1 | deg | width of a step of solar longitude
WITH shower AS (
  SELECT solar_longitude_deg, rageo_deg, decgeo_deg, vgeo_km_s
  FROM trajectories
  WHERE iau_shower_code = upper($shower)
    AND without_flags(quality_flags, flags_of_family('identity'))
), middle AS (
  SELECT circular_mean_deg(solar_longitude_deg) AS solar_longitude_deg,
    circular_mean_deg(rageo_deg) AS ra_deg
  FROM shower
), offsets AS (
  SELECT middle.solar_longitude_deg AS middle_deg, middle.ra_deg AS middle_ra_deg,
    floor((middle.solar_longitude_deg
      + angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg))
      / $step_deg) * $step_deg AS from_deg,
    angle_difference_deg(rageo_deg, middle.ra_deg) AS ra, decgeo_deg, vgeo_km_s
  FROM shower, middle
)
SELECT round((from_deg + 360) % 360, 6) AS solar_longitude_from_deg,
  round(from_deg - any_value(middle_deg), 3) AS from_the_middle_deg,
  count(*) AS trajectories,
  round((any_value(middle_ra_deg) + avg(ra) + 360) % 360, 3) AS ra_deg,
  round(stddev_samp(ra) / sqrt(count(*)), 3) AS ra_error_deg,
  round(avg(decgeo_deg), 3) AS dec_deg,
  round(stddev_samp(decgeo_deg) / sqrt(count(*)), 3) AS dec_error_deg,
  round(avg(vgeo_km_s), 3) AS vgeo_km_s,
  round(stddev_samp(vgeo_km_s) / sqrt(count(*)), 3) AS vgeo_error_km_s
FROM offsets
GROUP BY from_deg
ORDER BY from_deg
