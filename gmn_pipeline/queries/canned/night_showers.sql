-- title: Showers of a night
-- description: What the trajectories of a bin of one degree of solar longitude belong to (the bin
--   is named after the date on which it begins), with the mean radiant, the median speed and the
--   brightest, and the share beside that of the same degree in all other years. Sporadic meteors are
--   the row without a code.
-- parameter: date | date | required | | date of the bin
WITH night AS (
  SELECT DISTINCT bin_solar_longitude_deg FROM trajectories WHERE bin_date = $date::DATE
), rows AS (
  SELECT t.*, bin_date = $date::DATE AS is_tonight
  FROM trajectories_with_showers t
  WHERE bin_solar_longitude_deg IN (FROM night)
), counted AS (
  SELECT iau_shower_number, nullif(iau_shower_code, '...') AS iau_shower_code, iau_shower_name,
    count(*) FILTER (is_tonight) AS trajectories,
    count(*) FILTER (NOT is_tonight) AS others,
    circular_mean_deg(CASE WHEN is_tonight THEN rageo_deg END) AS ra,
    avg(decgeo_deg) FILTER (is_tonight) AS dec,
    median(vgeo_km_s) FILTER (is_tonight) AS vgeo,
    min(peak_absolute_magnitude) FILTER (is_tonight) AS brightest_magnitude
  FROM rows
  GROUP BY iau_shower_number, iau_shower_code, iau_shower_name
), shares AS (
  SELECT *, sum(trajectories) OVER () AS whole, sum(others) OVER () AS whole_of_others
  FROM counted
)
SELECT iau_shower_number, iau_shower_code, iau_shower_name, trajectories,
  round(trajectories / whole, 4) AS share,
  round(others / nullif(whole_of_others, 0), 4) AS other_years_share,
  CASE WHEN iau_shower_number <> -1 THEN round(ra, 2) END AS mean_ra_deg,
  CASE WHEN iau_shower_number <> -1 THEN round(dec, 2) END AS mean_dec_deg,
  round(vgeo, 2) AS median_vgeo_km_s, brightest_magnitude
FROM shares
WHERE trajectories > 0
ORDER BY trajectories DESC, iau_shower_number
