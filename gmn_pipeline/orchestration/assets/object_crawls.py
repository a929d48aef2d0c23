"""Crawls as Dagster shows them: an asset without partitions, whose runs look through all of them.

What belongs here: the asset, its check, what a run tells. What does not: crawling
(`flows/object_crawl.py`).
"""

from collections.abc import Iterator

import dagster as dg

from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.orchestration.asset_checks import check_result
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.markdown import cell, table
from gmn_pipeline.orchestration.metadata import OWNERS
from gmn_pipeline.orchestration.pools import OBJECTS_CRAWLER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.objects import By

_SHOWN = 100

_FIT = dg.AssetCheckSpec(
    "every_file_fits",
    asset=keys.OBJECTS_CRAWLS,
    description="Every file that was read is of a table and fits it, or is none; the message has "
    "the reasons why not. 'gmn objects crawls NAME' tells of all that were left out.",
)
_SPEC = dg.AssetSpec(
    keys.OBJECTS_CRAWLS,
    group_name="objects",
    owners=OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Tables in folders and buckets of many files. A run reads what is new or changed, "
    "tells what that did to schemas, and brings accepted tables up to date.",
)


@dg.multi_asset(name="crawl_objects", specs=[_SPEC], check_specs=[_FIT], pool=OBJECTS_CRAWLER)
def crawl_objects(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Look through all crawls; one that cannot be had fails alone, and is tried again."""
    settings = pipeline.settings()
    counts = {"crawls": 0, "files": 0, "read": 0, "gone": 0, "put": 0, "views_changed": 0}
    failures: dict[str, str] = {}
    changes: list[tuple[str, ...]] = []
    errors: list[GmnError] = []
    crawling = Crawling(settings, By("Dagster", context.run.run_id))
    try:
        with crawling.working() as workshop:
            for crawl in crawling.crawls.all():
                try:
                    done = crawling.crawl(crawl, workshop)
                except GmnError as error:
                    errors.append(error)
                    failures[crawl.name] = error.message
                    continue
                found = (1, done.listed, done.read, done.gone, done.put, done.views_changed)
                counts = {
                    name: count + more
                    for (name, count), more in zip(counts.items(), found, strict=True)
                }
                failures |= {f"{crawl.name}: {what}": why for what, why in done.failures.items()}
                changes += [
                    (cell(crawl.name), cell(one.table), one.kind.value, cell(one.column),
                     cell(one.after), cell(one.path))
                    for one in done.changes
                ]  # fmt: skip
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    for what, why in failures.items():
        context.log.warning(f"{what}: {why}")
    if errors:
        raise retry_or_fail(context, settings, errors)
    head = ("crawl", "table", "change", "column", "type", "by")
    shown = table(head, changes[:_SHOWN]) if changes else "none"
    yield dg.MaterializeResult(
        asset_key=_SPEC.key,
        metadata={**counts, "schema_changes": dg.MetadataValue.md(shown)},
    )
    some = dict(list(failures.items())[:_SHOWN])
    told = {"failed": len(failures), "reasons": some} if some else {}
    yield check_result(_FIT, not failures, told)[1]
