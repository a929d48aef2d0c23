"""Change data capture: Kafka Connect with Debezium, which writes a table's changes to a topic.

What belongs here: its jars, its settings and its process. What does not: what a table is
(`sources/station_database.py`), and what is read from such a topic.

It works in the data folder's `kafka/connect/`: how far it is in the database's log is in
`offsets`, so it goes on from there when it is started again.
"""

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from gmn_pipeline.kafka.local_broker.install import (
    PROJECT,
    broker_folder,
    find_java,
    installed,
    run_maven,
)
from gmn_pipeline.storage.files import atomic_write

PASSWORD = "GMN_STATION_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
_POM = PROJECT / "deploy" / "connect" / "pom.xml"
_HEAP_MB = 512
_SERVER_IDS = 1 << 30
_MAIN = "org.apache.kafka.connect.cli.ConnectStandalone"


@dataclass(frozen=True)
class CapturedTable:
    """The table whose changes are captured, and where its database is."""

    host: str
    port: int
    user: str
    database: str
    table: str

    @property
    def topic_prefix(self) -> str:
        """Topics are called <prefix>.<database>.<table>."""
        return "changes"

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}.{self.database}.{self.table}"


def libs_dir(data_dir: Path) -> Path:
    """Where the jars of this pom belong: a changed pom has another folder."""
    pom_hash = hashlib.sha256(_POM.read_bytes()).hexdigest()[:8]
    return broker_folder(data_dir) / f"connect-libs-{pom_hash}"


def fetch(folder: Path) -> Path:
    """Put the jars into a folder, whole or not at all. Raises KafkaUnavailable."""

    def copy(to: Path) -> None:
        options = [f"-DoutputDirectory={to}", "-DincludeScope=runtime"]
        run_maven(_POM, ["dependency:copy-dependencies", *options], "Kafka Connect and Debezium")

    return installed(folder, copy)


def command(folder: Path, libs: Path) -> list[str]:
    """The process, which works in `folder`, with what `write_properties` put there."""
    return [
        str(find_java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Xmx{_HEAP_MB}m",
        "-Dorg.apache.logging.log4j.level=WARN", "-cp", f"{os.path.relpath(libs, folder)}/*",
        _MAIN, "worker.properties", "connector.properties",
    ]  # fmt: skip


def write_properties(folder: Path, servers: str, table: CapturedTable, port: int) -> None:
    """Write what Connect is told; `port` of 127.0.0.1 is where it tells how it is. The password is
    not in it: Connect reads the environment."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "worker.properties", _properties(_worker(servers, port)))
    atomic_write(folder / "connector.properties", _properties(_connector(servers, table)))


def _worker(servers: str, port: int) -> dict[str, str]:
    json = "org.apache.kafka.connect.json.JsonConverter"
    return {
        "bootstrap.servers": servers,
        "key.converter": json,
        "key.converter.schemas.enable": "false",
        "value.converter": json,
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": "offsets",
        "offset.flush.interval.ms": "1000",
        "listeners": f"http://127.0.0.1:{port}",
        "plugin.discovery": "only_scan",
        "config.providers": "env",
        "config.providers.env.class": (
            "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
        ),
        "config.providers.env.param.allowlist.pattern": PASSWORD,
    }


def _connector(servers: str, table: CapturedTable) -> dict[str, str]:
    name = f"{table.database}.{table.table}"
    return {
        "name": f"changes-of-{name}",
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": table.host,
        "database.port": str(table.port),
        "database.user": table.user,
        "database.password": f"${{env:{PASSWORD}}}",
        # Of all who follow the database's log none may have the same: by what it is of.
        "database.server.id": str(1 + zlib.crc32(f"{table.host}/{name}".encode()) % _SERVER_IDS),
        "topic.prefix": table.topic_prefix,
        # One: a change of a row comes after the one before.
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "-1",
        "database.include.list": table.database,
        "table.include.list": name,
        # The table stays free while it is read whole; it must not be altered meanwhile.
        "snapshot.locking.mode": "none",
        "bigint.unsigned.handling.mode": "precise",  # else the largest come as -1
        "decimal.handling.mode": "string",
        "include.schema.changes": "false",
        "schema.history.internal.kafka.bootstrap.servers": servers,
        "schema.history.internal.kafka.topic": f"{table.topic_prefix}.schema-history.{name}",
        "schema.history.internal.store.only.captured.tables.ddl": "true",
    }


def _properties(values: dict[str, str]) -> str:
    """As Java's Properties reads them: a backslash begins an escape."""
    lines = (f"{name}={_escaped(value)}" for name, value in values.items())
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
