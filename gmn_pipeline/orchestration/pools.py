"""Dagster's pools: which operations take turns. How many have a slot at once: dagster.yaml."""

WAREHOUSE_WRITER = "gmn_warehouse_writer"
READINGS_WRITER = "gmn_readings_writer"
OBJECTS_TOPIC = "gmn_objects_topic"
OBJECTS_READER = "gmn_objects_reader"
OBJECTS_CRAWLER = "gmn_objects_crawler"
PUBLISHER = "gmn_publisher"
STATION_DATABASE = "gmn_station_database"
