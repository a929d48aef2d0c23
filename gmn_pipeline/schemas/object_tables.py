"""Tables of what is read out of objects, and of the objects themselves as analysts ask for them.

What belongs here: the tables of the lake of objects that are declared. What does not: tables that
are made of objects' own columns (`warehouse/objects/loading.py`), and the catalogue that these are
a mirror of (`database/objects.py`).

Rows that a processor made carry the object and the version that they were read out of, so that
those of a newer one take their place.
"""

from gmn_pipeline.schemas.dataset import Table, integer, text, utc
from gmn_pipeline.schemas.fields import Field, Kind, Null


def _number(name: str, meaning: str, unit: str | None = None) -> Field:
    return Field(name, meaning, Kind.NUMBER, unit, null=Null.UNDEFINED)


def _id(name: str, meaning: str) -> Field:
    return Field(name, meaning, Kind.LONG, minimum=1)


OBJECT_ID = _id("object_id", "the object that the row was read out of")
VERSION = integer("version", "the version of the object", 1)
_OF = (OBJECT_ID, VERSION)
_ROW = Field("row_number", "its place in the object, from 1", Kind.LONG, minimum=1)
_PATH = text("name", "the object's name in its container")

CATALOGUE = Table(
    "catalogue",
    "objects that are not deleted, each in its newest version",
    (
        _id("object_id", "the object's number, which it keeps when it is moved"),
        VERSION,
        text("project", "whose it is"),
        text("container", "where it is"),
        _PATH,
        Field("size_bytes", "how large it is", Kind.LONG, "byte", minimum=0),
        text("content_type", "what kind of file it is, by its bytes"),
        text("sha256", "its bytes' SHA-256"),
        Field("tags", "its tags", Kind.TEXT_LIST),
        Field("stations", "stations that it is linked to", Kind.TEXT_LIST),
        Field("nights", "nights that it is linked to", Kind.TEXT_LIST),
        Field("trajectories", "trajectories that it is linked to", Kind.TEXT_LIST),
        utc("observed_from_utc", "when what it shows began", Null.UNDEFINED),
        utc("observed_until_utc", "when that ended", Null.UNDEFINED),
        _number("latitude_deg", "where it was observed (WGS84)", "deg"),
        _number("longitude_deg", "where it was observed (WGS84)", "deg"),
        text("metadata", "what else is said of it, a JSON object"),
        utc("put_at_utc", "when this version was put"),
        text("put_by", "by whom"),
    ),
)

PROVENANCE = Table(
    "provenance",
    "objects that were made of objects",
    (
        _id("object_id", "the object that was read"),
        VERSION,
        text("processor", "what read it"),
        integer("processor_version", "in which version of that"),
        _id("made_id", "the object that was made of it"),
    ),
)

DETECTIONS = Table(
    "detections",
    "positions of meteors in frames, as RMS wrote them (FTPdetectinfo)",
    (
        *_OF,
        _ROW,
        text("station_code", "the camera"),
        text("ff_name", "the file that the meteor is in"),
        integer("meteor_number", "which of the meteors of that file"),
        utc("frame_at_utc", "when the frame was taken, by the file's name and the frame rate",
            Null.UNDEFINED),
        _number("frame", "number of the frame, in parts of one where it was interlaced"),
        _number("x_px", "column of the centroid", "pix"),
        _number("y_px", "row of the centroid", "pix"),
        _number("right_ascension_deg", "right ascension (J2000)", "deg"),
        _number("declination_deg", "declination (J2000)", "deg"),
        _number("azimuth_deg", "azimuth, east of due north", "deg"),
        _number("elevation_deg", "elevation above the horizon", "deg"),
        _number("intensity_adu", "sum of the levels of the centroid's pixels", "adu"),
        _number("magnitude", "apparent magnitude", "mag"),
        _number("frame_rate_hz", "frames a second", "Hz"),
        Field("is_calibrated", "whether the positions on the sky are calibrated", Kind.BOOLEAN),
    ),
)  # fmt: skip

CALIBRATIONS = Table(
    "calibrations",
    "astrometric and photometric calibrations of cameras (RMS platepars)",
    (
        *_OF,
        _ROW,
        text("station_code", "the camera"),
        text("ff_name", "the file that it was recalibrated on; empty: a platepar by itself"),
        _number("reference_jd", "its time of reference, Julian date", "d"),
        _number("latitude_deg", "where the camera is (WGS84)", "deg"),
        _number("longitude_deg", "where the camera is (WGS84)", "deg"),
        _number("elevation_m", "its height above sea level", "m"),
        _number("width_px", "width of an image", "pix"),
        _number("height_px", "height of an image", "pix"),
        _number("field_width_deg", "field of view across", "deg"),
        _number("field_height_deg", "field of view up", "deg"),
        _number("right_ascension_deg", "right ascension (J2000) of the centre", "deg"),
        _number("declination_deg", "declination (J2000) of the centre", "deg"),
        _number("azimuth_deg", "azimuth of the centre, east of due north", "deg"),
        _number("altitude_deg", "altitude of the centre", "deg"),
        _number("position_angle_deg", "position angle of reference", "deg"),
        _number("scale_px_per_deg", "scale", "pix/deg"),
        _number("magnitude_offset", "photometric offset", "mag"),
        _number("magnitude_offset_sigma", "its standard deviation", "mag"),
        _number("vignetting_rad_per_px", "vignetting coefficient", "rad/pix"),
        text("distortion", "the kind of distortion that is fitted", Null.UNDEFINED),
        _number("star_count", "stars that it was fitted on"),
        text("platepar", "all of it, a JSON object"),
    ),
)

