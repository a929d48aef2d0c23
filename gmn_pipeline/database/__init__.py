"""The operational database: state of the work that is neither in the lake nor in a topic.

A SQLite file in the data folder, or PostgreSQL (docs/decisions/0029-the-operational-database.md).
"""
