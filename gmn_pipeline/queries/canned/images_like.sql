-- title: The images most like one
-- description: Images by how near what they show is to what this one shows: how many of each label
--   (by logarithms, so that one streak more counts less among many), how long the longest streak is,
--   and how bright all is. 0 is the same; what they are both linked to stands beside it.
-- needs: objects
-- parameter: object | text | required | | the image: PROJECT/CONTAINER/NAME
-- parameter: same_station | boolean | false | | only images of a station that it is linked to
-- parameter: count | integer | 20 | | how many, the nearest first
WITH labels AS (
  SELECT object_id, 'label:' || label AS feature, ln(1 + count(*)) AS value
  FROM objects.image_objects GROUP BY ALL
  UNION ALL
  SELECT object_id, 'label:' || kind, ln(1 + count(*)) FROM objects.image_detections GROUP BY ALL
  UNION ALL
  SELECT object_id, 'longest streak', ln(1 + max(length_px)) FROM objects.image_detections
  WHERE kind = 'streak' GROUP BY ALL
  UNION ALL
  SELECT object_id, 'brightness', ln(1 + sum(flux_adu)) / 4 FROM objects.image_detections GROUP BY ALL
), given AS (
  FROM objects.catalogue WHERE project || '/' || container || '/' || name = $object
), its AS (
  SELECT feature, value FROM labels SEMI JOIN given USING (object_id)
), others AS (
  SELECT c.* FROM objects.catalogue c, given
  WHERE c.object_id <> given.object_id AND c.object_id IN (SELECT object_id FROM labels)
    AND (NOT $same_station OR list_has_any(c.stations, given.stations))
), apart AS (
  -- What only one of both has, and what both have: (a - b)^2 = a^2 + b^2 - 2 a b.
  SELECT object_id, sum(labels.value * labels.value - 2 * labels.value * coalesce(its.value, 0))
    + (SELECT coalesce(sum(value * value), 0) FROM its) AS squared
  FROM labels LEFT JOIN its USING (feature) GROUP BY object_id
), previews AS (
  SELECT v.object_id, min(project || '/' || container || '/' || name) AS preview
  FROM objects.provenance v JOIN objects.catalogue c ON c.object_id = v.made_id
  WHERE starts_with(name, 'previews/') GROUP BY ALL
)
SELECT o.project || '/' || o.container || '/' || o.name AS object, o.object_id,
  round(sqrt(greatest(squared, 0)), 4) AS distance,
  list_intersect(o.stations, given.stations) AS stations_in_common,
  list_intersect(o.nights, given.nights) AS nights_in_common, preview
FROM others o JOIN apart USING (object_id) LEFT JOIN previews USING (object_id), given
ORDER BY distance, o.object_id
LIMIT $count
