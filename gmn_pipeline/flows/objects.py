"""The lake of objects, opened: what every way into it and out of it begins with.

What belongs here: which parts there are. What does not: what goes in (`object_puts.py`,
`object_sync.py`) and out (`object_gets.py`).
"""

from dataclasses import dataclass

from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.object_search import ObjectSearch
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.landing.objects import ObjectLanding
from gmn_pipeline.settings import ObjectRoadSettings
from gmn_pipeline.storage.contents import ContentStore, open_contents


@dataclass(frozen=True)
class OpenedObjects:
    """The parts of the lake of objects; any thread may use them."""

    database: Database
    catalogue: ObjectCatalogue
    search: ObjectSearch
    contents: ContentStore
    landing: ObjectLanding


def opened_objects(settings: ObjectRoadSettings) -> OpenedObjects:
    """Open the lake of objects. Nothing is made before something is put."""
    database = open_database(settings)
    catalogue = ObjectCatalogue(database)
    contents = open_contents(settings)
    landing = ObjectLanding(catalogue, contents)
    return OpenedObjects(database, catalogue, ObjectSearch(database), contents, landing)
