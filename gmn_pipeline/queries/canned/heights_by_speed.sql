-- title: Heights by speed
-- description: Faster meteors begin to shine higher. Only those count whose beginning and end a
--   camera saw; medians, since a few rows have odd heights.
-- parameter: step_km_s | positive | 5 | km/s | width of a step of speed
-- parameter: shower | text | null | | IAU code of a shower; without it all
SELECT round(floor(vinit_km_s / $step_km_s) * $step_km_s, 6) AS vinit_from_km_s,
  count(*) AS trajectories,
  round(median(begin_height_km), 1) AS median_begin_height_km,
  round(median(peak_height_km), 1) AS median_peak_height_km,
  round(median(end_height_km), 1) AS median_end_height_km,
  round(median(duration_s), 2) AS median_duration_s
FROM trajectories
WHERE begin_in_fov AND end_in_fov
  AND ($shower::VARCHAR IS NULL OR iau_shower_code = upper($shower::VARCHAR))
  AND without_flags(quality_flags, flags_of_family('limit'))
GROUP BY vinit_from_km_s
ORDER BY vinit_from_km_s
