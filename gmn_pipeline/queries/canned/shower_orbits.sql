-- title: Some orbits of a shower
-- description: Orbits of members drawn as by lot, the same each time: enough to see how they
--   scatter about the mean. Of well placed stations, without contradictions.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: count | integer | 100 | | how many
-- parameter: convergence_deg | number | 10 | deg | least convergence angle
SELECT trajectory_identifier, perihelion_distance_au, eccentricity, inclination_deg,
  ascending_node_deg, argument_of_perihelion_deg, aphelion_distance_au, tisserand_jupiter
FROM trajectories
WHERE iau_shower_code = upper($shower) AND convergence_angle_deg >= $convergence_deg
  AND without_flags(quality_flags, flags_of_family('identity'))
ORDER BY md5(trajectory_identifier), trajectory_identifier
LIMIT $count
