-- title: A shower beside the IAU's entries
-- description: Each published solution of a shower in the IAU's list, and how far what is measured
--   here is from it: the radiant, moved along the drift that is fitted here to the solution's
--   solar longitude, and the median speed. The list gives drifts by day; here they are by degree of
--   solar longitude (0.9856 deg a day), as those of shower_radiant_drift. Removed solutions are left
--   out.
-- parameter: shower | text | PER | | IAU code of the shower
WITH shower AS (
  SELECT solar_longitude_deg, rageo_deg, decgeo_deg, vgeo_km_s
  FROM trajectories
  WHERE iau_shower_code = upper($shower)
    AND without_flags(quality_flags, flags_of_family('identity'))
), middle AS (
  SELECT circular_mean_deg(solar_longitude_deg) AS solar_longitude_deg,
    circular_mean_deg(rageo_deg) AS ra_deg
  FROM shower
), fit AS (
  SELECT any_value(middle.solar_longitude_deg) AS at_deg, any_value(middle.ra_deg) AS ra_deg,
    median(vgeo_km_s) AS our_vgeo_km_s,
    regr_slope(angle_difference_deg(rageo_deg, middle.ra_deg),
      angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg)) AS ra_slope,
    regr_intercept(angle_difference_deg(rageo_deg, middle.ra_deg),
      angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg)) AS ra_zero,
    regr_slope(decgeo_deg,
      angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg)) AS dec_slope,
    regr_intercept(decgeo_deg,
      angle_difference_deg(shower.solar_longitude_deg, middle.solar_longitude_deg)) AS dec_zero
  FROM shower, middle
), moved AS (
  SELECT s.*, angle_difference_deg(s.solar_longitude_deg, fit.at_deg) AS x, fit.*
  FROM iau_shower_solutions s, fit
  WHERE s.iau_shower_code = upper($shower) AND s.status_flag >= 0
)
SELECT solution_number, status, solar_longitude_deg, rageo_deg, decgeo_deg,
  round(rageo_drift_deg_d / 0.9856, 3) AS ra_drift_deg_per_deg,
  round(decgeo_drift_deg_d / 0.9856, 3) AS dec_drift_deg_per_deg,
  vgeo_km_s,
  round(radiant_distance_deg(rageo_deg, decgeo_deg, ra_deg + ra_zero + ra_slope * x,
    least(90, greatest(-90, dec_zero + dec_slope * x))), 2) AS radiant_is_off_by_deg,
  round(our_vgeo_km_s - vgeo_km_s, 2) AS speed_here_is_higher_by_km_s,
  member_count, observation_technique, reference
FROM moved
ORDER BY solution_number, solar_longitude_deg, member_count
