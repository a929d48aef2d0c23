"""`gmn stream`: take the topic into the warehouse as it comes."""

from typing import Annotated

import typer
from dagster import AssetKey

from gmn_pipeline.cli.console import console, tell_of_work
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.assets.streams import reporter
from gmn_pipeline.orchestration.home import dagster_instance
from gmn_pipeline.settings import load_settings
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.stream import Stream
from gmn_pipeline.streams.trajectories import TRAJECTORIES

Once = Annotated[bool, typer.Option("--once", help="End at the end of the topic.")]
FromBeginning = Annotated[
    bool, typer.Option("--from-beginning", help="Read all that the topic has once more.")
]


def stream(once: Once = False, from_beginning: FromBeginning = False) -> None:
    """Take the topic into the warehouse as it comes; ends on Ctrl-C or SIGTERM."""
    run_service(TRAJECTORIES, keys.STREAMS_TRAJECTORIES, once=once, from_beginning=from_beginning)


def run_service(of: Stream, key: AssetKey, *, once: bool, from_beginning: bool) -> None:
    """Run the service of a stream, which tells Dagster's asset of what it does."""
    settings = load_settings()
    tell_of_work()
    topic = of.topic(settings).name
    with dagster_instance(settings) as instance:
        service = StreamService(of, settings, reporter(instance, key))
        with on_signals(service.stop, service.cut_short):
            service.run(
                once=once,
                from_beginning=from_beginning,
                on_ready=lambda: console.print(
                    f"Taking in {topic} from {bootstrap_servers(settings)}."
                ),
            )
    console.print("Stopped.")
