-- title: Fireballs
-- description: Meteors as bright as a magnitude or brighter (at a distance of 100 km), the
--   brightest first. Bright ones saturate cameras: magnitudes and masses are then lower limits.
-- parameter: magnitude | number | -4 | mag | absolute peak magnitude
-- parameter: since | time | null | | from when (UTC)
-- parameter: until | time | null | | until before when (UTC)
SELECT trajectory_identifier, beginning_utc_time, peak_absolute_magnitude, mass_kg, duration_s,
  iau_shower_code, iau_shower_name, vinit_km_s, begin_latitude_deg, begin_longitude_deg,
  begin_height_km, end_latitude_deg, end_longitude_deg, end_height_km, station_count
FROM trajectories_with_showers
WHERE peak_absolute_magnitude <= $magnitude
  AND ($since::TIMESTAMP IS NULL OR beginning_utc_time >= $since::TIMESTAMP)
  AND ($until::TIMESTAMP IS NULL OR beginning_utc_time < $until::TIMESTAMP)
ORDER BY peak_absolute_magnitude, trajectory_identifier
