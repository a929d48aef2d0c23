-- title: Nights of the network
-- description: Trajectories, those of showers, stations at work and fireballs (magnitude -4 or
--   brighter) of each bin of one degree of solar longitude, named after the date on which it begins.
-- parameter: since | date | null | | first date of a bin
-- parameter: until | date | null | | last date of a bin
WITH nights AS (
  SELECT bin_date, count(*) AS trajectories,
    count(*) FILTER (iau_shower_number <> -1) AS of_showers,
    count(*) FILTER (peak_absolute_magnitude <= -4) AS fireballs,
    min(peak_absolute_magnitude) AS brightest_magnitude
  FROM trajectories
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
  GROUP BY bin_date
), working AS (
  SELECT bin_date, count(DISTINCT station_code) AS stations
  FROM trajectory_stations
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
  GROUP BY bin_date
)
SELECT bin_date, trajectories, of_showers, fireballs, brightest_magnitude, stations,
  round(trajectories / stations, 2) AS trajectories_a_station
FROM nights JOIN working USING (bin_date)
ORDER BY bin_date
