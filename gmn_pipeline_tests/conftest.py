"""Fixtures that more than one file of tests uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline_tests.kafka import RunningBroker, need_kafka, own_broker
from gmn_pipeline_tests.sample import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty site and an empty data folder."""
    return Bench(tmp_path, run_retries=0)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A real Apache Kafka that all tests of a process share."""
    need_kafka()
    with own_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
