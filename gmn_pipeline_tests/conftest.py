"""Fixtures that more than one file of tests uses."""

import importlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.model.checker import Checker
from gmn_pipeline_tests.support.kafka import RunningBroker, need_kafka, own_broker
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer, own_object_storage
from gmn_pipeline_tests.support.places import catalog_of, placed
from gmn_pipeline_tests.support.postgres import PostgresServer, own_postgres
from gmn_pipeline_tests.support.quick_lakes import lakes_copied
from gmn_pipeline_tests.support.sample import DAILY, Bench, client_folder, sample

SLOW_FILES = frozenset(
    """
    accounts alerts_feed annotations answer_formats backends broker_outage by_key canned
    canned_of_objects canned_parameters cli client connect cookbook counted_ahead crawls_http cubes
    cubes_kept dagster dashboards dashboards_linked dashboards_page dashboards_private
    dashboards_shared data_folder database days_as_they_come deploy detector dev distribution
    downloads event_log events events_many events_websocket explore exports facets feeds first_loads
    following held_files held_open http iceberg identifiers_made_here lake_pages lake_renewed lakes
    latest_held listening live local_broker maintenance media mirrors model model_cases
    model_message_cases notebooks object_arrivals object_commands object_crawl object_keys
    object_processing object_processing_assets object_roads object_search objects objects_assets
    objects_http objects_page objects_rights objects_shared objects_sql objects_uploads
    pages_for_clients portal portal_for_everyone portal_tables postgres_catalog processors
    publications queries queries_refused questions reader readings readings_assets readings_lake
    refusals registry reloading replaced_readings rest_api rights_matrix row_pages s3 s3_versions
    saved_dashboards secure_broker serving_survival shower_refresh sign_in sign_in_away slow_clients
    snapshot sql state_names states station_database station_listener station_mqtt station_readings
    stations_any_order stream_service stream_states stream_waits streams summary_text survival
    tables tap tap_clients tap_jobs topics undisputed unpublished_sensor verify waiting warehouse
    """.split()  # noqa: SIM905 - names are many, and branches add theirs
)
"""What `make test-fast` leaves out: what starts servers and processes, or loads day after day."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW_FILES:
            item.add_marker("slow")
    # Files of seconds last, so that no processor waits while the other one has a file of minutes.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


# Here and in the processes that tests start. Lakes of tests are small: a second thread of DuckDB
# doubles the processor time of a load, and the whole suite takes a quarter longer.
os.environ.setdefault("GMN_WAREHOUSE_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def quick_lakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests of a process need not do each time."""
    with lakes_copied(tmp_path_factory.mktemp("lakes")):
        yield


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty site and an empty data folder."""
    return Bench(tmp_path, run_retries=0)


@pytest.fixture
def checker(tmp_path: Path) -> Iterator[Checker]:
    """The model with the whole pipeline."""
    with Checker(tmp_path, every=1, ignored=("report",)) as one:
        yield one


@pytest.fixture
def merge(tmp_path: Path) -> Iterator[Checker]:
    """The merge by itself: what goes wrong in it, and in nothing around it."""
    with Checker(tmp_path, every=1, plain=True) as one:
        yield one


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A real Apache Kafka that all tests of a process share."""
    need_kafka()
    with own_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL that all tests of a process share."""
    with own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def object_storage() -> Iterator[ObjectStorageServer]:
    """A real server with S3's protocol that all tests of a process share."""
    with own_object_storage() as server:
        yield server


@pytest.fixture
def in_postgres(bench: Bench, postgres: PostgresServer) -> Settings:
    """Settings of a new warehouse with its catalogue there, and 20 trajectories to load."""
    bench.put(DAILY, sample().first(20))
    return placed(bench, catalog_of(postgres))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The reader of the network's Python client. Its package is replaced by an empty one with
    the same folder: the package's own `__init__` imports what is not needed here (bs4)."""
    before = set(sys.modules)
    package = ModuleType("gmn_python_api")
    package.__path__ = [str(client_folder())]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    yield importlib.import_module("gmn_python_api.meteor_trajectory_reader")
    for name in set(sys.modules) - before:
        if name.startswith("gmn_python_api."):
            del sys.modules[name]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter, and read; pytest's own is closed to them."""
    with tempfile.TemporaryDirectory(prefix="gmn-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def as_another_user() -> Callable[[Callable[[], object]], object]:
    """Run something as a user who may not write what this one wrote; its answer.

    In a process of its own, since the way back is closed. Only root can become another user.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return _run_as_nobody


_NOBODY = 65_534


def _run_as_nobody(what: Callable[[], object]) -> object:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        try:
            answer = (True, what())
        except BaseException as error:
            answer = (False, repr(error))
        os.write(write, pickle.dumps(answer))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        is_good, answer = pickle.load(file)
    os.waitpid(child, 0)
    assert is_good, answer
    return answer
