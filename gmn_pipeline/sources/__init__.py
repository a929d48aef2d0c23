"""Where the data comes from: the network's directory and the IAU shower list, as bytes.

What belongs here: how the outside is reached. What does not: what the bytes say (`readers/`).

Nothing here knows Dagster or the warehouse.
"""
