-- title: Partners of a station
-- description: With which stations it saw the same meteors, how often these two were alone, and
--   the median convergence angle then. A pair with a small one is badly placed for orbits.
-- parameter: station | text | required | | code of the station
WITH seen AS (
  SELECT participating_stations, station_count, convergence_angle_deg, bin_date
  FROM trajectories
  WHERE list_contains(participating_stations, upper($station))
), pairs AS (
  SELECT unnest(participating_stations) AS partner, station_count, convergence_angle_deg, bin_date
  FROM seen
)
SELECT partner, count(*) AS trajectories,
  round(count(*) / (SELECT count(*) FROM seen), 4) AS share_of_the_stations,
  count(*) FILTER (station_count = 2) AS of_these_two_alone,
  round(median(convergence_angle_deg) FILTER (station_count = 2), 1)
    AS median_convergence_angle_deg,
  min(bin_date) AS first_date, max(bin_date) AS last_date
FROM pairs
WHERE partner <> upper($station)
GROUP BY partner
ORDER BY trajectories DESC, partner
