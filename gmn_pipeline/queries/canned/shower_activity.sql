-- title: Activity of a shower by solar longitude
-- description: Trajectories of a shower in steps of solar longitude, and the sporadic ones of the
--   same steps. The ratio takes out most of what weather, moonlight and the growth of the network
--   do to both alike; it is not a rate. Its error is that of the two counts.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: step_deg | positive | 1 | deg | width of a step of solar longitude
-- parameter: since | date | null | | first date (UTC) that counts
-- parameter: until | date | null | | last date (UTC) that counts
SELECT round(floor(solar_longitude_deg / $step_deg) * $step_deg, 6) AS solar_longitude_from_deg,
  count(*) FILTER (iau_shower_code = upper($shower)) AS shower,
  count(*) FILTER (iau_shower_number = -1) AS sporadic,
  round(shower / nullif(sporadic, 0), 4) AS ratio,
  round(ratio * sqrt(1 / shower + 1 / nullif(sporadic, 0)), 4) AS ratio_error
FROM trajectories
WHERE ($since::DATE IS NULL OR beginning_utc_time >= $since::DATE)
  AND ($until::DATE IS NULL OR beginning_utc_time < $until::DATE + INTERVAL 1 DAY)
GROUP BY solar_longitude_from_deg
HAVING shower > 0
ORDER BY solar_longitude_from_deg
