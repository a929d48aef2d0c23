"""Bring bytes into the lake under a name, and look after them there.

What belongs here: the order of things. Bytes are staged and hashed, claimed in the catalogue,
placed in the store, made durable, and then named, together with all that is said of them, in one
transaction. Killed at any point, there is the whole object or nothing; what nobody names is swept.
What does not: how either side does its part (`storage/contents.py`, `database/objects.py`), and
where files come from (`flows/objects.py`).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.object_rows import Beside, nothing_beside
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.errors import DataDamaged, GmnError, ObjectRefused
from gmn_pipeline.readers.content_types import HEAD_BYTES, content_type
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Json,
    NewVersion,
    ObjectName,
    OperationKind,
    StoredObject,
)
from gmn_pipeline.storage.contents import ContentStore, HashingWriter
from gmn_pipeline.storage.hashing import Sha256

_AT_ONCE = 200  # of contents that are taken down together
_CHECKED_AT_ONCE = 2_000  # of contents that are asked for together: they are sorted each time
_PLACED_AT_ONCE = 16


@dataclass(frozen=True)
class Staged:
    """A finished file in the incoming folder that is to become a version of an object.

    `after`: the version that the object must have now (0 if there must be none); None takes any.
    """

    path: Path
    content: Content
    name: ObjectName
    description: Description = field(default_factory=Description)
    after: int | None = None


@dataclass
class Verification:
    """What reading bytes and comparing their hashes came to."""

    checked: int = 0
    size_bytes: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    """By SHA-256."""


class ObjectLanding:
    """What puts, reads, sweeps and checks the bytes of objects. Any number of processes may."""

    def __init__(self, catalogue: ObjectCatalogue, contents: ContentStore) -> None:
        self.catalogue = catalogue
        self.contents = contents

    def incoming(self) -> AbstractContextManager[Path]:
        """A folder to stage files in; what did not land is gone afterwards."""
        return self.contents.incoming()

    def make_container(
        self, project: str, container: str, by: By, *, metadata_schema: Json = None
    ) -> None:
        """Make a container. `metadata_schema`: a JSON schema (2020-12) for the metadata of what is
        put there. Raises ObjectRefused if it is none."""
        if metadata_schema is not None:
            try:
                jsonschema.Draft202012Validator.check_schema(metadata_schema)
            except jsonschema.SchemaError as error:
                raise ObjectRefused(
                    f"What metadata is to be checked by is no JSON schema: {error.message[:300]}."
                ) from error
        self.catalogue.make_container(project, container, by, metadata_schema=metadata_schema)

    def land(
        self, staged: Sequence[Staged], by: By, kind: OperationKind = OperationKind.PUT,
        beside: Beside = nothing_beside,
    ) -> list[StoredObject]:  # fmt: skip
        """Make objects of staged files: all of them, or none. What `beside` writes is in the
        transaction that names them.

        Raises ObjectRefused if what is said of one is not by its container's schema,
        ObjectMissing if there is no such container, ObjectConflict if an object is not at the
        version that it must have. Each failure is logged for each object.
        """
        names = [one.name for one in staged]
        try:
            said = self._checked(staged)
            wrong = self.catalogue.claim([one.content for one in staged])
            self._place(staged, wrong)
            if wrong:
                self.catalogue.record_checked(dict.fromkeys(wrong))
        except GmnError as error:
            self.catalogue.log_failures(names, kind, by, error)
            raise
        news = [
            NewVersion(one.name, one.content, description, one.after)
            for one, description in zip(staged, said, strict=True)
        ]
        return self.catalogue.name(news, by, kind, beside)

    def _place(self, staged: Sequence[Staged], wrong: Collection[str]) -> None:
        """By several threads: each waits for a disk, or for a bucket, which takes many at once."""

        def place(one: Staged) -> None:
            self.contents.place(one.path, one.content, anew=one.content.sha256 in wrong)

        if len(staged) == 1:
            place(staged[0])
            return
        with ThreadPoolExecutor(_PLACED_AT_ONCE, "place") as pool:
            for _ in pool.map(place, staged):
                pass

    def _checked(self, staged: Sequence[Staged]) -> list[Description]:
        """What is said of each, with its type, after its container's schema was asked."""
        places = {(one.name.project, one.name.container) for one in staged}
        schemas = {place: self.catalogue.metadata_schema(*place) for place in places}
        for one in staged:
            schema = schemas[one.name.project, one.name.container]
            if schema is not None:
                check_metadata(one.description, schema, one.name)
        return [_with_type(one) for one in staged]

    def describe(self, stored: StoredObject, description: Description, by: By) -> StoredObject:
        """Say something else of an object: a new version with the same bytes.

        Raises ObjectConflict if it changed since it was looked at.
        """
        return self._same_bytes(
            stored, stored.name, description, stored.version, by, OperationKind.DESCRIBE
        )

    def copy(self, stored: StoredObject, to: ObjectName, by: By) -> StoredObject:
        """Make another object, or a version of one, of the same bytes and description."""
        return self._same_bytes(stored, to, stored.description, None, by, OperationKind.COPY)

    def _same_bytes(
        self, stored: StoredObject, to: ObjectName, description: Description,
        after: int | None, by: By, kind: OperationKind,
    ) -> StoredObject:  # fmt: skip
        try:
            schema = self.catalogue.metadata_schema(to.project, to.container)
            if schema is not None:
                check_metadata(description, schema, to)
            self.catalogue.claim([stored.content])
        except GmnError as error:
            self.catalogue.log_failures([to], kind, by, error)
            raise
        new = NewVersion(to, stored.content, description, after)
        (made,) = self.catalogue.name([new], by, kind)
        return made

    def read(
        self, stored: StoredObject, by: By, start: int = 0, stop: int | None = None
    ) -> Iterator[bytes]:
        """The bytes of an object in pieces, logged once, as done or as failed.

        Raises DataDamaged if there are fewer, or, where all are read, if they are other ones.
        """
        is_whole = start == 0 and stop in (None, stored.content.size_bytes)
        reason = "it was not read to its end"
        try:
            if is_whole:
                yield from self.read_whole(stored)
            else:
                yield from self.contents.read(stored.content, start, stop)
            reason = ""
        except GmnError as error:
            reason = str(error)
            raise
        finally:
            self.catalogue.log(OperationKind.GET, stored, by, reason)

    def read_whole(self, stored: StoredObject) -> Iterator[bytes]:
        """All bytes of an object in pieces, unlogged: for who reads many, and logs them together.

        Raises DataDamaged if there are fewer, or other ones.
        """
        digest = Sha256()
        try:
            for piece in self.contents.read(stored.content):
                digest.update(piece)
                yield piece
            if digest.hexdigest() != stored.content.sha256:
                raise _other_bytes(stored)
        finally:
            digest.close()

    def write_whole(
        self, stored: StoredObject, path: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """All bytes of an object into a new file, unlogged as above; not forced onto the disk.
        Calls `on_bytes` with the size of each step.

        Raises DataDamaged if there are fewer, or other ones.
        """
        writer = HashingWriter(path)
        try:
            self.contents.copy(stored.content, writer, on_bytes)
            if writer.finish(is_durable=False) != stored.content:
                raise _other_bytes(stored)
        finally:
            writer.close()

    def sweep(self, claim_holds_for: timedelta) -> int:
        """Forget objects that can be restored no more, and remove the bytes that nothing names
        and nobody claimed for so long; how many contents those were."""
        listed = self.contents.listed()
        while some := list(islice(listed, _AT_ONCE)):
            self.catalogue.adopt(some)
        return self.catalogue.sweep(utc_now() - claim_holds_for, self.contents.remove)

    def verify(
        self,
        checked_before_utc: datetime,
        on_checked: Callable[[int], None] = lambda _: None,
    ) -> Verification:
        """Read all bytes that were not checked since then, and compare their hashes. Stopped at
        any point, the next one goes on from there, with the same `checked_before_utc` or a later
        one. Calls `on_checked` with the size of each."""
        done = Verification()
        while some := self.catalogue.to_check(checked_before_utc, _CHECKED_AT_ONCE):
            for content in some:
                fault = self._fault(content)
                self.catalogue.record_checked({content.sha256: fault})
                done.checked += 1
                done.size_bytes += content.size_bytes
                if fault is not None:
                    done.faults[content.sha256] = fault
                on_checked(content.size_bytes)
        return done

    def _fault(self, content: Content) -> str | None:
        digest = Sha256()
        try:
            for piece in self.contents.read(content):
                digest.update(piece)
            found = digest.hexdigest()
        except DataDamaged as error:
            return error.message
        finally:
            digest.close()
        return None if found == content.sha256 else f"its bytes have the SHA-256 {found}"


def check_metadata(description: Description, schema: Any, name: ObjectName) -> None:
    """That metadata is as its container wants it. Raises ObjectRefused saying where it is not."""
    try:
        fault = next(_validator(schema).iter_errors(description.metadata), None)
    except Unresolvable as error:
        raise ObjectRefused(
            f"The schema of the container of {name} cannot be followed: {error}.",
            remedy="Put all that it refers to into it: nothing is fetched.",
        ) from error
    if fault is not None:
        where = ".".join(map(str, fault.absolute_path)) or "as a whole"
        raise ObjectRefused(
            f"The metadata of {name} is not by the schema of its container: "
            f"{where}: {fault.message[:300]}.",
            remedy=f"'gmn objects ls {name.project}' shows the schema.",
        )


def _validator(schema: Any) -> jsonschema.Draft202012Validator:
    # With a registry of its own, since by default references are fetched from the network.
    return jsonschema.Draft202012Validator(schema, registry=Registry())


def check_hash(content: Content, expected_sha256: str | None, name: ObjectName) -> None:
    """That what came is what was sent. Raises ObjectRefused."""
    if expected_sha256 is not None and content.sha256 != expected_sha256.lower():
        raise ObjectRefused(
            f"{name} came with the SHA-256 {content.sha256}, not {expected_sha256.lower()}.",
            remedy="It was changed on its way: send it again.",
        )


def _with_type(one: Staged) -> Description:
    with one.path.open("rb") as file:
        kind = content_type(file.read(HEAD_BYTES), one.name.name)
    return replace(one.description, content_type=kind)


def _other_bytes(stored: StoredObject) -> DataDamaged:
    return DataDamaged(
        f"The bytes of {stored.name} are not those that were put: their hash is another one.",
        remedy="Put the same file again, or restore the store from a copy.",
    )
