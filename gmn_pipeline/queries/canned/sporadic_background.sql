-- title: Radiants of the sporadic background
-- description: Sporadic radiants in Sun-centred ecliptic coordinates, counted in fields: the
--   antihelion source is near (195, 0), the apex sources near (270, +15) and (270, -15), the
--   toroidal ones near (270, +60) and (270, -60). The count is also given per area, since fields
--   shrink towards the poles.
-- parameter: step_deg | positive | 5 | deg | width of a field
-- parameter: since | date | null | | first date (UTC) that counts
-- parameter: until | date | null | | last date (UTC) that counts
WITH radiants AS (
  SELECT floor(sun_centred_longitude_deg(lamgeo_deg, solar_longitude_deg) / $step_deg) * $step_deg
      AS sun_centred_longitude_from_deg,
    floor(betgeo_deg / $step_deg) * $step_deg AS latitude_from_deg, vgeo_km_s
  FROM trajectories
  WHERE iau_shower_number = -1
    AND ($since::DATE IS NULL OR beginning_utc_time >= $since::DATE)
    AND ($until::DATE IS NULL OR beginning_utc_time < $until::DATE + INTERVAL 1 DAY)
)
SELECT sun_centred_longitude_from_deg, latitude_from_deg, count(*) AS trajectories,
  round(count(*) / ($step_deg * degrees(
    sin(radians(latitude_from_deg + $step_deg)) - sin(radians(latitude_from_deg)))), 3)
    AS per_square_deg,
  round(median(vgeo_km_s), 1) AS median_vgeo_km_s
FROM radiants
GROUP BY sun_centred_longitude_from_deg, latitude_from_deg
ORDER BY trajectories DESC, sun_centred_longitude_from_deg, latitude_from_deg
