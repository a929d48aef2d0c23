"""The dataset of station readings: its tables, which are in a lake of their own, and its messages.

What belongs here: columns beside the quantities, tables, the declaration. What does not: the
quantities (`quantities.py`), and how a reading comes in (`readers/station_readings/`) or is
summed up (`warehouse/station_readings/`).

A reading is what one sensor of one station told at one instant: a row, with as many quantities as
it told. Two readings that are equal in everything but who sent them, how and when they arrived
are one: datagrams are doubled on their way. Any other is a row of its own.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from gmn_pipeline.schemas.dataset import Dataset, Table, text, utc
from gmn_pipeline.schemas.fields import Field, Kind, Null
from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.table_messages import messages_of

# Wider than the network's codes: other observatories' stations send too.
READING_STATION_PATTERN = r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,31}$"
SENSOR_PATTERN = r"^[^\x00-\x1f\x7f]{1,64}$"

STATION_OF_SENSOR = "sensor_"
"""A record that names no station is of a station of its sensor: sensor_1. The network's codes are
in capitals, so this is none of them."""

_STATION = text(
    "station_code",
    "code of the station; sensor_<sensor_id> where the sender names none",
    pattern=READING_STATION_PATTERN,
)
_SENSOR = text("sensor_id", "the sensor, as the station names it", pattern=SENSOR_PATTERN)
_QUANTITY = text("quantity", "name of the quantity: a column of station_readings, or a name in its "
                 "other_quantities")  # fmt: skip


def _number(name: str, meaning: str, unit: str | None = None, *limits: float) -> Field:
    minimum, maximum = limits or (None, None)
    return Field(name, meaning, Kind.NUMBER, unit, null=Null.UNDEFINED, minimum=minimum,
                 maximum=maximum)  # fmt: skip


def _count(name: str, meaning: str) -> Field:
    return Field(name, meaning, Kind.LONG, minimum=0)


PLACE_FIELDS = (
    _number("latitude_deg", "geodetic latitude, WGS 84", "deg", -90, 90),
    _number("longitude_deg", "longitude, east positive, WGS 84", "deg", -180, 180),
    _number("height_m", "height above sea level", "m", -500, 9_000),
)

TAKEN_IN_AT = utc(
    "taken_in_at_utc",
    "when it came into the lake: the same for all of a commit, and later for each next one",
)

EARLIEST, LATEST = datetime(1970, 1, 1), datetime(2200, 1, 1)
"""Of clocks, however wrong: what a calendar can be kept for."""

CLOCKS_SET_SINCE = datetime(2001, 1, 1)
MOST_AHEAD = timedelta(days=1)
"""A clock that lost its time begins in 1970, 1980 or 2000, and no time zone is wrong by a day. What
is within is an honest reading, however late it comes."""


def has_wrong_clock() -> pl.Expr:
    """Whether a reading cannot have been measured when it says. The platform's clock may not be set
    either, after a start without a network: then it tells nothing of others."""
    measured, received = pl.col("measured_at_utc"), pl.col("received_at_utc")
    is_ahead = (received >= CLOCKS_SET_SINCE) & (measured > received + MOST_AHEAD)
    return (measured < CLOCKS_SET_SINCE) | is_ahead


def about_clock(measured: datetime, received: datetime) -> str:
    """Why it cannot."""
    if measured < CLOCKS_SET_SINCE:
        return f"its time {measured} is before {CLOCKS_SET_SINCE.year}: its clock is not set"
    return f"its time {measured} is days after {received}, when it came: a clock is wrong"


SENT_FIELDS = (
    _STATION,
    _SENSOR,
    replace(
        utc("measured_at_utc", "when it was measured, by the station's clock"),
        earliest=EARLIEST,
        latest=LATEST,
    ),
    *PLACE_FIELDS,
    *(quantity.field for quantity in QUANTITIES),
    text("other_quantities", "what else the sensor told, name to value, as a JSON object",
         Null.UNDEFINED),
    replace(
        utc("received_at_utc", "when it came to the platform, by the platform's clock"),
        earliest=EARLIEST,
        latest=LATEST,
    ),
    text("sender", "who sent it: address of a datagram, name of a client, or name of a source"),
    text("transport", "how it came: udp, mqtt, line_protocol, database, http"),
)  # fmt: skip
"""What a message says of a reading."""

WHO_AND_WHEN = ("received_at_utc", "sender", "transport", TAKEN_IN_AT.name)
"""In these two readings may differ and are one nevertheless."""

STATION_READINGS = Table(
    "station_readings",
    "what sensors of stations measured, a row for each sensor and instant",
    (
        *SENT_FIELDS[:-1],
        # None that is read out of an object comes as a message.
        replace(SENT_FIELDS[-1], meaning=f"{SENT_FIELDS[-1].meaning}; object: read out of one, "
                "whose number is the sender's"),
        TAKEN_IN_AT,
    ),
)  # fmt: skip


_SUMMED_UP = (
    Field("minimum", "the least, in the quantity's unit"),
    Field("maximum", "the greatest"),
    Field("mean", "their mean"),
    Field("last", "the value of the latest of them; of several at one time the greatest"),
    utc("last_measured_at_utc", "when that was measured"),
)


def _rollup(span: str) -> Table:
    return Table(
        f"station_readings_by_{span}",
        f"what each sensor measured of each quantity in each {span} (UTC)",
        (
            _STATION,
            _SENSOR,
            _QUANTITY,
            utc("begin_utc", f"when the {span} begins"),
            _count("reading_count", "how many readings"),
            *_SUMMED_UP,
        ),
    )


ROLLUPS = {span: _rollup(span) for span in ("minute", "hour", "day")}
"""The tables of what was summed up, by their span."""

LATEST_VALUES = Table(
    "latest_values",
    "what each sensor measured of each quantity until now, and what it measured last",
    (_STATION, _SENSOR, _QUANTITY, _count("reading_count", "how many readings"), *_SUMMED_UP),
)

SENSORS = Table(
    "sensors",
    "each sensor that was heard of, and its latest reading",
    (
        _STATION,
        _SENSOR,
        utc("first_measured_at_utc", "its earliest reading"),
        utc("last_measured_at_utc", "its latest reading"),
        utc("last_received_at_utc", "when something of it came last"),
        _count("reading_count", "how many readings of it were taken in"),
        Field("quantities", "what it has measured", Kind.TEXT_LIST),
        *PLACE_FIELDS,
        utc("placed_at_utc", "the latest reading that tells where it is, which is there",
            Null.UNDEFINED),
    ),
)  # fmt: skip

STATION_PLACES = Table(
    "station_places",
    "where each station has been, and from when until when, by what its sensors tell",
    (
        _STATION,
        *(
            Field(f.name, f.meaning, f.kind, f.unit, minimum=f.minimum, maximum=f.maximum)
            for f in PLACE_FIELDS[:2]
        ),
        PLACE_FIELDS[2],
        utc("since_utc", "the first reading from there"),
        utc("until_utc", "the first reading from elsewhere; null: it is there", Null.UNDEFINED),
    ),
)

READINGS_TO_ROLL_UP = Table(
    "readings_to_roll_up",
    "commits whose readings are not in the rollups yet",
    (
        utc("taken_in_at_utc", "the commit"),
        _count("reading_count", "how many readings came in it"),
        utc("first_measured_at_utc", "the earliest of them"),
        utc("last_measured_at_utc", "the latest of them"),
    ),
)

READINGS_DELETED = Table(
    "readings_deleted",
    "up to which time of measuring readings have been deleted by age; their rollups stay",
    (
        utc("deleted_before_utc", "readings measured before are deleted and not taken in any more"),
        _count("reading_count", "how many were deleted then"),
        utc("deleted_at_utc", "when"),
    ),
)

STATION_READING_MESSAGES = messages_of(
    Table("station_reading", "What one sensor of a station measured at one instant.", SENT_FIELDS)
)

DATASET = Dataset(
    "station_readings",
    tables=(STATION_READINGS, *ROLLUPS.values(), LATEST_VALUES, SENSORS, STATION_PLACES),
    key=("station_code", "sensor_id", "measured_at_utc"),
    time_column="measured_at_utc",
    validated=(Table("sent_readings", STATION_READINGS.meaning, SENT_FIELDS),),
    working_tables=(READINGS_TO_ROLL_UP, READINGS_DELETED),
    messages=STATION_READING_MESSAGES,
    lake="readings",
)
