"""HTTP: what the warehouse holds, for whoever asks, from one state of it at a time.

    app.py         the routes in one place, and what is put around them
    routes.py      what a route says of itself: the OpenAPI document and the checks follow from it
    lake.py        which state is served; how a commit is noticed; a lake that cannot be read
    work.py        queries of ours here, those of clients in processes; both end with their client
    limits.py      how many at once, how many a minute
    problems.py    one body for all errors
    cache.py       answers kept for the next one who asks the same
    by_key/        single trajectories and a station's links of the newest state, beside the lake
    conditional.py what an answer says of its state, and "you have it already"
    compression.py zstd and gzip
    headers.py     what stands on every answer
    health.py, openapi.py, rest_api/    routes
    tables/        routes: tables, views, ready questions, in any format
    downloads.py   routes: the published files, whole or in parts
    feeds/         routes: Atom
    events/        routes: what changes, told as it is committed
    objects/       routes: the way into the lake of objects, and out of it
    streaming.py   answers of any length, and their end
    formats/       what answers are written in

What does not belong here: SQL that writes, and any way to the lake but through `queries/`.
"""
