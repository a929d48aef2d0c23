-- title: Where stations are, estimated
-- description: Stations' places are not in the network's summaries. A camera sees meteors 100 km up
--   in front of it, so it stands near them: this is the median place of its meteors (medians of
--   latitude and of longitude of the middles of the tracks, which a few wrong rows do not move), with
--   the distance within which half and nine tenths of them were. The estimate is off towards where
--   the camera looks: for simulated cameras (88 by 48 deg, looking 20 to 70 deg up in all directions)
--   by 100 km in the median; the true place was within the distance of nine tenths for 97 of 100,
--   within that of half for 17 of 100.
-- parameter: station | text | null | | code of a station; without it all
-- parameter: country | text | null | | first two characters of the codes, such as UK
-- parameter: at_least | integer | 10 | | trajectories that a station must have
WITH tracks AS (
  SELECT unnest(participating_stations) AS station_code,
    (begin_latitude_deg + end_latitude_deg) / 2 AS lat,
    begin_longitude_deg + angle_difference_deg(end_longitude_deg, begin_longitude_deg) / 2 AS lon
  FROM trajectories
  WHERE ($station::VARCHAR IS NULL
      OR list_contains(participating_stations, upper($station::VARCHAR)))
    AND ($country::VARCHAR IS NULL OR contains(
      ',' || array_to_string(participating_stations, ','), ',' || upper($country::VARCHAR)))
), chosen AS (
  FROM tracks
  WHERE ($station::VARCHAR IS NULL OR station_code = upper($station::VARCHAR))
    AND ($country::VARCHAR IS NULL OR starts_with(station_code, upper($country::VARCHAR)))
), abouts AS (
  SELECT station_code, circular_mean_deg(lon) AS about_lon
  FROM chosen GROUP BY station_code
), places AS (
  SELECT station_code, count(*) AS trajectories, median(lat) AS lat,
    any_value(about_lon) + median(angle_difference_deg(lon, about_lon)) AS lon
  FROM chosen JOIN abouts USING (station_code)
  GROUP BY station_code
  HAVING count(*) >= $at_least
)
SELECT station_code, any_value(trajectories) AS trajectories,
  round(any_value(places.lat), 2) AS latitude_deg,
  round((any_value(places.lon) + 540) % 360 - 180, 2) AS longitude_deg,
  round(111.2 * median(
    radiant_distance_deg(chosen.lon, chosen.lat, places.lon, places.lat))) AS half_within_km,
  round(111.2 * quantile_cont(
    radiant_distance_deg(chosen.lon, chosen.lat, places.lon, places.lat), 0.9))
    AS nine_tenths_within_km
FROM chosen JOIN places USING (station_code)
GROUP BY station_code
ORDER BY station_code
