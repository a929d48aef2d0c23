-- title: Nights of a station
-- description: What a station took part in, bin by bin (a bin is one degree of solar longitude,
--   named after the date on which it begins), beside what the whole network had.
-- parameter: station | text | required | | code of the station
-- parameter: since | date | null | | first date of a bin
-- parameter: until | date | null | | last date of a bin
SELECT bin_date,
  count(*) FILTER (list_contains(participating_stations, upper($station))) AS of_the_station,
  count(*) AS of_the_network,
  round(of_the_station / of_the_network, 4) AS share,
  count(*) FILTER (list_contains(participating_stations, upper($station)) AND station_count = 2)
    AS with_one_partner,
  count(*) FILTER (
    list_contains(participating_stations, upper($station)) AND iau_shower_number <> -1
  ) AS of_showers,
  min(peak_absolute_magnitude) FILTER (
    list_contains(participating_stations, upper($station))
  ) AS brightest_magnitude
FROM trajectories
WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
  AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
GROUP BY bin_date
HAVING of_the_station > 0
ORDER BY bin_date
