-- title: Orbits near the Sun
-- description: Orbits whose perihelion is near the Sun, the nearest first, with the uncertainty.
-- parameter: perihelion_au | positive | 0.1 | AU | largest perihelion distance
-- parameter: sporadic_only | boolean | false | | without meteors of showers
SELECT trajectory_identifier, beginning_utc_time, iau_shower_code, perihelion_distance_au,
  perihelion_distance_sigma_au, semi_major_axis_au, eccentricity, inclination_deg, vgeo_km_s,
  tisserand_jupiter, quality_flags
FROM trajectories
WHERE perihelion_distance_au <= $perihelion_au
  AND (NOT $sporadic_only OR iau_shower_number = -1)
ORDER BY perihelion_distance_au, trajectory_identifier
