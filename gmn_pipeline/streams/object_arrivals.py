"""Put objects that came by their topic: fetch, hash, refuse or name them.

Offsets move in the transaction that names what was read. What is refused is sent to the dead
letters before it, with its reason, so a crash between may send it twice; it is noted once. A record
that asks for what is there already (the same bytes, and all that it says) makes no version, so who
is not sure that a message was sent sends it again.

What belongs here: this order, and who the objects are put by. What does not: what a message says
(`objects.py`), and the order of bytes and names (`landing/objects.py`).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from itertools import count
from pathlib import Path

from gmn_pipeline.clock import from_timestamp
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.object_search import ObjectSearch
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.database.topic_offsets import NotedLetter, ReadPart, TopicOffsets, moving
from gmn_pipeline.errors import (
    FileIncomplete,
    GmnError,
    NotPermitted,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
    RetryableError,
    SettingsError,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
    StreamBusy,
)
from gmn_pipeline.kafka.dead_letters import DeadLetter, send_dead_letters
from gmn_pipeline.landing.objects import ObjectLanding, Staged, check_hash, check_metadata
from gmn_pipeline.schemas.accounts import NOBODY, Caller, Right
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Json,
    ObjectName,
    StoredObject,
)
from gmn_pipeline.schemas.offsets import StoredOffset
from gmn_pipeline.schemas.topics import objects_topic
from gmn_pipeline.settings import TopicSettings
from gmn_pipeline.sources.files_by_address import FilesByAddress
from gmn_pipeline.storage.contents import HashingWriter, open_contents
from gmn_pipeline.storage.problems import explaining
from gmn_pipeline.streams.objects import Arrived, ObjectBatch, WantedObject, decode_batch
from gmn_pipeline.streams.records import text_of
from gmn_pipeline.streams.stream import Place, Stream

_FETCHED_AT_ONCE = 8
_ATTEMPTS, _PAUSE_S = 3, 0.5
_MB = 1_000_000
_NO_ACCOUNTS = Caller("topic", is_operator=True)
_OF_A_RECORD = (
    FileIncomplete, NotPermitted, ObjectRefused, SourceFileMissing, SourceRefused,
    SourceUnavailable,
)  # fmt: skip


@dataclass
class ObjectCounts:
    """What became of messages; they add up to `read`."""

    read: int = 0
    put: int = 0
    unchanged: int = 0
    dead: int = 0

    def add(self, other: "ObjectCounts") -> None:
        """Count another batch's messages too."""
        for name, number in other.as_dict().items():
            setattr(self, name, getattr(self, name) + number)

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class ObjectsTarget:
    """The lake of objects, as its topic needs it."""

    database: Database
    catalogue: ObjectCatalogue
    search: ObjectSearch
    landing: ObjectLanding
    offsets: TopicOffsets
    accounts: AccountStore

    @classmethod
    def of(cls, settings: TopicSettings) -> "ObjectsTarget":
        """Opened; nothing is made yet."""
        database = open_database(settings)
        catalogue = ObjectCatalogue(database)
        return cls(
            database, catalogue, ObjectSearch(database),
            ObjectLanding(catalogue, open_contents(settings)),
            TopicOffsets(database), AccountStore(database),
        )  # fmt: skip

    def stored(self, topic: str) -> dict[int, StoredOffset]:
        """The next offset of each partition."""
        return self.offsets.stored(topic)

    def forget(self, topic: str) -> None:
        """Let the topic be read from its beginning again."""
        self.offsets.forget(topic)


def putter(settings: TopicSettings, accounts: AccountStore) -> Caller:
    """In whose name objects of the topic are put. Raises SettingsError if nobody is named, though
    there are accounts."""
    if not accounts.has_accounts():
        return _NO_ACCOUNTS
    if not settings.objects_topic_account:
        raise SettingsError(
            "There are accounts, and none is named for objects that come by the topic.",
            remedy="Make one with a role in the projects that they may be put into ('gmn accounts "
            "add', 'gmn accounts grant'), and name it in GMN_OBJECTS_TOPIC_ACCOUNT.",
        )
    caller = accounts.of(settings.objects_topic_account)
    if caller is NOBODY:
        raise SettingsError(
            f"GMN_OBJECTS_TOPIC_ACCOUNT: there is no account {settings.objects_topic_account!r}, "
            "or it is disabled.",
            remedy="'gmn accounts ls' lists them.",
        )
    return caller


