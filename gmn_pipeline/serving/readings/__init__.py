"""Readings of stations over HTTP: what the live page asks, and everyone may.

    quantities.py  which quantities there are
    last_values.py what sensors told last in some readings
    latest.py      what each sensor told last, and when it was heard
    times.py       how times are written
    spans.py       from when until when, and in which steps
    series.py      a sensor's quantity over time, out of the rollup that goes with the span
    histogram.py   how many readings there are over time
    arrivals.py    what came with a commit, asked once for all who listen
    events.py      and told as server-sent events
    annotations.py what people noted, and that something is new
    routes.py      the addresses

Tables of readings are at `/readings/<table>.json` by `serving/tables/`. What does not belong here:
how readings are taken in and summed up (`warehouse/station_readings/`).
"""
