-- title: Mean orbit of a shower
-- description: Medians of perihelion distance, eccentricity and inclination, circular means of node
--   and argument of perihelion, each with the scatter of the members (half of the range that two
--   thirds lie in; of angles the circular standard deviation). Of well placed stations, without
--   contradictions. The five are no one meteor's; of a shower of two branches they are of neither.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: convergence_deg | number | 10 | deg | least convergence angle
WITH members AS (
  SELECT perihelion_distance_au AS q, eccentricity AS e, inclination_deg AS i,
    ascending_node_deg AS node, argument_of_perihelion_deg AS peri, tisserand_jupiter AS tj
  FROM trajectories
  WHERE iau_shower_code = upper($shower) AND convergence_angle_deg >= $convergence_deg
    AND without_flags(quality_flags, flags_of_family('identity'))
)
SELECT count(*) AS trajectories,
  round(median(q), 4) AS perihelion_distance_au,
  round((quantile_cont(q, 0.84) - quantile_cont(q, 0.16)) / 2, 4) AS perihelion_distance_sigma_au,
  round(median(e), 4) AS eccentricity,
  round((quantile_cont(e, 0.84) - quantile_cont(e, 0.16)) / 2, 4) AS eccentricity_sigma,
  round(median(i), 2) AS inclination_deg,
  round((quantile_cont(i, 0.84) - quantile_cont(i, 0.16)) / 2, 2) AS inclination_sigma_deg,
  round(circular_mean_deg(node), 2) AS ascending_node_deg,
  round(circular_standard_deviation_deg(node), 2) AS ascending_node_sigma_deg,
  round(circular_mean_deg(peri), 2) AS argument_of_perihelion_deg,
  round(circular_standard_deviation_deg(peri), 2) AS argument_of_perihelion_sigma_deg,
  round(CASE WHEN median(e) < 1 THEN median(q) * (1 + median(e)) / (1 - median(e)) END, 2)
    AS aphelion_distance_au,
  round(median(tj), 2) AS tisserand_jupiter,
  round((quantile_cont(tj, 0.84) - quantile_cont(tj, 0.16)) / 2, 2) AS tisserand_jupiter_sigma
FROM members
