"""The Kafka cluster that `gmn run` publishes to and reads back.

What belongs here: whose cluster it is, and sentences for a person. What does not: starting a broker
(`kafka/local_broker/`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gmn_pipeline.errors import KafkaUnavailable
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.kafka.local_broker.process import start
from gmn_pipeline.settings import KafkaSettings


@dataclass(frozen=True)
class Cluster:
    """A cluster to work with, or why there is none."""

    servers: str | None
    note: str


@contextmanager
def cluster_for(settings: KafkaSettings) -> Iterator[Cluster]:
    """The cluster that is set, or the data folder's broker, or one as long as the block runs."""
    servers = bootstrap_servers(settings)
    if servers is not None:
        yield Cluster(servers, f"Kafka at {servers}.")
        return
    if not settings.own_kafka:
        yield Cluster(None, "Nothing was published: no Kafka is set (KAFKA_BOOTSTRAP_SERVERS).")
        return
    try:
        own = start(settings.data_dir)
    except KafkaUnavailable as error:
        yield Cluster(None, f"Nothing was published, the rest is done: {error}")
        return
    try:
        yield Cluster(own.bootstrap_servers, "Kafka ran for as long as this did ('make kafka').")
    finally:
        own.stop()
