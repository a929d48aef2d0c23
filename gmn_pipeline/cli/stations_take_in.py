"""`gmn stations take-in`: take readings of stations into their lake as they come."""

from gmn_pipeline.cli.stream import FromBeginning, Once, run_service
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.streams.station_readings import STATION_READINGS


def take_in(once: Once = False, from_beginning: FromBeginning = False) -> None:
    """Take readings into their lake as they come, sum them up, and keep the lake in order; ends on
    Ctrl-C or SIGTERM."""
    run_service(
        STATION_READINGS,
        keys.STREAMS_STATION_READINGS,
        once=once,
        from_beginning=from_beginning,
    )
