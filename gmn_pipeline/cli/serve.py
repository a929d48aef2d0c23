"""`gmn serve`: the warehouse over HTTP.

What belongs here: the command itself. What does not: the server (`serving/`).
"""

from typing import Annotated

import typer

from gmn_pipeline.cli.addresses import must_be_free
from gmn_pipeline.cli.console import console
from gmn_pipeline.serving.memory import few_arenas
from gmn_pipeline.settings import WarehouseSettings, load_settings
from gmn_pipeline.storage.problems import explaining, sentence


def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8001,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Answer over HTTP what the warehouse holds, and give and take objects; works while a load
    runs."""
    few_arenas()
    from gmn_pipeline.serving.app import run

    settings = load_settings()
    with explaining(settings.data_dir):
        must_be_free(host, port)
        at = f"http://{host}:{port}"
        where = f"Serving {settings.data_dir}: the portal at {at}/, for programs {at}/docs"
        console.print(where, soft_wrap=True, markup=False)
        _bring_up_to_date(settings)
        run(settings, host, port)


def _bring_up_to_date(settings: WarehouseSettings) -> None:
    """Add what lakes of an earlier version lack. The server starts all the same if that
    cannot be: what is broken may be mended while it runs."""
    from gmn_pipeline.warehouse import ddl
    from gmn_pipeline.warehouse.connection import WarehouseConnection
    from gmn_pipeline.warehouse.lakes import READINGS, WAREHOUSE

    try:
        for lake in (WAREHOUSE, READINGS):
            ddl.bring_up_to_date(WarehouseConnection(settings, lake))
    except Exception as error:
        why = sentence(error, settings.data_dir)
        say = f"The lakes cannot be brought up to date: {why}"
        console.print(say, soft_wrap=True, markup=False)
