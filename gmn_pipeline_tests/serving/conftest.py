"""One lake and one server for all tests that change neither."""

from collections.abc import Iterator

import pytest

from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.lake import small_lake
from gmn_pipeline_tests.support.server import Server, serving

PAGE_ROWS = 100


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def server(lake: Settings) -> Iterator[Server]:
    with serving(lake, serve_page_rows=PAGE_ROWS, serve_sql_queries=3) as running:
        yield running
