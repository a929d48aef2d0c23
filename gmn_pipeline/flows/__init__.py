"""A road of the data from end to end, without Dagster."""
