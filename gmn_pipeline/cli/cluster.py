"""The Kafka cluster that `gmn run` publishes to and reads back.

What belongs here: whose cluster it is, and sentences for a person. What does not: starting a broker
(`kafka/local_broker/`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gmn_pipeline.errors import KafkaUnavailable
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.kafka.local_broker.process import start_or_join
from gmn_pipeline.settings import KafkaSettings


@dataclass(frozen=True)
class Cluster:
    """A cluster to work with, or why there is none."""

    servers: str | None
    note: str


@contextmanager
def cluster_for(settings: KafkaSettings) -> Iterator[Cluster]:
    """The cluster that is set, or the data folder's broker, or one as long as the block runs."""
    if settings.kafka_bootstrap_servers or not settings.own_kafka:
        yield _given(bootstrap_servers(settings))
        return
    try:
        broker, is_own = start_or_join(settings.data_dir)
    except KafkaUnavailable as error:
        yield Cluster(None, f"Nothing was published, the rest is done: {error}")
        return
    if not is_own:
        yield _given(broker.bootstrap_servers)
        return
    try:
        yield Cluster(broker.bootstrap_servers, "Kafka ran for as long as this did ('make kafka').")
    finally:
        broker.stop()


def _given(servers: str | None) -> Cluster:
    """A cluster that goes on without us, if there is one."""
    if servers is None:
        return Cluster(None, "Nothing was published: no Kafka is set (KAFKA_BOOTSTRAP_SERVERS).")
    return Cluster(servers, f"Kafka at {servers}.")
