-- title: Nights of a country
-- description: What the stations of a country took part in, bin by bin (a bin is one degree of
--   solar longitude, named after the date on which it begins), how many of them, and beside it what
--   the whole network had. The country is the first two characters of the codes.
-- parameter: country | text | required | | first two characters of the codes, such as UK
-- parameter: since | date | null | | first date of a bin
-- parameter: until | date | null | | last date of a bin
WITH links AS (
  SELECT bin_date, trajectory_identifier, station_code
  FROM trajectory_stations
  WHERE starts_with(station_code, upper($country)) AND length($country) = 2
    AND ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
), ours AS (
  SELECT bin_date, count(DISTINCT trajectory_identifier) AS of_the_country,
    count(DISTINCT station_code) AS stations
  FROM links GROUP BY bin_date
), network AS (
  SELECT bin_date, count(*) AS of_the_network FROM trajectories
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
  GROUP BY bin_date
)
SELECT bin_date, of_the_country, stations,
  round(of_the_country / stations, 2) AS trajectories_a_station, of_the_network,
  round(of_the_country / of_the_network, 4) AS share
FROM ours JOIN network USING (bin_date)
ORDER BY bin_date
