-- title: Best nights of a shower
-- description: The bins of one degree of solar longitude in which most trajectories of a shower
--   were solved, with the sporadic ones of the same bin. Most is not most active: the network has
--   grown, and clouds hide whole returns; the ratio tells more.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: count | integer | 10 | | how many
SELECT bin_date,
  count(*) FILTER (iau_shower_code = upper($shower)) AS shower,
  count(*) FILTER (iau_shower_number = -1) AS sporadic,
  round(shower / nullif(sporadic, 0), 3) AS ratio,
  count(*) FILTER (iau_shower_code = upper($shower) AND peak_absolute_magnitude <= -4)
    AS fireballs,
  min(peak_absolute_magnitude) FILTER (iau_shower_code = upper($shower)) AS brightest_magnitude
FROM trajectories
GROUP BY bin_date
HAVING shower > 0
ORDER BY shower DESC, bin_date DESC
LIMIT $count
