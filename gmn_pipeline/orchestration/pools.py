"""Dagster's pools: which operations take turns. How many have a slot at once: dagster.yaml."""

WAREHOUSE_WRITER = "gmn_warehouse_writer"
READINGS_WRITER = "gmn_readings_writer"
PUBLISHER = "gmn_publisher"