def ingest(
    settings: TopicSettings, target: ObjectsTarget, batch: ObjectBatch, dead: Sequence[DeadLetter]
) -> ObjectCounts:
    """Put what a batch asks for, some messages at a time, each with its offsets."""
    assert not dead  # they are in the batch
    counts = ObjectCounts()
    caller = putter(settings, target.accounts)
    files = FilesByAddress(
        settings.objects_topic_from,
        settings,
        settings.objects_topic_timeout_s,
        settings.objects_topic_file_s,
    )
    for part in batch.parts(settings.objects_topic_batch):
        counts.add(_Part(settings, target, files, caller, part).ingest())
    return counts


@dataclass
class _Coming:
    """A record on its way: refused if it has a reason; with nothing staged, it is there."""

    arrived: Arrived
    staged: Staged | None = None
    reason: str = ""

    @property
    def wanted(self) -> WantedObject | None:
        return None if self.reason else self.arrived.wanted


class _Part:
    """Messages that are put in one transaction."""

    def __init__(
        self, settings: TopicSettings, target: ObjectsTarget, files: FilesByAddress,
        caller: Caller, batch: ObjectBatch,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._target = target
        self._files = files
        self._caller = caller
        self._by = By(caller.account or "topic", batch.run_id or "")
        self._batch = batch
        self._coming = [_Coming(one, reason=one.reason) for one in batch.arrived]
        self._numbers = count()
        self._schemas: dict[tuple[str, str], Json] = {}

    def ingest(self) -> ObjectCounts:
        for one in self._coming:
            self._check(one)
        with self._target.landing.incoming() as folder:
            with ThreadPoolExecutor(_FETCHED_AT_ONCE, "fetch") as pool:
                for _ in pool.map(lambda one: self._stage(one, folder), self._coming):
                    pass
            self._leave_what_is_there()
            refused = [one for one in self._coming if one.reason]
            send_dead_letters(
                self._settings, objects_topic(self._settings),
                [DeadLetter(one.arrived.record, [one.reason]) for one in refused],
            )  # fmt: skip
            self._name(refused)
        staged = sum(one.staged is not None for one in self._coming)
        unchanged = len(self._coming) - staged - len(refused)
        return ObjectCounts(len(self._coming), staged, unchanged, len(refused))

    def _check(self, one: _Coming) -> None:
        """What can be known before anything is fetched."""
        wanted = one.wanted
        if wanted is None:
            return
        name = wanted.name
        if not self._caller.may(Right.WRITE, name.project):
            one.reason = f"refused: {self._caller.account} may not put to {name.project}"
            return
        try:
            check_metadata_of(wanted.description, self._schema(name), name)
        except (ObjectMissing, ObjectRefused) as error:
            one.reason = f"refused: {error}"

    def _schema(self, name: ObjectName) -> Json:
        place = (name.project, name.container)
        if place not in self._schemas:
            self._schemas[place] = self._target.catalogue.metadata_schema(*place)
        return self._schemas[place]

    def _stage(self, one: _Coming, folder: Path) -> None:
        wanted = one.wanted
        if wanted is None:
            return
        try:
            path, content = self._fetched(wanted, folder)
            check_hash(content, wanted.sha256, wanted.name)
        except GmnError as error:
            if not is_of_this_record(error):
                raise
            one.reason = f"refused: {error}"
            return
        one.staged = Staged(path, content, wanted.name, wanted.description)

    def _fetched(self, wanted: WantedObject, folder: Path) -> tuple[Path, Content]:
        """A staged file. What may pass is tried some times: a source that is away must not keep all
        other messages waiting."""
        for attempt in range(_ATTEMPTS):
            path = folder / f"{next(self._numbers)}"
            try:
                with explaining(folder):
                    return path, self._copy(wanted, path)
            except RetryableError as error:
                path.unlink(missing_ok=True)
                if attempt + 1 == _ATTEMPTS or not is_of_this_record(error):
                    raise
                time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError

    def _copy(self, wanted: WantedObject, path: Path) -> Content:
        writer = HashingWriter(path)
        try:
            if wanted.content is not None:
                writer.write(wanted.content)
            else:
                assert wanted.address is not None
                self._files.read(wanted.address, self._up_to_largest(writer, wanted.address))
            return writer.finish()
        except BaseException:
            writer.close()
            raise

    def _up_to_largest(self, writer: HashingWriter, address: str) -> Callable[[bytes], None]:
        largest = self._settings.objects_topic_mb * _MB

        def write(piece: bytes) -> None:
            if writer.size_bytes + len(piece) > largest:
                raise ObjectRefused(
                    f"{address} has more than GMN_OBJECTS_TOPIC_MB ({largest // _MB:,} MB)."
                )
            writer.write(piece)

        return write

    def _leave_what_is_there(self) -> None:
        """Of what is there, with the same bytes and all that is said of it, no version is made.
        Records of one name are compared in their order."""
        staged = [one for one in self._coming if one.staged]
        current = self._current([one.staged.name for one in staged if one.staged])
        for one in staged:
            assert one.staged is not None
            now = (one.staged.content.sha256, one.staged.description)
            if current.get(one.staged.name) == now:
                one.staged = None
            else:
                current[one.staged.name] = now

    def _current(self, names: Sequence[ObjectName]) -> dict[ObjectName, tuple[str, Description]]:
        places: dict[tuple[str, str], list[str]] = {}
        for name in names:
            places.setdefault((name.project, name.container), []).append(name.name)
        return {
            stored.name: (stored.content.sha256, _without_type(stored))
            for place, of_place in places.items()
            for stored in self._target.search.named(*place, of_place).values()
        }

    def _name(self, refused: Sequence[_Coming]) -> None:
        """One transaction: objects, offsets, notes of what is refused."""
        batch = self._batch
        noted = [_noted(one) for one in refused]
        part = ReadPart(batch.topic, batch.topic_id, batch.cluster_id, batch.ranges, noted)
        failed = [(one.arrived.wanted.name, one.reason) for one in refused if one.arrived.wanted]
        beside = moving(part, failed, self._by)
        staged = [one.staged for one in self._coming if one.staged]
        if not staged:
            self._target.offsets.move(beside)
            return
        try:
            self._target.landing.land(staged, self._by, beside=beside)
        except (ObjectConflict, ObjectMissing) as error:  # all of it was there a moment ago
            raise StreamBusy(
                f"What came by {batch.topic} could not be named: {error}",
                remedy="Somebody else changed the lake meanwhile; the next try reads it again.",
            ) from error


def check_metadata_of(description: Description, schema: Json, name: ObjectName) -> None:
    """That metadata is by its container's schema, if there is one. Raises ObjectRefused."""
    if schema is not None:
        check_metadata(description, schema, name)


def _noted(one: _Coming) -> NotedLetter:
    record = one.arrived.record
    sent_at_utc = from_timestamp(max(record.timestamp, 0) / 1000)
    return NotedLetter(
        record.partition, record.offset, sent_at_utc, _without_nul(text_of(record.key)),
        len(record.value or b""), _without_nul(one.reason) or "",
    )  # fmt: skip


def _without_nul(text: str | None) -> str | None:
    """As PostgreSQL keeps texts."""
    return None if text is None else text.replace("\0", "\\x00")


def _without_type(stored: StoredObject) -> Description:
    """What was said of it: its type was found."""
    return replace(stored.description, content_type="")


def is_of_this_record(error: GmnError) -> bool:
    """Whether an error is of the file that a record names, not of this lake."""
    return isinstance(error, _OF_A_RECORD)


OBJECTS = Stream(
    "objects",
    command="gmn objects take-in",
    lock="objects-take-in.lock",
    place=Place(
        ObjectsTarget.of, lambda _: nullcontext(), ObjectsTarget.stored, ObjectsTarget.forget
    ),
    topic=objects_topic,
    decode=decode_batch,
    ingest=ingest,
    no_counts=ObjectCounts,
    most=lambda settings: settings.objects_topic_batch,
    gather_s=lambda settings: settings.stream_wait_s,
)
"""Files into the lake of objects."""
