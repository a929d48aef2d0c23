-- title: Newest trajectories
-- description: The meteors that happened last, newest first.
-- parameter: count | integer | 100 | | how many
-- parameter: shower | text | null | | IAU code of a shower; without it all
-- parameter: station | text | null | | code of a station that took part; without it all
-- parameter: country | text | null | | first two characters of the code of a station that took part
SELECT trajectory_identifier, beginning_utc_time, iau_shower_code, vgeo_km_s,
  peak_absolute_magnitude, begin_latitude_deg, begin_longitude_deg, begin_height_km,
  end_latitude_deg, end_longitude_deg, end_height_km, station_count, participating_stations,
  first_loaded_at_utc
FROM trajectories
WHERE ($shower::VARCHAR IS NULL OR iau_shower_code = upper($shower::VARCHAR))
  AND ($station::VARCHAR IS NULL
    OR list_contains(participating_stations, upper($station::VARCHAR)))
  AND ($country::VARCHAR IS NULL OR contains(
    ',' || array_to_string(participating_stations, ','), ',' || upper($country::VARCHAR)))
ORDER BY beginning_utc_time DESC, trajectory_identifier
LIMIT $count
