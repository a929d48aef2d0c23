-- title: Stations by number of trajectories
-- description: Every station that took part in a trajectory, with how many, on how many dates, and
--   when first and last. `country` may be the first letters of the code.
-- parameter: country | text | null | | first two characters of the code, such as UK
SELECT station_code, count(*) AS trajectories, count(DISTINCT bin_date) AS dates,
  round(trajectories / dates, 2) AS trajectories_a_date,
  min(bin_date) AS first_date, max(bin_date) AS last_date
FROM trajectory_stations
WHERE $country::VARCHAR IS NULL OR starts_with(station_code, upper($country::VARCHAR))
GROUP BY station_code
ORDER BY trajectories DESC, station_code
