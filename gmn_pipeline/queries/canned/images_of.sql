-- title: Images of a station, a night or a trajectory
-- description: Images in the lake of objects that are linked to it, with what they show: source and
--   streak, of the detector that comes along, and the labels of a detector of one's own. The newest
--   first.
-- needs: objects
-- parameter: what | text | required | | station:US0001, night:2022-03-04, trajectory:...
-- parameter: count | integer | 100 | | how many
WITH labels AS (
  SELECT source, list(key ORDER BY key) AS shows
  FROM objects.edges e JOIN objects.nodes ON node = target WHERE e.kind = 'shows' GROUP BY source
), previews AS (
  SELECT v.object_id, min(project || '/' || container || '/' || name) AS preview
  FROM objects.provenance v JOIN objects.catalogue c ON c.object_id = v.made_id
  WHERE starts_with(name, 'previews/') GROUP BY ALL
)
SELECT project || '/' || container || '/' || name AS object, c.object_id, observed_from_utc, shows,
  stations, nights, trajectories, preview
FROM objects.edges e JOIN objects.nodes n ON n.node = e.source AND n.kind = 'image'
JOIN objects.catalogue c USING (object_id)
LEFT JOIN labels ON labels.source = n.node LEFT JOIN previews ON previews.object_id = c.object_id
WHERE e.target = $what AND NOT starts_with(name, 'previews/')
ORDER BY observed_from_utc DESC NULLS LAST, c.object_id DESC
LIMIT $count
