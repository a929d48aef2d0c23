"""The tables: the validated layer and the warehouse, column by column.

What belongs here: which columns a table has beyond the 86 of the file, and what a table means.
What does not: SQL and library types (`derive.py`), and how rows get there (`warehouse/store.py`).
"""

from dataclasses import dataclass

from gmn_pipeline.schemas.fields import STATION_CODE_PATTERN, TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.schemas.showers import SHOWER_FIELDS, SOLUTION_FIELDS


@dataclass(frozen=True)
class Table:
    """A table of the warehouse or of the validated layer."""

    name: str
    meaning: str
    fields: tuple[Field, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


def _text(name: str, meaning: str, null: Null = Null.NEVER, pattern: str | None = None) -> Field:
    return Field(name, meaning, Kind.TEXT, null=null, pattern=pattern)


def _utc(name: str, meaning: str, null: Null = Null.NEVER) -> Field:
    return Field(name, meaning, Kind.TIMESTAMP, null=null)


def _integer(
    name: str, meaning: str, minimum: float | None = 0, maximum: float | None = None
) -> Field:
    return Field(name, meaning, Kind.INTEGER, minimum=minimum, maximum=maximum)


def _count_since(name: str, meaning: str) -> Field:
    """A count that warehouses made before it was counted do not know."""
    return Field(name, meaning, Kind.INTEGER, null=Null.UNDEFINED, minimum=0)


BIN_FIELDS = (
    Field(
        "bin_date",
        "UTC date on which the bin begins: the daily partition, and the date in the file name",
        Kind.DATE,
    ),
    _integer(
        "bin_solar_longitude_deg",
        "lower edge of the bin of one degree of solar longitude",
        maximum=359,
    ),
)
"""Which bin of one degree of solar longitude a row belongs to; together they name one bin."""

QUALITY_FLAGS = Field(
    "quality_flags",
    "names of what is odd about the row though not impossible (see docs/quality.md)",
    Kind.TEXT_LIST,
)
SOURCE_FIELDS = (
    _utc("summary_generated_at_utc", "when the network generated the file this content came in"),
    _text(
        "source_file_sha256",
        "SHA-256 of the landed file this content came in; kafka:topic/partition/offset of the "
        "message, if it came in none",
    ),
)
_LINE_NUMBER = _integer("line_number", "line in the landed file, counted from 1", 1)

VALIDATED_TRAJECTORIES = Table(
    "validated_trajectories",
    "accepted rows of landed files, typed and checked, with what is odd about them",
    (*TRAJECTORY_FIELDS, QUALITY_FLAGS, *BIN_FIELDS, *SOURCE_FIELDS, _LINE_NUMBER),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "rows of landed files that were not accepted, as they stood in the file, with every reason",
    (
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        _LINE_NUMBER,
        _text("raw_line", "the line as it stood in the file, undecodable bytes as \\xNN"),
        Field(
            "reasons",
            "why: structure, type, range or duplicate, the column and the value",
            Kind.TEXT_LIST,
        ),
    ),
)

TRAJECTORIES = Table(
    "trajectories",
    "one row per trajectory: its current solution",
    (
        *TRAJECTORY_FIELDS,
        QUALITY_FLAGS,
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        _integer("revision", "1 for the first content loaded, one more for each change", 1),
        _utc("valid_from_utc", "when this content came into the warehouse"),
        _utc("first_loaded_at_utc", "when the identifier first came into the warehouse"),
    ),
)

TRAJECTORY_REVISIONS = Table(
    "trajectory_revisions",
    "every former state of a trajectory, with the interval in which it was the current one",
    (
        *TRAJECTORIES.fields,
        _utc("valid_until_utc", "when it ceased to be the current state"),
        _text("change", "what ended it: revised or withdrawn"),
        _text(
            "superseded_by_file_sha256",
            "SHA-256 of the landed file, or kafka:topic/partition/offset of the message, that "
            "ended it",
        ),
    ),
)

TRAJECTORY_CLAIMS = Table(
    "trajectory_claims",
    "rows that the current file of one bin has of a trajectory that is current from another bin's; "
    "they take over when that one drops it",
    (*TRAJECTORY_FIELDS, QUALITY_FLAGS, *BIN_FIELDS, *SOURCE_FIELDS),
)

TRAJECTORY_STATIONS = Table(
    "trajectory_stations",
    "which stations took part in which trajectory (current solutions)",
    (
        _text("trajectory_identifier", "the trajectory"),
        _text("station_code", "the station", pattern=STATION_CODE_PATTERN),
        BIN_FIELDS[0],
    ),
)

STATIONS = Table(
    "stations",
    "every station that took part in a trajectory",
    (
        _integer("station_number", "a number for clients that want one; never reused", 1),
        _text("station_code", "code of the station: country and four characters"),
        _text("country_code", "first two characters of the code"),
        _utc("first_loaded_at_utc", "when the station first came into the warehouse"),
    ),
)

IAU_SHOWERS = Table(
    "iau_showers",
    "meteor showers of the IAU Meteor Data Center: number, code, name and status",
    SHOWER_FIELDS,
)

IAU_SHOWER_SOLUTIONS = Table(
    "iau_shower_solutions",
    "published solutions of the IAU Meteor Data Center's showers: radiant, drift, speed and orbit; "
    "a shower may have several",
    SOLUTION_FIELDS,
)

SOURCE_FILES = Table(
    "source_files",
    "which file was loaded into which bin, and what it changed; the counts add up",
    (
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        _text("source_path", "path below the source's base, or the file name"),
        _utc("covers_from_utc", "the file is the whole truth of the bin from here", Null.UNDEFINED),
        _utc(
            "covers_until_utc",
            "... until before here; both null for a daily file, which has all of its bin",
            Null.UNDEFINED,
        ),
        _text("outcome", "loaded, or older_than_loaded: a newer file was there first"),
        _integer("rows_read", "rows of the file that belong to the bin"),
        _integer("rows_accepted", "of these, accepted"),
        _integer("rows_rejected", "of these, rejected"),
        _integer("rows_inserted", "accepted rows new to the warehouse"),
        _integer("rows_revised", "accepted rows whose content changed"),
        _integer("rows_unchanged", "accepted rows that were there already"),
        _count_since("rows_superseded", "accepted rows of which a newer file says something else"),
        _integer("rows_withdrawn", "trajectories of the bin that the file no longer has"),
        _count_since(
            "rows_restored",
            "trajectories that the file no longer has, but another: its row took over",
        ),
        _utc("loaded_at_utc", "when it was loaded"),
    ),
)

WAREHOUSE_TABLES = (
    TRAJECTORIES,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
    STATIONS,
    IAU_SHOWERS,
    IAU_SHOWER_SOLUTIONS,
    SOURCE_FILES,
    REJECTED_ROWS,
)
"""What analysts get a copy of."""

_PLACE = (
    _text("topic_id", "Kafka's own identifier of the topic: another if it is made anew"),
    _integer("topic_partition", "partition of the topic"),
    Field("topic_offset", "offset in the partition", Kind.LONG, minimum=0),
    _utc("sent_at_utc", "Kafka's time of the message"),
)

PUBLICATIONS = Table(
    "publications",
    "every message of the topic that is known to say something of a trajectory: those that were "
    "published from here, and those of others that were read",
    (
        _text("trajectory_identifier", "the trajectory: the message's key"),
        BIN_FIELDS[0],
        _text("origin", "published from here, or consumed: somebody else's"),
        _text("change", "inserted or revised, or withdrawn: a tombstone"),
        _integer(
            "revision",
            "revision that the message carries; 0 if it is none of the warehouse's: a tombstone, "
            "or out of date",
        ),
        _text(
            "content_sha256", "SHA-256 of the message's first 86 fields, of what was published",
            Null.UNDEFINED,
        ),
        _utc("generated_at_utc", "when the network generated the file that this follows from"),
        *_PLACE,
        _text("run_id", "run that published or consumed it", Null.UNDEFINED),
        _utc("recorded_at_utc", "when it was recorded, after Kafka's acknowledgement"),
    ),
)  # fmt: skip

STREAM_OFFSETS = Table(
    "stream_offsets",
    "up to where each partition of a topic is in the warehouse",
    (
        _text("topic", "name of the topic"),
        _text("topic_id", "Kafka's own identifier of the topic: another if it is made anew"),
        _text("cluster_id", "Kafka's identifier of the cluster"),
        _integer("topic_partition", "partition of the topic"),
        Field("next_offset", "the first offset not read yet", Kind.LONG, minimum=0),
        _utc("updated_at_utc", "when it was last moved"),
    ),
)

DEAD_LETTERS = Table(
    "dead_letters",
    "messages that could not be decoded or are not acceptable; the dead-letter topic has their "
    "bytes",
    (
        _text("topic", "name of the topic they came from"),
        *_PLACE,
        _text("message_key", "the key, undecodable bytes as \\xNN", Null.UNDEFINED),
        Field("size_bytes", "size of the value", Kind.LONG, minimum=0),
        Field("reasons", "why: undecodable, range, key", Kind.TEXT_LIST),
        _utc("recorded_at_utc", "when they were set apart"),
    ),
)

STREAM_TABLES = (PUBLICATIONS, STREAM_OFFSETS, DEAD_LETTERS)
"""What the work with Kafka needs to know. Not copied for analysts."""

WORKING_TABLES = (*STREAM_TABLES, TRAJECTORY_CLAIMS)
"""What the pipeline keeps for itself. Not copied for analysts."""
