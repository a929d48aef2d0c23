"""Lakes and servers for all tests of the client that change none of them."""

from collections.abc import Iterator

import pytest

from gmn_client import Client
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.lake import small_lake
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.year import load_year


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def server(lake: Settings) -> Iterator[Server]:
    with serving(lake, serve_requests_per_minute=100_000) as running:
        yield running


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_year(tmp_path_factory.mktemp("year"), rows=9_000)


@pytest.fixture(scope="session")
def studied(year: Settings) -> Iterator[Server]:
    """A server of a year, for studies."""
    with serving(year, serve_requests_per_minute=100_000) as running:
        yield running


@pytest.fixture
def gmn(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
