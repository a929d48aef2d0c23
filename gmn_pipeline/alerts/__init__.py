"""Alerts of stations: rules in a file, looked at as readings come, told once, and when it is over.

What belongs here: rules, what becomes of them, and notices. What does not: the readings
(`warehouse/station_readings/`), asking (`queries/`), and what is remembered (`database/alerts.py`).
"""
