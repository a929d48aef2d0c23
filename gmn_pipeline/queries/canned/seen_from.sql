-- title: What was that?
-- description: Meteors that passed near a place about a time: the nearer end of the track no
--   farther than a distance from there, nearest in time first.
-- parameter: latitude_deg | number | required | deg | latitude of the place, +north
-- parameter: longitude_deg | number | required | deg | longitude of the place, +east
-- parameter: time | time | required | | about when (UTC)
-- parameter: within_minutes | positive | 10 | min | how far the clock may be off
-- parameter: within_km | positive | 500 | km | distance on the ground
SELECT trajectory_identifier, beginning_utc_time,
  round((epoch_us(beginning_utc_time) - epoch_us($time::TIMESTAMP)) / 1e6, 1) AS seconds_later,
  round(111.2 * least(
    radiant_distance_deg(begin_longitude_deg, begin_latitude_deg, $longitude_deg, $latitude_deg),
    radiant_distance_deg(end_longitude_deg, end_latitude_deg, $longitude_deg, $latitude_deg)
  ), 1) AS distance_km,
  peak_absolute_magnitude, duration_s, iau_shower_code, begin_latitude_deg, begin_longitude_deg,
  begin_height_km, end_latitude_deg, end_longitude_deg, end_height_km
FROM trajectories
WHERE abs(epoch_us(beginning_utc_time) - epoch_us($time::TIMESTAMP)) <= $within_minutes * 60e6
  AND distance_km <= $within_km
ORDER BY abs(seconds_later), trajectory_identifier
