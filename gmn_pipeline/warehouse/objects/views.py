"""Objects and what they are linked to as a graph.

What belongs here: nodes and edges as views, so that they never say anything else than the tables
they are made of. What does not: the tables (`schemas/object_tables.py`).
"""

from gmn_pipeline.schemas.dataset import text
from gmn_pipeline.schemas.fields import Field, Kind, Null
from gmn_pipeline.warehouse.views import View

_KINDS = (("station", "stations"), ("night", "nights"), ("trajectory", "trajectories"))
_OBJECT = "'object:' || object_id"

_LINKED = " UNION ALL ".join(
    f"SELECT object_id, '{kind}' AS kind, unnest({column}) AS key FROM catalogue"
    for kind, column in _KINDS
)

_SHOWN = (
    "SELECT DISTINCT object_id, label AS key FROM image_objects "
    "UNION SELECT DISTINCT object_id, kind FROM image_detections"
)

NODES = View(
    "nodes",
    "what can be linked: images and other objects, stations, nights, trajectories, labels",
    f"SELECT {_OBJECT} AS node, "
    "CASE WHEN content_type LIKE 'image/%' "
    "OR content_type IN ('application/fits', 'application/x-rms-ff') THEN 'image' "
    "ELSE 'object' END AS kind, name AS key, object_id FROM catalogue "
    f"UNION ALL SELECT DISTINCT kind || ':' || key, kind, key, NULL FROM ({_LINKED}) "
    f"UNION ALL SELECT DISTINCT 'label:' || key, 'label', key, NULL FROM ({_SHOWN})",
    (
        text("node", "its name among the nodes"),
        text("kind", "image, object, station, night, trajectory; label: what images show"),
        text("key", "its own name"),
        Field("object_id", "of an object, its number", Kind.LONG, null=Null.UNDEFINED),
    ),
)

EDGES = View(
    "edges",
    "what is linked to what, each link in both directions",
    "WITH one_way AS ("
    f"SELECT {_OBJECT} AS source, kind || ':' || key AS target, kind FROM ({_LINKED}) "
    "UNION ALL SELECT DISTINCT 'object:' || object_id, 'object:' || made_id, 'made' "
    "FROM provenance "
    f"UNION ALL SELECT {_OBJECT}, 'label:' || key, 'shows' FROM ({_SHOWN})) "
    "SELECT source, target, kind FROM one_way "
    "UNION ALL SELECT target, source, CASE kind WHEN 'made' THEN 'made of' "
    "WHEN 'shows' THEN 'shown in' ELSE kind END FROM one_way",
    (
        text("source", "a node"),
        text("target", "the other node"),
        text("kind", "station, night, trajectory; made, and made of in the other direction; shows, "
             "and shown in"),
    ),
)  # fmt: skip

OBJECT_VIEWS = (NODES, EDGES)
