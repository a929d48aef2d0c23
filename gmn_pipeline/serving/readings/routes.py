"""The addresses of readings, beside those of their tables.

What belongs here: addresses and their parameters. What does not: what is answered there.
"""

from gmn_pipeline.serving.events import sse
from gmn_pipeline.serving.feeds import atom
from gmn_pipeline.serving.readings import (
    alerts,
    annotations,
    events,
    histogram,
    latest,
    quantities,
    series,
)
from gmn_pipeline.serving.readings.spans import FROM, TO
from gmn_pipeline.serving.routes import Answers, Route, object_schema
from gmn_pipeline.serving.tables.addresses import EXPORT_PROBLEMS, in_formats, suffix
from gmn_pipeline.serving.tables.as_of import AS_OF
from gmn_pipeline.serving.tables.questions import ANY_COLUMNS

_PROBLEMS = (410, 503)
_JSON = "application/json"
_SUFFIXES = tuple(name for name in ANY_COLUMNS if name != "json")
_OF_ANNOTATIONS = (latest.STATION, annotations.FROM, annotations.TO, annotations.WITHDRAWN)
_OF_SERIES = (series.SERIES, FROM, TO, series.POINTS, AS_OF)

ROUTES = (
    Route(
        "/readings/quantities.json", "readings_quantities", "The quantities that sensors measure, "
        "with unit and meaning, and how many sensors have told each", quantities.answer,
        (Answers(_JSON, "All of them", object_schema(quantities="array", snapshot="integer")),),
        (AS_OF,), problems=_PROBLEMS,
    ),
    Route(
        "/readings/latest.json", "readings_latest", "What each sensor told last: where it is, its "
        "latest values, when it was heard, and for how long it was silent when the state was "
        "committed", latest.answer,
        (Answers(_JSON, "All of them", object_schema(
            sensors="array", committed_at_utc="string", snapshot="integer")),),
        (latest.STATION, latest.QUANTITY_PARAMETER, AS_OF), problems=_PROBLEMS,
    ),
    Route(
        "/readings/series.json", "readings_series", "Quantities of sensors over time: in each step "
        "how many readings, their least, mean, greatest and last value. The step goes with the "
        "span, and whether it is summed up out of readings or of their sums by minute, hour or day "
        "(source)", series.answer,
        (Answers(_JSON, "The series that are asked for, in that order", {
            "type": "object",
            "required": ["from", "to", "step_s", "source", "columns", "series", "snapshot"],
        }),),
        _OF_SERIES, problems=_PROBLEMS,
    ),
    Route(
        "/readings/series.{suffix}", "readings_series_export", "The same, a row a point, in a "
        "format", series.export, in_formats(_SUFFIXES), (suffix(_SUFFIXES), *_OF_SERIES),
        problems=EXPORT_PROBLEMS,
    ),
    Route(
        "/readings/histogram.json", "readings_histogram", "How many readings there are over time, "
        "of those that the filters let through", histogram.answer,
        (Answers(_JSON, "Bins that have some", {
            "type": "object",
            "required": ["from", "to", "step_s", "columns", "bins", "reading_count", "snapshot"],
        }),),
        (FROM, TO, histogram.BINS, histogram.FILTERS, AS_OF), problems=_PROBLEMS,
    ),
    Route(
        "/readings/events", "readings_events", "What comes, as it is committed: server-sent "
        "events. An event has of each sensor that told something its last values; its id is where "
        "to go on from. The event anew: ask /readings/latest.json again; annotations: ask "
        "/readings/annotations.json again", events.answer,
        (Answers(sse.MEDIA_TYPE, "Events, until one has enough"),),
        (latest.STATION, latest.QUANTITY_PARAMETER, events.SINCE, events.SECONDS, events.LAST),
        problems=_PROBLEMS, is_endless=True,
    ),
    Route(
        "/readings/annotations.json", "annotations", "What people noted of stations, such as "
        "maintenance, the latest first. What was taken back is left out unless it is asked for",
        annotations.json,
        (Answers(_JSON, "The latest thousand", object_schema(annotations="array")),),
        _OF_ANNOTATIONS,
    ),
    Route(
        "/readings/annotations.csv", "annotations_csv", "The same as a table", annotations.csv,
        (Answers("text/csv", "The latest thousand"),), _OF_ANNOTATIONS,
    ),
    Route(
        "/readings/alerts.json", "alerts", "What alerts of stations told, the newest first",
        alerts.json, (Answers(_JSON, "The newest hundred", object_schema(notices="array")),),
    ),
    Route(
        "/readings/alerts.atom", "alerts_feed", "What alerts of stations told, as a feed",
        alerts.feed, (Answers(atom.MEDIA_TYPE, "Atom 1.0: the newest hundred"),),
    ),
)  # fmt: skip
