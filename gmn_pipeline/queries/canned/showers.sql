-- title: Showers of a time
-- description: How many trajectories each shower had, with its name, its mean radiant and its
--   median speed. Sporadic meteors are the row without a code.
-- parameter: since | date | null | | first date (UTC) that counts
-- parameter: until | date | null | | last date (UTC) that counts
SELECT iau_shower_number, nullif(iau_shower_code, '...') AS iau_shower_code, iau_shower_name,
  count(*) AS trajectories,
  CASE WHEN iau_shower_number <> -1 THEN round(circular_mean_deg(rageo_deg), 2) END
    AS mean_ra_deg,
  CASE WHEN iau_shower_number <> -1 THEN round(avg(decgeo_deg), 2) END AS mean_dec_deg,
  round(median(vgeo_km_s), 2) AS median_vgeo_km_s,
  min(beginning_utc_time) AS first_utc_time, max(beginning_utc_time) AS last_utc_time
FROM trajectories_with_showers
WHERE ($since::DATE IS NULL OR beginning_utc_time >= $since::DATE)
  AND ($until::DATE IS NULL OR beginning_utc_time < $until::DATE + INTERVAL 1 DAY)
GROUP BY iau_shower_number, iau_shower_code, iau_shower_name
ORDER BY trajectories DESC, iau_shower_number
