"""The tables of trajectories: as validated, in the warehouse, and what the pipeline keeps of them.

What belongs here: which columns a table has beyond the 86 of the file, and what a table means.
What does not: the 86 (`fields.py`), the declaration of the dataset (`trajectories.py`), and how
rows get into a table (`warehouse/trajectories/files.py`).
"""

from gmn_pipeline.schemas.dataset import Table, count_since, integer, text, utc
from gmn_pipeline.schemas.fields import STATION_CODE_PATTERN, TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.schemas.stream_tables import MESSAGE_PLACE

BIN_FIELDS = (
    Field(
        "bin_date",
        "UTC date on which the bin begins: the daily partition, and the date in the file name",
        Kind.DATE,
    ),
    integer(
        "bin_solar_longitude_deg",
        "lower edge of the bin of one degree of solar longitude",
        maximum=359,
    ),
)
"""Which bin of one degree of solar longitude a row belongs to; together they name one bin."""

QUALITY_FLAGS_FIELD = Field(
    "quality_flags",
    "names of what is odd about the row though not impossible (see docs/quality.md)",
    Kind.TEXT_LIST,
)
SOURCE_FIELDS = (
    utc("summary_generated_at_utc", "when the network generated the file this content came in"),
    text(
        "source_file_sha256",
        "SHA-256 of the landed file this content came in; kafka:topic/partition/offset of the "
        "message, if it came in none",
    ),
)
LINE_NUMBER = integer("line_number", "line in the landed file, counted from 1", 1)

VALIDATED_TRAJECTORIES = Table(
    "validated_trajectories",
    "accepted rows of landed files, typed and checked, with what is odd about them",
    (*TRAJECTORY_FIELDS, QUALITY_FLAGS_FIELD, *BIN_FIELDS, *SOURCE_FIELDS, LINE_NUMBER),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "rows of landed files that were not accepted, as they stood in the file, with every reason",
    (
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        LINE_NUMBER,
        text("raw_line", "the line as it stood in the file, undecodable bytes as \\xNN"),
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
        QUALITY_FLAGS_FIELD,
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        integer("revision", "1 for the first content loaded, one more for each change", 1),
        utc("valid_from_utc", "when this content came into the warehouse"),
        utc("first_loaded_at_utc", "when the identifier first came into the warehouse"),
    ),
)

TRAJECTORY_REVISIONS = Table(
    "trajectory_revisions",
    "every former state of a trajectory, with the interval in which it was the current one",
    (
        *TRAJECTORIES.fields,
        utc("valid_until_utc", "when it ceased to be the current state"),
        text("change", "what ended it: revised or withdrawn"),
        text(
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
    (*TRAJECTORY_FIELDS, QUALITY_FLAGS_FIELD, *BIN_FIELDS, *SOURCE_FIELDS),
)

TRAJECTORY_STATIONS = Table(
    "trajectory_stations",
    "which stations took part in which trajectory (current solutions)",
    (
        text("trajectory_identifier", "the trajectory"),
        text("station_code", "the station", pattern=STATION_CODE_PATTERN),
        BIN_FIELDS[0],
    ),
)

STATIONS = Table(
    "stations",
    "every station that took part in a trajectory",
    (
        integer("station_number", "a number for clients that want one; never reused", 1),
        text("station_code", "code of the station: country and four characters"),
        text("country_code", "first two characters of the code"),
        utc("first_loaded_at_utc", "when the station first came into the warehouse"),
    ),
)

SOURCE_FILES = Table(
    "source_files",
    "which file was loaded into which bin, and what it changed; the counts add up",
    (
        *BIN_FIELDS,
        *SOURCE_FIELDS,
        text("source_path", "path below the source's base, or the file name"),
        utc("covers_from_utc", "the file is the whole truth of the bin from here", Null.UNDEFINED),
        utc(
            "covers_until_utc",
            "... until before here; both null for a daily file, which has all of its bin",
            Null.UNDEFINED,
        ),
        text(
            "definition",
            "which definition of columns, checks and flags its rows were validated under; null if "
            "it was loaded before that was noted",
            Null.UNDEFINED,
        ),
        text("outcome", "loaded, or older_than_loaded: a newer file was there first"),
        integer("rows_read", "rows of the file that belong to the bin"),
        integer("rows_accepted", "of these, accepted"),
        integer("rows_rejected", "of these, rejected"),
        integer("rows_inserted", "accepted rows new to the warehouse"),
        integer("rows_revised", "accepted rows whose content changed"),
        integer("rows_unchanged", "accepted rows that were there already"),
        count_since("rows_superseded", "accepted rows of which a newer file says something else"),
        integer("rows_withdrawn", "trajectories of the bin that the file no longer has"),
        count_since(
            "rows_restored",
            "trajectories that the file no longer has, but another: its row took over",
        ),
        utc("loaded_at_utc", "when it was loaded"),
    ),
)

PUBLICATIONS = Table(
    "publications",
    "every message of the topic that is known to say something of a trajectory: those that were "
    "published from here, and those of others that were read",
    (
        text("trajectory_identifier", "the trajectory: the message's key"),
        BIN_FIELDS[0],
        text("origin", "published from here, or consumed: somebody else's"),
        text("change", "inserted or revised, or withdrawn: a tombstone"),
        integer(
            "revision",
            "revision that the message carries; 0 if it is none of the warehouse's: a tombstone, "
            "or out of date",
        ),
        text(
            "content_sha256", "SHA-256 of the message's first 86 fields, of what was published",
            Null.UNDEFINED,
        ),
        utc("generated_at_utc", "when the network generated the file that this follows from"),
        *MESSAGE_PLACE,
        text("run_id", "run that published or consumed it", Null.UNDEFINED),
        utc("recorded_at_utc", "when it was recorded, after Kafka's acknowledgement"),
    ),
)  # fmt: skip
