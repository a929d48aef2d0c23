"""The network's own REST API, for its clients as they are.

    routes.py          /gmn_rest_api and /gmn_rest_api/meteor_summary
    meteor_summary.py  the SQL of a page
    habits.py          what clients write for SQLite, as DuckDB takes it
    body.py            rows as JSON and CSV, byte for byte where clients look

What does not belong here: anything that the old platform's API did not have.
"""
