-- title: Countries of the network
-- description: By the first two characters of stations' codes (those of ISO 3166, but for UK): how
--   many stations took part in trajectories, how many trajectories they took part in, on how many
--   dates. A meteor that two countries saw counts for both.
-- parameter: since | date | null | | first date of a bin
-- parameter: until | date | null | | last date of a bin
WITH seen AS (
  SELECT left(station_code, 2) AS country, trajectory_identifier, bin_date, count(*) AS links
  FROM trajectory_stations
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
  GROUP BY ALL
), working AS (
  SELECT left(station_code, 2) AS country, count(DISTINCT station_code) AS stations
  FROM trajectory_stations
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
  GROUP BY country
)
SELECT country, any_value(stations) AS stations, count(*) AS trajectories,
  count(DISTINCT bin_date) AS dates, round(trajectories / any_value(stations), 1)
    AS trajectories_a_station,
  min(bin_date) AS first_date, max(bin_date) AS last_date
FROM seen JOIN working USING (country)
GROUP BY country
ORDER BY trajectories DESC, country
