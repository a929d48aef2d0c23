"""What becomes of tables that a crawl found: views over files where they lie, or loaded tables.

What belongs here: accepting and refusing them, and bringing them up to date with what is noted of
their files. What does not: finding them (`object_crawl.py`), views themselves
(`warehouse/objects/in_place.py`).
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from gmn_pipeline.database.crawls import Crawl, CrawledFile, CrawledTable, Crawls, TableState
from gmn_pipeline.database.object_runs import ObjectRuns
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import GmnError, NotPermitted, ObjectRefused
from gmn_pipeline.flows.object_puts import Given, put_files
from gmn_pipeline.flows.object_rules import reprocess, set_rules
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.processing.table_groups import Change
from gmn_pipeline.processing.tables import Tables, table_name
from gmn_pipeline.schemas.objects import By, ObjectName
from gmn_pipeline.settings import ObjectProcessingSettings
from gmn_pipeline.sources.files import FileSource, SourceFile
from gmn_pipeline.sources.files_in_bucket import BucketFiles
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.sources.files_of import files_of
from gmn_pipeline.warehouse.buckets_in_place import BucketInPlace
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.objects.in_place import InPlace, Part, can_be_in_place, hide, show

_COUNTS = (
    "listed", "unchanged", "read", "failed", "no_table", "left_out", "gone", "put", "deleted",
    "views_changed",
)  # fmt: skip
_FAILURES_KEPT = 100

Schemas = Mapping[str, tuple[str, Mapping[str, str]]]
"""Media types and columns by hash."""


@dataclass
class Crawled:
    """What a crawl came to: listed = unchanged + read + failed; `no_table` and `left_out` are among
    those that were read."""

    listed: int = 0
    unchanged: int = 0
    read: int = 0
    failed: int = 0
    no_table: int = 0
    left_out: int = 0
    gone: int = 0
    put: int = 0
    deleted: int = 0
    views_changed: int = 0
    changes: list[Change] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by file or table."""
    is_stopped: bool = False
    """Whether somebody asked it to stop: the next one goes on from there."""

    def told(self, by: By, failed: GmnError | None = None) -> dict[str, Any]:
        """What is kept of it; `failed`: why it did not come to its end."""
        state = "failed" if failed else "stopped" if self.is_stopped else "ended"
        counts = {name: getattr(self, name) for name in _COUNTS}
        return {
            "state": state, "by": by.who, **counts,
            "schema_changes": len(self.changes), "failure_count": len(self.failures),
            "failures": dict(islice(self.failures.items(), _FAILURES_KEPT)),
            "reason": failed.message if failed else "", "remedy": failed.remedy if failed else "",
        }  # fmt: skip


