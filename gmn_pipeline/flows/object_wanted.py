"""Which processors there are for what, and what they find as part of what is said of an object.

What belongs here: small questions about processors and descriptions. What does not: reading objects
(`object_processing.py`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from gmn_pipeline.database.object_runs import Wanted
from gmn_pipeline.processing.processor import Found
from gmn_pipeline.processing.registry import processors, takes
from gmn_pipeline.schemas.objects import Description, StoredObject


def not_taking(stored: StoredObject) -> list[str]:
    """Processors that do not take the object as it is: a former version may have been theirs."""
    kind = stored.description.content_type
    return [name for name, one in processors().items() if not takes(one, kind)]


def wanted() -> dict[str, Wanted]:
    """The processors as the search for what waits knows them."""
    return {
        name: Wanted(name, one.version, tuple(one.content_types))
        for name, one in processors().items()
    }


def place_of_mark(known: Mapping[str, Wanted]) -> str:
    """Where it is marked up to which operation these processors have read all objects: others,
    or others of their versions, begin with all of them."""
    text = json.dumps([[one.name, one.version, *one.content_types] for one in known.values()])
    return f"objects read by {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def with_found(said: Description, processor: str, found: Found) -> Description:
    """A description with what a processor found; what people said of time and place stays."""
    metadata = {key: value for key, value in said.metadata.items() if key != processor}
    if found.metadata:
        metadata[processor] = found.metadata
    has_time = said.observed_from_utc is not None or said.observed_until_utc is not None
    has_place = said.latitude_deg is not None
    return replace(
        said,
        metadata=metadata,
        tags=said.tags | found.tags,
        links=said.links | found.links,
        observed_from_utc=said.observed_from_utc if has_time else found.observed_from_utc,
        observed_until_utc=said.observed_until_utc if has_time else found.observed_until_utc,
        latitude_deg=said.latitude_deg if has_place else found.latitude_deg,
        longitude_deg=said.longitude_deg if has_place else found.longitude_deg,
    )
