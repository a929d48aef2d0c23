"""Settings of Kafka.

What belongs here: the cluster, its topics, and how much is sent and read at once.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from gmn_pipeline.settings.folders import FolderSettings
from gmn_pipeline.settings.group import SettingsGroup


class KafkaSettings(FolderSettings):
    """Kafka: the cluster, its topic, the schema registry."""

    kafka_bootstrap_servers: str | None = Field(
        None,
        validation_alias="KAFKA_BOOTSTRAP_SERVERS",
        description="Kafka: host:port, separated by commas. Unset: the broker of the data folder "
        "('make kafka'), if it runs.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT",
        validation_alias="KAFKA_SECURITY_PROTOCOL",
        description="How Kafka is talked to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    )
    kafka_sasl_mechanism: str | None = Field(
        None,
        validation_alias="KAFKA_SASL_MECHANISM",
        description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with a SASL protocol.",
    )
    kafka_sasl_username: str | None = Field(
        None, validation_alias="KAFKA_SASL_USERNAME", description="User name for SASL."
    )
    kafka_sasl_password: SecretStr | None = Field(
        None, validation_alias="KAFKA_SASL_PASSWORD", description="Password for SASL."
    )
    kafka_ssl_cafile: Path | None = Field(
        None,
        validation_alias="KAFKA_SSL_CAFILE",
        description="Certificates (PEM) that sign Kafka's own, if the system's do not.",
    )
    kafka_ssl_certfile: Path | None = Field(
        None,
        validation_alias="KAFKA_SSL_CERTFILE",
        description="Certificate (PEM) by which this client shows who it is.",
    )
    kafka_ssl_keyfile: Path | None = Field(
        None, validation_alias="KAFKA_SSL_KEYFILE", description="Private key of that certificate."
    )
    kafka_ssl_password: SecretStr | None = Field(
        None, validation_alias="KAFKA_SSL_PASSWORD", description="Password of that private key."
    )
    schema_registry_url: str | None = Field(
        None,
        validation_alias="SCHEMA_REGISTRY_URL",
        description="Schema registry with Confluent's API. Unset: messages name their schema by "
        "its fingerprint (Avro single-object encoding).",
    )
    schema_registry_basic_auth: SecretStr | None = Field(
        None,
        validation_alias="SCHEMA_REGISTRY_BASIC_AUTH",
        description="user:password for the schema registry.",
    )
    kafka_topic: str = Field(
        "trajectory_summary_raw", description="Topic of the trajectories; with '.dlq' after it, "
        "the topic of what could not be read."
    )  # fmt: skip
    kafka_readings_topic: str = Field(
        "station_readings", description="Topic of the readings of stations."
    )
    kafka_readings_keep_hours: float = Field(
        168.0,
        gt=0,
        description="Hours for which the topic keeps readings: as long, those who take them into "
        "the lake may be away.",
    )
    kafka_objects_topic: str = Field("objects", description="Topic of objects that are to be put.")
    kafka_objects_keep_hours: float = Field(
        168.0,
        gt=0,
        description="Hours for which that topic keeps them: as long, those who take them in may "
        "be away.",
    )
    kafka_objects_message_mb: int = Field(
        2, ge=1, le=7, description="Largest message (MiB) of that topic when this pipeline makes "
        "it: larger files go by an address."
    )  # fmt: skip
    kafka_partitions: int = Field(
        3, ge=1, description="Partitions of the topic when this pipeline makes it."
    )
    kafka_replication: int = Field(
        -1, ge=-1, description="Copies of each partition then; -1 for what the cluster does."
    )
    kafka_timeout_s: float = Field(
        30.0, gt=0, description="Seconds that Kafka may take to answer or acknowledge."
    )
    own_kafka: bool = Field(
        True, description="Whether 'gmn run' may start a broker of its own where none is set."
    )


class StreamSettings(SettingsGroup):
    """Publications and streams: how much is sent and read at once."""

    publish_batch: int = Field(
        20_000, ge=1, description="Messages sent before their acknowledgement is recorded."
    )
    stream_records: int = Field(
        50_000, ge=1, description="Most messages that one run takes in at once."
    )
    stream_wait_s: float = Field(
        0.005, ge=0, description="Seconds that 'gmn stream' gathers messages before it merges them."
    )
