"""What `gmn status` tells of the readings of stations.

What belongs here: numbers of their lake and of Kafka beside each other. What does not: how they
are shown (`cli/status.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from gmn_pipeline.clock import utc_now
from gmn_pipeline.settings import TopicSettings
from gmn_pipeline.streams.consumer import is_being_consumed
from gmn_pipeline.streams.overview import behind_topic
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.warehouse.dead_letters import count_dead_letters
from gmn_pipeline.warehouse.station_readings.health import silent_sensors
from gmn_pipeline.warehouse.stream_session import reading_stream_tables


@dataclass(frozen=True)
class ReadingsOverview:
    """What `gmn status` tells of readings."""

    readings: int
    sensors: int
    stations: int
    last_received_at_utc: datetime | None
    oldest_measured_at_utc: datetime | None
    not_rolled_up: int
    silent: int
    dead_letters: int
    last_dead_letter: str | None
    lag: int | None
    consumer: str


def readings_overview(settings: TopicSettings) -> ReadingsOverview | None:
    """The lake of readings as it is, and, if Kafka answers, how far behind that is; None where
    there is no such lake."""
    lake = STATION_READINGS.place.open(settings)
    with reading_stream_tables(lake) as connection:
        if connection is None:
            return None
        row = connection.execute(
            "SELECT (SELECT count(*) FROM station_readings), count(*), "
            "count(DISTINCT station_code), max(last_received_at_utc), "
            "(SELECT min(measured_at_utc) FROM station_readings), "
            "(SELECT coalesce(sum(reading_count), 0) FROM readings_to_roll_up) FROM sensors"
        ).fetchone()
        assert row is not None
        dead = count_dead_letters(connection, STATION_READINGS.topic(settings).name)
    readings, sensors, stations, last, oldest, waiting = row
    return ReadingsOverview(
        readings=readings,
        sensors=sensors,
        stations=stations,
        last_received_at_utc=last,
        oldest_measured_at_utc=oldest,
        not_rolled_up=waiting,
        silent=len(silent_sensors(lake, utc_now())),
        dead_letters=dead[0],
        last_dead_letter=dead[1],
        lag=behind_topic(STATION_READINGS, settings, lake).lag,
        consumer="running" if is_being_consumed(STATION_READINGS, settings) else "not running",
    )
