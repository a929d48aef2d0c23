"""A lake of objects to put something in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_search import ObjectSearch
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.flows.objects import opened_objects
from gmn_pipeline.landing.objects import ObjectLanding, Staged
from gmn_pipeline.schemas.objects import By, Description, ObjectName, StoredObject
from gmn_pipeline.settings import Settings
from gmn_pipeline.storage.contents import HashingWriter

PERSON = By("ada", "run 1")


@dataclass
class ObjectBench:
    """The parts, opened, with a project `cams` and its container `ff`."""

    settings: Settings
    database: Database
    catalogue: ObjectCatalogue
    search: ObjectSearch
    landing: ObjectLanding

    def put(
        self, name: str, data: bytes, description: Description | None = None,
        after: int | None = None,
    ) -> StoredObject:  # fmt: skip
        """Put bytes under `cams/ff/<name>`."""
        with self.staged(name, data, description, after) as staged:
            (made,) = self.landing.land([staged], PERSON)
        return made

    @contextmanager
    def staged(
        self, name: str, data: bytes, description: Description | None = None,
        after: int | None = None,
    ) -> Iterator[Staged]:  # fmt: skip
        with self.landing.incoming() as folder:
            writer = HashingWriter(folder / "new")
            writer.write(data)
            content = writer.finish()
            yield Staged(
                folder / "new", content, ObjectName("cams", "ff", name),
                description or Description(), after,
            )  # fmt: skip

    def bytes_of(self, name: str, version: int | None = None) -> bytes:
        stored = self.catalogue.object(ObjectName("cams", "ff", name), version)
        return b"".join(self.landing.read(stored, PERSON))

    def stored_hashes(self) -> set[str]:
        return {one.sha256 for one in self.landing.contents.listed()}


def object_bench(settings: Settings) -> ObjectBench:
    lake = opened_objects(settings)
    if "cams" not in lake.catalogue.projects():
        lake.catalogue.make_project("cams", PERSON)
        lake.catalogue.make_container("cams", "ff", PERSON)
    return ObjectBench(settings, lake.database, lake.catalogue, lake.search, lake.landing)


def settings_of(folder: Path, **given: object) -> Settings:
    return Settings(data_dir=folder / "data", **given)  # type: ignore[arg-type]
