-- title: Meteors that are there twice
-- description: The network sometimes gives one event two identifiers. Two trajectories that begin
--   at nearly the same time and place, and share a station, are most likely one.
-- parameter: within_s | positive | 2 | s | seconds from one beginning to the other
-- parameter: within_km | positive | 30 | km | distance of the beginnings on the ground
WITH begins AS (
  SELECT *, floor(epoch_us(beginning_utc_time) / ($within_s * 1e6)) AS step FROM trajectories
), neighbours AS (
  SELECT * REPLACE (unnest([step, step - 1]) AS step) FROM begins
)
SELECT a.trajectory_identifier, b.trajectory_identifier AS other_identifier,
  round((epoch_us(b.beginning_utc_time) - epoch_us(a.beginning_utc_time)) / 1e6, 3)
    AS seconds_later,
  round(111.2 * radiant_distance_deg(a.begin_longitude_deg, a.begin_latitude_deg,
    b.begin_longitude_deg, b.begin_latitude_deg), 1) AS apart_km,
  a.participating_stations, b.participating_stations AS other_stations
FROM begins a JOIN neighbours b USING (step)
WHERE (a.beginning_utc_time, a.trajectory_identifier)
    < (b.beginning_utc_time, b.trajectory_identifier)
  AND seconds_later <= $within_s AND apart_km <= $within_km
  AND list_has_any(a.participating_stations, b.participating_stations)
ORDER BY a.trajectory_identifier, other_identifier
