"""The lake of objects, opened: what every way into it and out of it begins with.

What belongs here: which parts there are. What does not: what goes in (`object_puts.py`,
`object_sync.py`) and out (`object_gets.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.object_search import ObjectSearch, Search
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.landing.objects import ObjectLanding
from gmn_pipeline.schemas.objects import OperationKind, StoredObject
from gmn_pipeline.settings import ObjectRoadSettings
from gmn_pipeline.storage.contents import ContentStore, open_contents

_PAGE = 1_000


@dataclass(frozen=True)
class OpenedObjects:
    """The parts of the lake of objects; any thread may use them."""

    database: Database
    catalogue: ObjectCatalogue
    search: ObjectSearch
    contents: ContentStore
    landing: ObjectLanding

    def found(self, search: Search) -> Iterator[StoredObject]:
        """All that a search finds, a page at a time."""
        after_id = 0
        while page := self.search.find(search, _PAGE, after_id):
            yield from page
            after_id = page[-1].object_id

    def put_by_run(self, run_id: str) -> StoredObject | None:
        """What a run that puts one object has put; None if it has not. A server that died between
        naming it and noting that finds out by this."""
        for done in self.search.operations(run_id=run_id):
            if done.kind is OperationKind.PUT and done.is_success and done.object_id is not None:
                return self.catalogue.by_id(done.object_id, done.version)
        return None


def opened_objects(settings: ObjectRoadSettings) -> OpenedObjects:
    """Open the lake of objects. Nothing is made before something is put."""
    database = open_database(settings)
    catalogue = ObjectCatalogue(database)
    contents = open_contents(settings)
    landing = ObjectLanding(catalogue, contents)
    return OpenedObjects(database, catalogue, ObjectSearch(database), contents, landing)
