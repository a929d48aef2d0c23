-- title: Revisions of a trajectory
-- description: Every state that a trajectory had, the interval in which it was current, the file
--   or message it came in, and by how much speed, radiant and orbit moved from the state before.
-- parameter: trajectory | text | required | | identifier of the trajectory
SELECT trajectory_identifier, revision, is_current, change AS ended_by, valid_from_utc,
  valid_until_utc, summary_generated_at_utc, source_file_sha256, station_count, vgeo_km_s,
  round(vgeo_km_s - lag(vgeo_km_s) OVER states, 5) AS vgeo_changed_by_km_s,
  round(radiant_distance_deg(rageo_deg, decgeo_deg,
    lag(rageo_deg) OVER states, lag(decgeo_deg) OVER states), 5) AS radiant_moved_by_deg,
  round(d_southworth_hawkins(perihelion_distance_au, eccentricity, inclination_deg,
    ascending_node_deg, argument_of_perihelion_deg,
    lag(perihelion_distance_au) OVER states, lag(eccentricity) OVER states,
    lag(inclination_deg) OVER states, lag(ascending_node_deg) OVER states,
    lag(argument_of_perihelion_deg) OVER states), 5) AS d_sh_to_the_state_before
FROM trajectory_history
WHERE trajectory_identifier = $trajectory
WINDOW states AS (PARTITION BY trajectory_identifier ORDER BY valid_from_utc, revision)
ORDER BY valid_from_utc, revision
