-- title: Calendar of dates
-- description: Every date from the first that came to the last, what its files brought, and in
--   which state it is: loaded; revised (a later file changed or withdrew something); with rejected
--   rows; no bin (no bin of one degree of solar longitude begins on it, which is so on five dates
--   of a year); missing (there is a bin, and no file of it came).
-- parameter: since | date | null | | first date
-- parameter: until | date | null | | last date
WITH files AS (
  SELECT bin_date, min(bin_solar_longitude_deg) AS first_deg,
    max(bin_solar_longitude_deg) AS last_deg, count(*) AS files,
    max(loaded_at_utc) AS last_loaded_at_utc, sum(rows_inserted)::BIGINT AS inserted,
    sum(rows_revised)::BIGINT AS revised, sum(rows_withdrawn)::BIGINT AS withdrawn,
    sum(rows_rejected)::BIGINT AS rejected
  FROM source_files
  WHERE outcome = 'loaded'
  GROUP BY bin_date
), bounds AS (
  SELECT min(bin_date) AS first_date, max(bin_date) AS last_date FROM files
), dates AS (
  SELECT first_date + n::INTEGER AS bin_date
  FROM bounds, range(0, 100000) AS numbers(n)
  WHERE n <= last_date - first_date
), days AS (
  SELECT dates.bin_date, files.* EXCLUDE (bin_date),
    last_value(last_deg IGNORE NULLS) OVER before AS deg_before,
    first_value(first_deg IGNORE NULLS) OVER beyond AS deg_beyond
  FROM dates LEFT JOIN files USING (bin_date)
  WINDOW
    before AS (ORDER BY dates.bin_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    beyond AS (ORDER BY dates.bin_date ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
), counts AS (
  SELECT bin_date, count(*) AS trajectories FROM trajectories GROUP BY bin_date
)
SELECT bin_date,
  CASE
    WHEN files IS NULL AND (deg_beyond - deg_before + 360) % 360 <= 1 THEN 'no bin'
    WHEN files IS NULL THEN 'missing'
    WHEN rejected > 0 THEN 'with rejected rows'
    WHEN revised + withdrawn > 0 THEN 'revised'
    ELSE 'loaded'
  END AS state,
  coalesce(trajectories, 0) AS trajectories, coalesce(files, 0) AS files, inserted, revised,
  withdrawn, rejected, last_loaded_at_utc
FROM days LEFT JOIN counts USING (bin_date)
WHERE ($since::DATE IS NULL OR bin_date >= $since::DATE)
  AND ($until::DATE IS NULL OR bin_date <= $until::DATE)
ORDER BY bin_date
