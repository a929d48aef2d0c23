-- title: Long meteors
-- description: Meteors that lasted long, the longest first: earth-grazers enter at a small angle,
--   slow and deep ones may have dropped meteorites.
-- parameter: at_least_s | positive | 3 | s | duration
-- parameter: ends_below_km | number | 1000 | km | height of the end
SELECT trajectory_identifier, beginning_utc_time, duration_s, radiant_elevation_deg, vinit_km_s,
  peak_absolute_magnitude, mass_kg, begin_height_km, end_height_km, end_latitude_deg,
  end_longitude_deg, iau_shower_code, begin_in_fov, end_in_fov
FROM trajectories
WHERE duration_s >= $at_least_s AND end_height_km <= $ends_below_km
ORDER BY duration_s DESC, trajectory_identifier
