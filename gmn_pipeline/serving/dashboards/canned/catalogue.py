"""The dashboards that come along, which are read and copied but not changed.

What belongs here: reading their files. What does not: what a document may say
(`schemas/dashboards.py`).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gmn_pipeline.schemas.dashboards import Document, checked_document

_ORDER = ("network-overview", "shower-campaign", "station-health", "lake-use")


@cache
def canned() -> Mapping[str, Document]:
    """Each by its identifier, which no saved one can have: those end in what was drawn by lot."""
    folder = files(__package__)
    return {
        name: checked_document(json.loads((folder / f"{name}.json").read_text("utf-8")))
        for name in _ORDER
    }
