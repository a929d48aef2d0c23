-- title: Hyperbolic candidates
-- description: Orbits whose eccentricity is above 1 by some times its own error, of well placed
--   stations and without contradictions. Nearly all are errors of the speed all the same: the
--   uncertainties are formal ones, and two solutions of one meteor may differ by more.
-- parameter: sigmas | number | 3 | | how many times its error the eccentricity is above 1
-- parameter: convergence_deg | number | 15 | deg | least convergence angle
-- parameter: stations | integer | 2 | | least number of stations
SELECT trajectory_identifier, beginning_utc_time, iau_shower_code, eccentricity,
  eccentricity_sigma, round((eccentricity - 1) / nullif(eccentricity_sigma, 0), 2) AS sigmas_above,
  vgeo_km_s, vgeo_sigma_km_s, vhel_km_s, perihelion_distance_au, inclination_deg,
  convergence_angle_deg, station_count
FROM trajectories
WHERE eccentricity > 1 AND eccentricity_sigma > 0
  AND (eccentricity - 1) / nullif(eccentricity_sigma, 0) >= $sigmas
  AND convergence_angle_deg >= $convergence_deg AND station_count >= $stations
  AND without_flags(quality_flags, flags_of_family('identity'))
ORDER BY sigmas_above DESC, trajectory_identifier
