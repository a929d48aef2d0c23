"""`gmn kafka`: a Kafka broker of the data folder on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline.kafka.local_broker.install import kafka_version
from gmn_pipeline.kafka.local_broker.process import running, start_or_join

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One Kafka broker on this machine, for who has no cluster.",
)
DataDir = Annotated[
    Path, typer.Option(envvar="GMN_DATA_DIR", help="Folder of everything this pipeline keeps.")
]
Port = Annotated[int, typer.Option(help="Port of 127.0.0.1 that the broker listens on.")]


@app.command("start")
def start_broker(data_dir: DataDir = Path("data"), port: Port = 9092) -> None:
    """Start the broker and return when it answers; it runs until it is stopped."""
    broker, is_own = start_or_join(data_dir, port, outlive_caller=True)
    if not is_own:
        typer.echo(f"Kafka already runs at {broker.bootstrap_servers} (pid {broker.pid}).")
        return
    typer.echo(
        f"Kafka {kafka_version()} runs at {broker.bootstrap_servers} (pid {broker.pid}); "
        f"its log is {broker.folder / 'broker.log'}."
    )


@app.command("stop")
def stop_broker(data_dir: DataDir = Path("data")) -> None:
    """Stop the broker, if it runs."""
    broker = running(data_dir)
    if broker is None:
        typer.echo("Kafka does not run.")
        return
    broker.stop()
    typer.echo(f"Kafka at {broker.bootstrap_servers} is stopped.")


@app.command("status")
def show_broker(data_dir: DataDir = Path("data")) -> None:
    """Tell whether the broker runs, and where; the exit code is 1 if it does not."""
    broker = running(data_dir)
    if broker is None:
        typer.echo("Kafka does not run.")
        raise typer.Exit(1)
    typer.echo(f"Kafka runs at {broker.bootstrap_servers} (pid {broker.pid}).")


@app.command("http")
def serve_topics(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8082,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Topics over HTTP, to write and to read, as of Confluent's REST Proxy v2."""
    from gmn_pipeline.cli.addresses import must_be_free
    from gmn_pipeline.errors import SettingsError
    from gmn_pipeline.serving.topics.app import run
    from gmn_pipeline.settings import load_settings

    settings = load_settings()
    if settings.topics_token is None:
        raise SettingsError(
            "Topics are not to be had over HTTP: no token is set.",
            remedy="Set GMN_TOPICS_TOKEN to a long secret that clients are to name.",
        )
    must_be_free(host, port)
    typer.echo(f"Topics at http://{host}:{port}/topics")
    run(settings, settings.topics_token.get_secret_value(), host, port)


@app.command("connect")
def capture_changes(
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1 that tells how it is.")] = 8083,
) -> None:
    """Write every change of a station's database to a topic, by Debezium on Kafka Connect."""
    import os
    import sys

    from gmn_pipeline.cli.addresses import must_be_free
    from gmn_pipeline.errors import BrokerNotSet, SettingsError
    from gmn_pipeline.kafka import connect
    from gmn_pipeline.kafka.client import bootstrap_servers
    from gmn_pipeline.kafka.local_broker.install import broker_folder
    from gmn_pipeline.settings import load_settings
    from gmn_pipeline.sources.station_database import place_of, station_table

    settings = load_settings()
    servers = bootstrap_servers(settings)
    if servers is None:
        raise BrokerNotSet("No Kafka is set, and none runs here.", remedy="Start one: make kafka.")
    if settings.station_database is None:
        raise SettingsError(
            "No database of a station is set.",
            remedy="Name its description in GMN_STATION_DATABASE (docs/station-databases.md).",
        )
    table = station_table(settings.station_database)
    captured = connect.CapturedTable(**vars(place_of(table)), table=table.name)
    must_be_free("127.0.0.1", port)
    libs = connect.fetch(connect.libs_dir(settings.data_dir))
    folder = broker_folder(settings.data_dir) / "connect"
    connect.write_properties(folder, servers, captured, port)
    secret = settings.station_database_password
    os.environ[connect.PASSWORD] = secret.get_secret_value() if secret else ""
    typer.echo(f"Changes of {table.place} go to the topic {captured.topic}.")
    sys.stdout.flush()
    os.chdir(folder)
    command = connect.command(folder, libs)
    os.execv(command[0], command)  # noqa: S606 - no shell
