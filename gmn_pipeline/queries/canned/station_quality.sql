-- title: Residuals by station
-- description: The median error of the fit, the convergence angle and the error of the speed of
--   trajectories that a station took part in, beside those of the whole network: a station whose
--   trajectories fit worse than the others' may be badly calibrated. The error is that of the whole
--   trajectory; that of a single station is not published.
-- parameter: at_least | integer | 20 | | trajectories that a station must have
-- parameter: station | text | null | | code of a station; without it all
-- parameter: since | date | null | | first date of a bin
WITH rows AS (
  SELECT unnest(participating_stations) AS station_code, median_fit_error_arcsec,
    convergence_angle_deg, vgeo_sigma_km_s, station_count
  FROM trajectories
  WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
    AND ($station::VARCHAR IS NULL
      OR list_contains(participating_stations, upper($station::VARCHAR)))
), network AS (
  SELECT median(median_fit_error_arcsec) AS median_fit_error_arcsec
  FROM trajectories
  WHERE $since::DATE IS NULL OR bin_date >= $since::DATE
)
SELECT station_code, count(*) AS trajectories,
  round(median(rows.median_fit_error_arcsec), 2) AS median_fit_error_arcsec,
  round(median(rows.median_fit_error_arcsec) / any_value(network.median_fit_error_arcsec), 3)
    AS of_the_networks,
  round(quantile_cont(rows.median_fit_error_arcsec, 0.9), 2) AS fit_error_of_the_worst_tenth_arcsec,
  round(median(convergence_angle_deg), 1) AS median_convergence_angle_deg,
  round(median(vgeo_sigma_km_s), 3) AS median_vgeo_sigma_km_s
FROM rows, network
WHERE $station::VARCHAR IS NULL OR station_code = upper($station::VARCHAR)
GROUP BY station_code
HAVING trajectories >= $at_least
ORDER BY median_fit_error_arcsec DESC, station_code
