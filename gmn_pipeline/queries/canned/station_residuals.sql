-- title: Residuals of a station beside the network's
-- description: How the median error of the fit is distributed over the trajectories that a station
--   took part in, and over those of the whole network, as shares. The error is that of the whole
--   trajectory; that of a single station is not published.
-- parameter: station | text | required | | code of the station
-- parameter: step_arcsec | positive | 10 | arcsec | width of a step of the error
-- parameter: most_arcsec | positive | 300 | arcsec | where the last step begins, which has all beyond
WITH steps AS (
  SELECT round(least(floor(median_fit_error_arcsec / $step_arcsec) * $step_arcsec,
      $most_arcsec::DOUBLE), 6) AS fit_error_from_arcsec,
    count(*) FILTER (list_contains(participating_stations, upper($station))) AS of_the_station,
    count(*) AS of_the_network
  FROM trajectories
  WHERE median_fit_error_arcsec IS NOT NULL
  GROUP BY fit_error_from_arcsec
), shares AS (
  SELECT *, sum(of_the_station) OVER () AS whole,
    round(of_the_station / nullif(sum(of_the_station) OVER (), 0), 4) AS share_of_the_station,
    round(of_the_network / sum(of_the_network) OVER (), 4) AS share_of_the_network
  FROM steps
)
SELECT fit_error_from_arcsec, of_the_station, share_of_the_station, of_the_network,
  share_of_the_network
FROM shares
WHERE whole > 0
ORDER BY fit_error_from_arcsec
