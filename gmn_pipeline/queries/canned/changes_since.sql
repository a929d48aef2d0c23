-- title: What has changed since
-- description: Every trajectory that came, was solved again or went after a time, with what it is
--   now: `inserted`, `revised` or `withdrawn`. What came and went since then is left out.
-- parameter: since | time | required | | the time of your last look (UTC): the manifest of a snapshot has it
WITH before AS (
  SELECT trajectory_identifier, revision, valid_from_utc FROM trajectory_history
  WHERE valid_from_utc <= $since
    AND (valid_until_utc IS NULL OR valid_until_utc > $since)
), now_there AS (
  SELECT trajectory_identifier, revision, valid_from_utc FROM trajectories
), ended AS (
  SELECT trajectory_identifier, max(valid_until_utc) AS at_utc
  FROM trajectory_history WHERE NOT is_current GROUP BY trajectory_identifier
)
SELECT trajectory_identifier,
  CASE WHEN n.revision IS NULL THEN 'withdrawn'
    WHEN b.revision IS NULL THEN 'inserted' ELSE 'revised' END AS change,
  coalesce(n.valid_from_utc, ended.at_utc) AS changed_at_utc,
  b.revision AS former_revision, n.revision
FROM before b FULL JOIN now_there n USING (trajectory_identifier)
LEFT JOIN ended USING (trajectory_identifier)
WHERE b.valid_from_utc IS DISTINCT FROM n.valid_from_utc
ORDER BY changed_at_utc, trajectory_identifier
