-- title: Orbits near that of a meteor
-- description: The same as near_orbit, of the orbit of one trajectory; it is not in the answer
--   itself.
-- parameter: trajectory | text | required | | identifier of the trajectory
-- parameter: criterion | choice d_sh d_d d_j | d_sh | | which of the three decides
-- parameter: below | positive | 0.2 | | largest value of that criterion
-- parameter: count | integer | null | | how many, the nearest first; without it all
WITH given AS (
  FROM trajectories WHERE trajectory_identifier = $trajectory
), compared AS (
  SELECT t.trajectory_identifier, t.beginning_utc_time, t.iau_shower_code,
    d_southworth_hawkins(t.perihelion_distance_au, t.eccentricity, t.inclination_deg,
      t.ascending_node_deg, t.argument_of_perihelion_deg,
      given.perihelion_distance_au, given.eccentricity, given.inclination_deg,
      given.ascending_node_deg, given.argument_of_perihelion_deg) AS d_sh,
    d_drummond(t.perihelion_distance_au, t.eccentricity, t.inclination_deg,
      t.ascending_node_deg, t.argument_of_perihelion_deg,
      given.perihelion_distance_au, given.eccentricity, given.inclination_deg,
      given.ascending_node_deg, given.argument_of_perihelion_deg) AS d_d,
    d_jopek(t.perihelion_distance_au, t.eccentricity, t.inclination_deg,
      t.ascending_node_deg, t.argument_of_perihelion_deg,
      given.perihelion_distance_au, given.eccentricity, given.inclination_deg,
      given.ascending_node_deg, given.argument_of_perihelion_deg) AS d_j,
    CASE lower($criterion) WHEN 'd_sh' THEN d_sh WHEN 'd_d' THEN d_d WHEN 'd_j' THEN d_j END AS d
  FROM trajectories t, given
  -- No term of a criterion is above its square, and planes are no less apart than inclinations: what
  -- is outside these bounds cannot be near, and is left out before the sums are made.
  WHERE t.trajectory_identifier <> given.trajectory_identifier AND (
    NOT (t.inclination_deg BETWEEN 0 AND 180 AND given.inclination_deg BETWEEN 0 AND 180)
    OR abs(t.eccentricity - given.eccentricity) <= 1e-9 + $below
        * CASE $criterion WHEN 'd_d' THEN abs(t.eccentricity + given.eccentricity) ELSE 1 END
      AND abs(t.perihelion_distance_au - given.perihelion_distance_au) <= 1e-9 + $below
        * CASE $criterion WHEN 'd_sh' THEN 1 ELSE abs(t.perihelion_distance_au + given.perihelion_distance_au) END
      AND CASE $criterion WHEN 'd_d' THEN abs(t.inclination_deg - given.inclination_deg) / 180
        ELSE 2 * abs(sin(radians(t.inclination_deg - given.inclination_deg) / 2)) END <= 1e-9 + $below)
)
SELECT * EXCLUDE (d) REPLACE (round(d_sh, 5) AS d_sh, round(d_d, 5) AS d_d, round(d_j, 5) AS d_j)
FROM compared
WHERE d <= $below
ORDER BY d, trajectory_identifier
LIMIT $count
