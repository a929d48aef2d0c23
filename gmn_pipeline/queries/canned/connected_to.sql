-- title: Everything connected to an object
-- description: What can be reached from an object, a station, a night or a trajectory over links, and
--   over what was made of what, with the least number of steps. Labels are no way: nearly every image
--   shows a source.
-- needs: objects
-- parameter: what | text | required | | PROJECT/CONTAINER/NAME, or station:US0001, night:2022-03-04,
--   trajectory:..., object:12
-- parameter: steps | integer | 2 | | how many links away at most
-- parameter: kind | choice any object image station night trajectory | any | | only these
-- parameter: count | integer | 1000 | | how many, the nearest first
WITH RECURSIVE ways AS MATERIALIZED (
  SELECT source, target FROM objects.edges WHERE kind NOT IN ('shows', 'shown in')
), reached(node, steps) AS (
  SELECT coalesce((
    SELECT 'object:' || object_id FROM objects.catalogue
    WHERE project || '/' || container || '/' || name = $what LIMIT 1
  ), $what), 0
  UNION
  SELECT target, steps + 1 FROM reached JOIN ways ON source = node WHERE steps < $steps
)
SELECT kind, CASE WHEN c.object_id IS NULL THEN key
    ELSE project || '/' || container || '/' || name END AS what, min(steps) AS steps
FROM reached JOIN objects.nodes n USING (node) LEFT JOIN objects.catalogue c
  ON c.object_id = n.object_id
WHERE $kind = 'any' OR kind = $kind
GROUP BY ALL HAVING min(reached.steps) > 0
ORDER BY steps, kind, what
LIMIT $count
