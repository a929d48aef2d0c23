-- title: The graph around an object
-- description: Links between what can be reached from an object, a station, a night or a trajectory,
--   the nearest first, each once and away from where it begins: what is at either end, and how many
--   steps away that is. Labels are no way, since nearly every image shows a source.
-- needs: objects
-- parameter: what | text | required | | PROJECT/CONTAINER/NAME, or station:US0001, night:2022-03-04,
--   trajectory:..., object:12
-- parameter: steps | integer | 2 | | how many links away at most
-- parameter: count | integer | 50 | | how many ends, the nearest first
WITH RECURSIVE ways AS MATERIALIZED (
  SELECT source, target, kind FROM objects.edges WHERE kind NOT IN ('shows', 'shown in')
), reached(node, steps) AS (
  SELECT coalesce((
    SELECT 'object:' || object_id FROM objects.catalogue
    WHERE project || '/' || container || '/' || name = $what LIMIT 1
  ), $what), 0
  UNION
  SELECT target, steps + 1 FROM reached JOIN ways ON source = node WHERE steps < $steps
), nearest AS (
  SELECT node, min(steps) AS steps FROM reached GROUP BY node ORDER BY 2, node LIMIT $count
), ends AS (
  SELECT node, steps, n.kind, CASE WHEN c.object_id IS NULL THEN key
    ELSE project || '/' || container || '/' || name END AS what
  FROM nearest JOIN objects.nodes n USING (node) LEFT JOIN objects.catalogue c
    ON c.object_id = n.object_id
)
SELECT a.steps AS source_steps, a.kind AS source_kind, a.what AS source, ways.kind AS link,
  b.steps AS target_steps, b.kind AS target_kind, b.what AS target
FROM ways JOIN ends a ON a.node = source JOIN ends b ON b.node = target
WHERE a.steps < b.steps OR (a.steps = b.steps AND a.node < b.node)
ORDER BY a.steps, b.steps, b.kind, b.what, a.what, ways.kind
