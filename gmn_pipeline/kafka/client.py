"""Kafka through its client: connections made from the settings, and its errors as ours.

What belongs here: everything that knows kafka-python's options and errors. What does not: topics
(`topics.py`), messages (`framing.py`), and starting a broker (`local_broker/`).
"""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import (  # type: ignore[import-untyped]
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
)
from kafka.cluster import collect_hosts  # type: ignore[import-untyped]
from kafka.errors import (  # type: ignore[import-untyped]
    AuthorizationError,
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
)

from gmn_pipeline.errors import BrokerNotSet, BrokerUnavailable, SettingsError
from gmn_pipeline.kafka.local_broker import process as broker
from gmn_pipeline.settings import KafkaSettings

MAX_MESSAGE_BYTES = 8 << 20
"""Largest message passed on: a dead letter has to fit, whatever it is."""

_CONNECT_S = 1.0
_LOOK_S = 0.1


def bootstrap_servers(settings: KafkaSettings) -> str | None:
    """Where Kafka is: as set, or the data folder's own broker if it runs; None if nowhere."""
    if settings.kafka_bootstrap_servers:
        return settings.kafka_bootstrap_servers
    own = broker.running(settings.data_dir)
    return own.bootstrap_servers if own else None


def address(settings: KafkaSettings) -> str:
    """Where Kafka is, for a sentence that tells of it."""
    return bootstrap_servers(settings) or "no address (this data folder's own does not run)"


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client needs to reach the cluster. Secrets come from the environment only."""
    servers = bootstrap_servers(settings)
    if servers is None:
        raise BrokerNotSet(
            "No Kafka is set, and this data folder's own does not run.",
            remedy="Set KAFKA_BOOTSTRAP_SERVERS, or start one with 'make kafka'.",
        )
    timeout_ms = int(settings.kafka_timeout_s * 1000)
    options = {
        "bootstrap_servers": [server.strip() for server in servers.split(",")],
        "client_id": "gmn-pipeline",
        "request_timeout_ms": timeout_ms,
        "bootstrap_timeout_ms": timeout_ms,
        "reconnect_backoff_max_ms": 1_000,
        "security_protocol": settings.kafka_security_protocol,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": _secret(settings.kafka_sasl_password),
        "ssl_cafile": _text(settings.kafka_ssl_cafile),
        "ssl_certfile": _text(settings.kafka_ssl_certfile),
        "ssl_keyfile": _text(settings.kafka_ssl_keyfile),
        "ssl_password": _secret(settings.kafka_ssl_password),
    }
    return {name: value for name, value in options.items() if value is not None}


def is_reachable(settings: KafkaSettings) -> bool:
    """Whether any of the servers takes a connection: a quick look that the client does not log.

    A broker that starts takes connections a moment before it answers.
    """
    return any(
        _takes_connections(host, port)
        for host, port, _ in collect_hosts(bootstrap_servers(settings) or [])
    )


def _takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def wait_until_reachable(
    settings: KafkaSettings, timeout_s: float, is_stopped: Callable[[], bool]
) -> bool:
    """Whether a server takes connections in time, and nothing is to stop meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not (is_stopped() or is_reachable(settings)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return not is_stopped()


def _secret(value: Any) -> str | None:
    return value.get_secret_value() if value else None


def _text(value: Any) -> str | None:
    return str(value) if value else None


@contextmanager
def kafka_errors(settings: KafkaSettings, doing: str) -> Iterator[None]:
    """Kafka's errors as this project's: what may pass by itself is to be tried again."""
    try:
        yield
    except AuthorizationError as error:
        raise SettingsError(
            f"Kafka does not allow {doing}: {error}.",
            remedy="Give the user of KAFKA_SASL_USERNAME the right to it.",
        ) from error
    except KafkaConfigurationError as error:
        raise SettingsError(
            f"Kafka's client refuses a setting: {error}.",
            remedy="Correct the KAFKA_... or GMN_KAFKA_... setting that it names.",
        ) from error
    except KafkaError as error:
        raise BrokerUnavailable(
            f"Kafka at {address(settings)} failed while {doing}: {error}.",
            remedy="Nothing is lost: what is not done is done by the next run. See whether the "
            "broker runs, and KAFKA_BOOTSTRAP_SERVERS; a wrong password, certificate or protocol "
            "(KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_..., KAFKA_SSL_...) looks the same.",
        ) from error


@contextmanager
def admin_client(settings: KafkaSettings) -> Iterator[Any]:
    """An admin client."""
    with kafka_errors(settings, "connecting"):
        admin = KafkaAdminClient(**connection_options(settings))
    try:
        yield admin
    finally:
        admin.close()


@contextmanager
def producer(settings: KafkaSettings) -> Iterator[Any]:
    """A producer that is idempotent and waits for all copies."""
    timeout_ms = int(settings.kafka_timeout_s * 1000)
    options = connection_options(settings)
    # A request that is given up has to leave time for another try.
    options["request_timeout_ms"] = max(timeout_ms // 2, 1_000)
    with kafka_errors(settings, "connecting"):
        made = KafkaProducer(
            **options, acks="all", enable_idempotence=True, linger_ms=20, batch_size=256 * 1024,
            max_block_ms=timeout_ms, delivery_timeout_ms=timeout_ms + 1_000,
            max_request_size=MAX_MESSAGE_BYTES, metrics_enabled=False,
        )  # fmt: skip
    try:
        yield made
    finally:
        _close_producer(made)


def _close_producer(made: Any) -> None:
    """Close it, whatever it has not sent: who sent has been told, and this error would hide that.

    kafka-python 3.0 gives up closing where something is unsent, and leaves its thread at work.
    """
    try:
        made.close(timeout=1)
    except KafkaTimeoutError:
        made._sender.force_close()
        with suppress(KafkaTimeoutError):
            made.close(timeout=1)


@contextmanager
def consumer(settings: KafkaSettings) -> Iterator[Any]:
    """A consumer without a group: offsets are kept in the warehouse."""
    with kafka_errors(settings, "connecting"):
        made = KafkaConsumer(
            **connection_options(settings), group_id=None, enable_auto_commit=False,
            auto_offset_reset="none", isolation_level="read_committed",
            allow_auto_create_topics=False, fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 << 20, metrics_enabled=False,
            # All that was fetched at once. With less, kafka-python 3.0 keeps the rest of a paused
            # partition apart, and after its resume may never deliver it (docs/decisions/0021).
            max_poll_records=sys.maxsize,
        )  # fmt: skip
    try:
        yield made
    finally:
        made.close()
