"""Which processors there are, and what is said of what they read.

What belongs here: what the road of objects through processors (`object_processing.py`) has to know
of them, without a step of it. What does not: processors themselves (`processing/`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

import pyarrow.parquet as pq

from gmn_pipeline.database.object_runs import ProcessorVersion
from gmn_pipeline.processing.processor import Found
from gmn_pipeline.processing.registry import processors, takes
from gmn_pipeline.schemas.object_tables import DOCUMENTS
from gmn_pipeline.schemas.objects import Description, StoredObject
from gmn_pipeline.warehouse.objects.loading import Reading


def not_taking(stored: StoredObject) -> list[str]:
    """Processors that do not take the object as it is: a former version may have been theirs."""
    kind = stored.description.content_type
    return [name for name, one in processors().items() if not takes(one, kind)]


def wanted() -> dict[str, ProcessorVersion]:
    """The processors as the search for what waits knows them."""
    return {
        name: ProcessorVersion(name, one.version, tuple(one.content_types))
        for name, one in processors().items()
    }


def place_of_mark(known: Mapping[str, ProcessorVersion]) -> str:
    """Where it is marked up to which operation these processors have read all objects: others,
    or others of their versions, begin with all of them."""
    text = json.dumps([[one.name, one.version, *one.content_types] for one in known.values()])
    return f"objects read by {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def texts_of(reading: Reading) -> list[str]:
    """What stands in the pages or sections of a document, with what is over them."""
    found: list[str] = []
    for some in reading.rows:
        if some.table == DOCUMENTS.name:
            rows = pq.read_table(some.path, columns=["title", "heading", "text"]).to_pylist()
            found += ["\n".join(dict.fromkeys(filter(None, row.values()))) for row in rows]
    return found


def described_with(said: Description, processor: str, found: Found) -> Description:
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
