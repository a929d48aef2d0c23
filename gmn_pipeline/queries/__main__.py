"""Start of the process of a query.

What belongs here: what must be so before anything is imported. What does not: the query.
"""

from gmn_pipeline.imports import without

with without("numpy"):
    from gmn_pipeline.queries.worker import main

main()
