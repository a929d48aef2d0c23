-- title: Orbits near an orbit
-- description: By the D criteria of Southworth and Hawkins (1963), Drummond (1981) and Jopek
--   (1993); the one that is named decides. What counts as near depends on the size of the sample and
--   on the background: for a start d_sh and d_j below 0.2, d_d below 0.1. The defaults are
--   109P/Swift-Tuttle.
-- parameter: q_au | number | 0.9595 | AU | perihelion distance
-- parameter: e | number | 0.9632 | | eccentricity
-- parameter: i_deg | number | 113.45 | deg | inclination
-- parameter: node_deg | number | 139.38 | deg | longitude of the ascending node, J2000
-- parameter: peri_deg | number | 152.98 | deg | argument of perihelion, J2000
-- parameter: criterion | choice d_sh d_d d_j | d_sh | | which of the three decides
-- parameter: below | positive | 0.2 | | largest value of that criterion
-- parameter: count | integer | null | | how many, the nearest first; without it all
WITH compared AS (
  SELECT trajectory_identifier, beginning_utc_time, iau_shower_code,
    d_southworth_hawkins(perihelion_distance_au, eccentricity, inclination_deg,
      ascending_node_deg, argument_of_perihelion_deg,
      $q_au, $e, $i_deg, $node_deg, $peri_deg) AS d_sh,
    d_drummond(perihelion_distance_au, eccentricity, inclination_deg,
      ascending_node_deg, argument_of_perihelion_deg,
      $q_au, $e, $i_deg, $node_deg, $peri_deg) AS d_d,
    d_jopek(perihelion_distance_au, eccentricity, inclination_deg,
      ascending_node_deg, argument_of_perihelion_deg,
      $q_au, $e, $i_deg, $node_deg, $peri_deg) AS d_j,
    CASE lower($criterion) WHEN 'd_sh' THEN d_sh WHEN 'd_d' THEN d_d WHEN 'd_j' THEN d_j END AS d,
    perihelion_distance_au, eccentricity, inclination_deg, ascending_node_deg,
    argument_of_perihelion_deg
  FROM trajectories
  -- No term of a criterion is above its square, and planes are no less apart than inclinations: what
  -- is outside these bounds cannot be near, and is left out before the sums are made.
  WHERE NOT (inclination_deg BETWEEN 0 AND 180 AND $i_deg BETWEEN 0 AND 180)
    OR abs(eccentricity - $e) <= 1e-9 + $below
        * CASE $criterion WHEN 'd_d' THEN abs(eccentricity + $e) ELSE 1 END
      AND abs(perihelion_distance_au - $q_au) <= 1e-9 + $below
        * CASE $criterion WHEN 'd_sh' THEN 1 ELSE abs(perihelion_distance_au + $q_au) END
      AND CASE $criterion WHEN 'd_d' THEN abs(inclination_deg - $i_deg) / 180
        ELSE 2 * abs(sin(radians(inclination_deg - $i_deg) / 2)) END <= 1e-9 + $below
)
SELECT * EXCLUDE (d) REPLACE (round(d_sh, 5) AS d_sh, round(d_d, 5) AS d_d, round(d_j, 5) AS d_j)
FROM compared
WHERE d <= $below
ORDER BY d, trajectory_identifier
LIMIT $count
