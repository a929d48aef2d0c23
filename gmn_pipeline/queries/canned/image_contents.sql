-- title: What an image shows
-- description: What stands out of an image's background: streaks, the longest first, what a detector
--   of one's own found, the surest first, and sources, the brightest first. Begin and end are those of
--   a streak, and the corners of what a detector found.
-- needs: objects
-- parameter: object | text | required | | the image: PROJECT/CONTAINER/NAME
-- parameter: count | integer | 100 | | how many of each kind
WITH given AS (
  SELECT object_id FROM objects.catalogue WHERE project || '/' || container || '/' || name = $object
), found AS (
  SELECT kind, x_px, y_px, begin_x_px, begin_y_px, end_x_px, end_y_px, length_px, flux_adu,
    signal_to_noise, NULL::DOUBLE AS score
  FROM objects.image_detections SEMI JOIN given USING (object_id)
  UNION ALL
  SELECT label, (left_px + right_px) / 2, (top_px + bottom_px) / 2, left_px, top_px, right_px,
    bottom_px, NULL, NULL, NULL, score
  FROM objects.image_objects SEMI JOIN given USING (object_id)
)
SELECT kind, round(COLUMNS('.*_px'), 1), round(flux_adu, 1) AS flux_adu,
  round(signal_to_noise, 1) AS signal_to_noise, round(score, 3) AS score
FROM found
QUALIFY row_number() OVER (
  PARTITION BY kind ORDER BY score DESC NULLS LAST, CASE kind WHEN 'streak' THEN length_px END DESC
    NULLS LAST, flux_adu DESC NULLS LAST
) <= $count
ORDER BY kind = 'source', kind <> 'streak', kind, score DESC NULLS LAST,
  CASE kind WHEN 'streak' THEN length_px END DESC NULLS LAST, flux_adu DESC NULLS LAST
