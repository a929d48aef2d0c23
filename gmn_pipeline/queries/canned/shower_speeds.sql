-- title: Speeds of a shower
-- description: How many trajectories of a shower have which geocentric speed, with the share and
--   the running share of all.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: step_km_s | positive | 0.5 | km/s | width of a step of speed
WITH steps AS (
  SELECT round(floor(vgeo_km_s / $step_km_s) * $step_km_s, 6) AS vgeo_from_km_s,
    count(*) AS trajectories, round(median(vgeo_sigma_km_s), 3) AS median_sigma_km_s
  FROM trajectories
  WHERE iau_shower_code = upper($shower) AND vgeo_km_s IS NOT NULL
  GROUP BY vgeo_from_km_s
)
SELECT vgeo_from_km_s, trajectories, round(trajectories / sum(trajectories) OVER (), 4) AS share,
  round(sum(trajectories) OVER (ORDER BY vgeo_from_km_s) / sum(trajectories) OVER (), 4)
    AS share_up_to_here,
  median_sigma_km_s
FROM steps
ORDER BY vgeo_from_km_s
