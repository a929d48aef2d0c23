-- title: Magnitudes of a shower beside those of sporadic meteors
-- description: How many trajectories of a shower have which peak magnitude (at a distance of 100
--   km), and the shares of the shower and of all sporadic meteors. Faint meteors are missed, slow
--   ones less than fast ones: where the shares fall off towards faint ones tells of cameras, not of
--   meteors. Bright ones saturate cameras.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: step_mag | positive | 0.5 | mag | width of a step of magnitude
WITH steps AS (
  SELECT round(floor(peak_absolute_magnitude / $step_mag) * $step_mag, 6) AS magnitude_from,
    count(*) FILTER (iau_shower_code = upper($shower)) AS shower,
    count(*) FILTER (iau_shower_number = -1) AS sporadic
  FROM trajectories
  WHERE peak_absolute_magnitude IS NOT NULL
  GROUP BY magnitude_from
), shares AS (
  SELECT *, sum(shower) OVER () AS all_of_the_shower,
    round(shower / nullif(sum(shower) OVER (), 0), 4) AS share_of_the_shower,
    round(sporadic / nullif(sum(sporadic) OVER (), 0), 4) AS share_of_the_sporadic
  FROM steps
)
SELECT magnitude_from, shower, share_of_the_shower, sporadic, share_of_the_sporadic
FROM shares
WHERE all_of_the_shower > 0 AND shower + sporadic > 0
ORDER BY magnitude_from
