-- title: Images that show this and that
-- description: Images in the lake of objects that show all of some labels: source and streak, of
--   the detector that comes along, and those of a detector of one's own. The newest first.
-- needs: objects
-- parameter: shows | text | streak | | labels, with commas between them: all of them are shown
-- parameter: station | text | null | | only images that are linked to this station
-- parameter: night | date | null | | only images that are linked to this night
-- parameter: count | integer | 100 | | how many
WITH wanted AS (
  SELECT DISTINCT 'label:' || trim(label) AS target
  FROM (SELECT unnest(string_split($shows, ',')) AS label) WHERE trim(label) <> ''
), showing AS (
  SELECT source FROM objects.edges SEMI JOIN wanted USING (target)
  WHERE kind = 'shows' GROUP BY source
  HAVING count(DISTINCT target) = (SELECT count(*) FROM wanted)
), previews AS (
  SELECT v.object_id, min(project || '/' || container || '/' || name) AS preview
  FROM objects.provenance v JOIN objects.catalogue c ON c.object_id = v.made_id
  WHERE starts_with(name, 'previews/') GROUP BY ALL
)
SELECT project || '/' || container || '/' || name AS object, object_id, observed_from_utc, stations,
  nights, trajectories, preview
FROM objects.catalogue SEMI JOIN showing ON source = 'object:' || object_id
LEFT JOIN previews USING (object_id)
WHERE ($station IS NULL OR list_contains(stations, upper($station)))
  AND ($night IS NULL OR list_contains(nights, strftime($night, '%Y-%m-%d')))
ORDER BY observed_from_utc DESC NULLS LAST, object_id DESC
LIMIT $count