@dataclass(frozen=True)
class CrawledTables:
    """The parts that it takes."""

    settings: ObjectProcessingSettings
    by: By
    objects: OpenedObjects
    crawls: Crawls
    lake: WarehouseConnection

    def decide(self, crawl: Crawl, table: str, state: TableState, shown_as: str = "") -> str:
        """Accept a table that was found, as a view or to be loaded, or refuse it; its name in the
        lake. The next crawl, or `bring_up_to_date`, does it."""
        found = {one.name: one for one in self.crawls.tables(crawl.name)}.get(table)
        if state is TableState.VIEW and found and not can_be_in_place(found.content_type):
            raise ObjectRefused(
                f"Files of {found.content_type} cannot be read where they are.",
                remedy="Let them be loaded: --as loaded.",
            )
        shown = shown_as or (found.shown_as if found else table)
        if found is not None:
            self._undo(crawl, found, state, shown)
        self.crawls.decide(crawl.name, table, state, shown, self.by)
        return _in_lake(crawl, shown)

    def in_lake(self, crawl: Crawl, table: CrawledTable) -> str:
        """What a table is called in the lake."""
        return _in_lake(crawl, table.shown_as)

    def forget(self, crawl: Crawl) -> None:
        """Forget a crawl: its views go, objects that were put stay."""
        for table in self.crawls.tables(crawl.name):
            self._undo(crawl, table, TableState.REFUSED, table.shown_as)
        self.crawls.forget(crawl.name)

    def bring_up_to_date(
        self, crawl: Crawl, done: Crawled, source: FileSource | None = None
    ) -> None:
        """Let accepted tables have what is noted of their files. One that cannot fails alone."""
        source = source or source_of(crawl, self.settings)
        files = self.crawls.files(crawl.name)
        schemas = self.crawls.schemas(crawl.name)
        tables = self.crawls.tables(crawl.name)
        is_shown = any(one.state is TableState.VIEW for one in tables)
        with self.lake.session() if is_shown else nullcontext():  # opened once for all views
            self._bring_up_to_date(crawl, done, source, tables, files, schemas)

    def _bring_up_to_date(
        self, crawl: Crawl, done: Crawled, source: FileSource, tables: Sequence[CrawledTable],
        files: Mapping[str, CrawledFile], schemas: Schemas,
    ) -> None:  # fmt: skip
        for table in tables:
            of_it = [one for one in files.values() if one.table == table.name and not one.reason]
            try:
                if table.state is TableState.VIEW:
                    done.views_changed += self._show(crawl, table, of_it, schemas, source)
                elif table.state is TableState.LOADED:
                    self._load(crawl, table, of_it, source, done)
            except (ObjectRefused, NotPermitted) as error:
                done.failures[f"table {table.name}"] = str(error)

    def accept_by_rule(self, crawl: Crawl) -> None:
        """Accept what the crawl accepts without being asked about."""
        if crawl.accepted_as is TableState.PROPOSED:
            return
        by = replace(self.by, who=f"the crawl's rule ({self.by.who})")
        for table in self.crawls.tables(crawl.name):
            is_meant = fnmatchcase(table.name, crawl.accepted_names)
            if table.state is TableState.PROPOSED and is_meant:
                state = crawl.accepted_as
                if state is TableState.VIEW and not can_be_in_place(table.content_type):
                    state = TableState.LOADED
                self.crawls.decide(crawl.name, table.name, state, table.shown_as, by)

    def _show(
        self, crawl: Crawl, table: CrawledTable, files: Sequence[CrawledFile], schemas: Schemas,
        source: FileSource,
    ) -> bool:  # fmt: skip
        paths: dict[str, list[str]] = {}
        for file in files:
            paths.setdefault(file.schema_sha256, []).append(file.path)
        parts = [Part(schemas[sha256][1], some) for sha256, some in sorted(paths.items())]
        root, bucket = _root(crawl, source)
        return show(
            self.lake,
            InPlace(
                _in_lake(crawl, table.shown_as), crawl.project, crawl.container, crawl.name,
                root, table.content_type, table.columns, parts, bucket,
            ),
        )  # fmt: skip

    def _load(
        self, crawl: Crawl, table: CrawledTable, files: Sequence[CrawledFile], source: FileSource,
        done: Crawled,
    ) -> None:  # fmt: skip
        """Put files as objects of a folder of the table's, which a rule loads."""
        folder = _folder(crawl, table)
        self._set_rule(crawl, folder, {"table": table.shown_as, "columns": dict(table.columns)})
        given = (
            Given(source, SourceFile(one.path, one.size_bytes, one.stamp), folder + one.path)
            for one in files
        )
        counts = put_files(self.objects, crawl.project, crawl.container, given, self.by)
        done.put += counts.put
        done.failures |= counts.failures
        if not crawl.is_deleting:
            return
        there = {folder + one.path for one in files}
        search = Search(project=crawl.project, container=crawl.container, folder=folder)
        for stored in list(self.objects.found(search)):
            if stored.name.name not in there:
                restorable_for = timedelta(days=self.settings.objects_restore_days)
                self.objects.catalogue.delete(stored, self.by, restorable_for)
                done.deleted += 1

    def _undo(self, crawl: Crawl, table: CrawledTable, state: TableState, shown_as: str) -> None:
        """Take back what was made of a table, as far as it is to be otherwise."""
        if (table.state, table.shown_as) == (state, shown_as):
            return
        if table.state is TableState.VIEW:
            hide(self.lake, _in_lake(crawl, table.shown_as), crawl.name)
        elif table.state is TableState.LOADED:
            self._set_rule(crawl, _folder(crawl, table), None)

    def _set_rule(self, crawl: Crawl, folder: str, rule: Mapping[str, object] | None) -> None:
        """Let the container load the files of a folder so, or not any more."""
        runs = ObjectRuns(self.objects.database)
        rules = dict(runs.rules(crawl.project, crawl.container))
        pattern = "".join(f"[{one}]" if one in "*?[" else one for one in folder) + "*"
        before = rules.get(Tables.name, [])
        others = [one for one in before if one.get("names") != pattern]
        wanted = others if rule is None else [{"names": pattern, **rule}, *others]
        if wanted == before:
            return
        rules |= {Tables.name: wanted}
        set_rules(runs, crawl.project, crawl.container, rules, self.by)
        into = next((one["table"] for one in before if one.get("names") == pattern), None)
        if into != (rule or {}).get("table"):  # what was put before goes there too, or nowhere
            search = Search(project=crawl.project, container=crawl.container, folder=folder)
            reprocess(runs, self.objects.search, search, self.by, Tables.name)


def source_of(crawl: Crawl, settings: ObjectProcessingSettings) -> FileSource:
    """Where the files of a crawl are. Raises SourceUnavailable if that is no folder."""
    return files_of(
        crawl.url, settings, is_anonymous=crawl.is_anonymous, endpoint_url=crawl.endpoint_url
    )


def _root(crawl: Crawl, source: FileSource) -> tuple[str, BucketInPlace | None]:
    """What the files of a crawl lie below, and, if it is a bucket, how that is reached."""
    if isinstance(source, BucketFiles):
        bucket = BucketInPlace(source.url, crawl.endpoint_url or "", crawl.is_anonymous)
        return source.url, bucket
    assert isinstance(source, FolderFiles)
    return f"{source.folder}/".replace("//", "/"), None


def _in_lake(crawl: Crawl, shown_as: str) -> str:
    return table_name(ObjectName(crawl.project, crawl.container, "file"), shown_as)


def _folder(crawl: Crawl, table: CrawledTable) -> str:
    return f"{crawl.name}/{table.name}/"
