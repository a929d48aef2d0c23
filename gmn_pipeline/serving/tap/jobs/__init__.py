"""Queries that are waited for: UWS 1.1.

    job.py         a job, and its record on disk
    store.py       all jobs: making, finding, removing them
    runner.py      working them off in threads, whose queries run in processes
    document.py    jobs as XML
    routes.py      their addresses

A job belongs to whoever knows its identifier, which nobody can guess; so the list of jobs shows
none.
"""
