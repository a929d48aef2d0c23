"""Where the data comes from: the network's directory, its files, and the IAU shower list.

Nothing here knows Dagster or the warehouse.
"""
