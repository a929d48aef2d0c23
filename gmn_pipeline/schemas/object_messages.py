"""The messages of the topic of objects: a small file, or where a larger one lies.

What belongs here: the fields of a message. What does not: what an object is (`objects.py`), and
what becomes of a message (`streams/objects.py`).
"""

from gmn_pipeline.schemas.dataset import Table, text, utc
from gmn_pipeline.schemas.fields import Field, Kind, Null
from gmn_pipeline.schemas.table_messages import messages_of

_MAY_BE_MISSING = Null.UNDEFINED

SENT_OBJECTS = Table(
    "object",
    "A file that is to become an object of the lake, or a version of one.",
    (
        text("project", "project that it goes into"),
        text("container", "container of that project"),
        text("name", "its name there, with folders: 2022/03/ff_0001.fits"),
        Field("content", "its bytes; or else it has an address", Kind.BYTES, null=_MAY_BE_MISSING),
        text(
            "address", "where it can be fetched, if that is allowed there: file:///..., "
            "http(s)://..., s3://bucket/key", _MAY_BE_MISSING,
        ),
        text(
            "sha256", "SHA-256 of its bytes, in hex: it is refused if they have another one",
            _MAY_BE_MISSING,
        ),
        text(
            "content_type", "what its sender takes it for; what is kept is found from its bytes",
            _MAY_BE_MISSING,
        ),
        text("application", "the program that it is for", _MAY_BE_MISSING),
        text("metadata", "what is said of it: a JSON object as a text", _MAY_BE_MISSING),
        Field("tags", "its tags", Kind.TEXT_LIST, null=_MAY_BE_MISSING),
        Field(
            "links", "what it is linked to: station:US0001, night:2022-03-04, trajectory:...",
            Kind.TEXT_LIST, null=_MAY_BE_MISSING,
        ),
        utc("observed_from_utc", "since when it was observed", _MAY_BE_MISSING),
        utc("observed_until_utc", "until when it was observed", _MAY_BE_MISSING),
        Field("latitude_deg", "where it was observed, WGS84", unit="deg", null=_MAY_BE_MISSING),
        Field("longitude_deg", "where it was observed, WGS84", unit="deg", null=_MAY_BE_MISSING),
    ),
)  # fmt: skip

OBJECT_MESSAGES = messages_of(SENT_OBJECTS)
"""The schema of the topic `objects`."""
