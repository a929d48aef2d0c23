/** Queries to begin with. */

export const EXAMPLES: readonly { title: string; sql: string }[] = [
  {
    title: "Meteors of each shower",
    sql: `SELECT iau_shower_code, count(*) AS trajectories, round(avg(vgeo_km_s), 2) AS mean_vgeo_km_s
FROM trajectories
WHERE iau_shower_code <> '...'
GROUP BY iau_shower_code
ORDER BY trajectories DESC
LIMIT 20`,
  },
  {
    title: "Meteors an hour of the night",
    sql: `SELECT date_trunc('hour', beginning_utc_time) AS hour, count(*) AS trajectories
FROM trajectories
GROUP BY hour
ORDER BY hour`,
  },
  {
    title: "Height by speed",
    sql: `SELECT vgeo_km_s, begin_height_km, end_height_km, iau_shower_code
FROM trajectories
WHERE qc_km < 0.1
USING SAMPLE 500 ROWS`,
  },
  {
    title: "Stations by number of meteors",
    sql: `SELECT station_code, count(*) AS trajectories
FROM trajectory_stations
GROUP BY station_code
ORDER BY trajectories DESC
LIMIT 30`,
  },
  {
    title: "Brighter than a magnitude",
    sql: `SELECT trajectory_identifier, beginning_utc_time, peak_absolute_magnitude, iau_shower_code
FROM trajectories
WHERE peak_absolute_magnitude < :magnitude
ORDER BY peak_absolute_magnitude
LIMIT 100`,
  },
  {
    title: "What a column means",
    sql: `SELECT column_name, unit, meaning
FROM column_definitions
WHERE relation_name = 'trajectories'`,
  },
];