IMAGE_DETECTIONS = Table(
    "image_detections",
    "what stands out of the background of an image: compact sources and streaks",
    (
        *_OF,
        _ROW,
        text("kind", "source, or streak where it is much longer than wide"),
        _number("x_px", "column of its centroid, from 0", "pix"),
        _number("y_px", "row of its centroid, from 0", "pix"),
        _number("begin_x_px", "column of one end", "pix"),
        _number("begin_y_px", "row of that end", "pix"),
        _number("end_x_px", "column of the other end", "pix"),
        _number("end_y_px", "row of that end", "pix"),
        _number("length_px", "from end to end", "pix"),
        _number("width_px", "across", "pix"),
        integer("area_px", "pixels above the threshold", 1),
        _number("flux_adu", "sum of the levels above the background", "adu"),
        _number("peak_adu", "the greatest level above the background", "adu"),
        _number("signal_to_noise", "that, in standard deviations of the background"),
    ),
)

IMAGE_OBJECTS = Table(
    "image_objects",
    "what a detector of one's own found in images, with what it says it is",
    (
        *_OF,
        _ROW,
        text("label", "what it is, by the detector's labels"),
        Field("score", "how sure the detector is", Kind.NUMBER, None, minimum=0, maximum=1),
        _number("left_px", "its left side, a column of the image", "pix"),
        _number("top_px", "its upper side, a row of the image", "pix"),
        _number("right_px", "its right side", "pix"),
        _number("bottom_px", "its lower side", "pix"),
        text("model_sha256", "the model that found it, by its bytes' SHA-256"),
    ),
)

DOCUMENTS = Table(
    "documents",
    "texts of documents, a row for each page or section",
    (
        *_OF,
        _ROW,
        text("title", "the document's, or its name"),
        text("heading", "of the section, or empty"),
        integer("page", "the page, from 1; 0 where there are none"),
        text("text", "what stands there"),
    ),
)

OBJECT_READINGS = Table(
    "readings",
    "what sensors measured, read out of objects by the rules of their containers",
    (
        *_OF,
        _ROW,
        text("station_code", "the station"),
        text("sensor_id", "which of its sensors"),
        utc("measured_at_utc", "when it was measured"),
        text("measurement", "what the rule calls it"),
        text("quantity", "what was measured; its name ends in its unit"),
        _number("value", "the value, in that unit"),
        text("text_value", "the value, where it is no number", Null.UNDEFINED),
        text("tags", "what the rule takes along, a JSON object"),
    ),
)

PROCESSED_TABLES = (
    DETECTIONS, CALIBRATIONS, IMAGE_DETECTIONS, IMAGE_OBJECTS, DOCUMENTS, OBJECT_READINGS,
)  # fmt: skip
"""Those that processors fill."""

LOADED_COLUMNS = Table(
    "loaded_columns",
    "columns of the tables that are made of objects' own columns, and since when they are there",
    (
        text("table_name", "the table"),
        text("project", "whose objects"),
        text("container", "in which container"),
        text("column_name", "the column"),
        text("column_type", "its type in DuckDB"),
        OBJECT_ID,
        VERSION,
        utc("since_utc", "when the column came"),
    ),
)

LOADS = Table(
    "loads",
    "which processor's rows of an object are in the tables",
    (
        *_OF,
        text("processor", "what read it"),
        integer("processor_version", "in which version of that"),
        text("table_name", "where its rows are"),
        Field("row_count", "how many", Kind.LONG, minimum=0),
        utc("loaded_at_utc", "when they came"),
    ),
)

MIRROR_MARK = Table(
    "mirror_mark",
    "up to which operation the catalogue is mirrored",
    (Field("operation", "its number", Kind.LONG, minimum=0),),
)

FILES_IN_PLACE = Table(
    "files_in_place",
    "files beside the lake that views of it read where they lie",
    (
        text("table_name", "the view"),
        text("project", "whose it is"),
        text("container", "in which container"),
        text("crawl", "what found it"),
        text("path", "a file that it reads"),
    ),
)

BUCKETS_IN_PLACE = Table(
    "buckets_in_place",
    "buckets whose files views of the lake read where they lie; keys are of the environment alone",
    (
        text("table_name", "the view"),
        text("url", "what its files lie below: s3://bucket/prefix/"),
        text("endpoint_url", "who has the bucket; empty: whom the settings name"),
        Field("is_anonymous", "it is read without keys", Kind.BOOLEAN),
    ),
)

OBJECT_TABLES = (CATALOGUE, PROVENANCE, *PROCESSED_TABLES, LOADED_COLUMNS, LOADS)
"""What the lake of objects has for those who ask it."""

OBJECT_WORKING_TABLES = (MIRROR_MARK, FILES_IN_PLACE, BUCKETS_IN_PLACE)
"""What the pipeline keeps for itself in that lake."""
