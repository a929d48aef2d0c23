"""`gmn dev`: the Dagster UI with its daemon."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console
from gmn_pipeline.config import load_settings
from gmn_pipeline.orchestration.home import prepare_dagster_home


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """The Dagster UI with its daemon, on the same storage as 'gmn run'."""
    home = prepare_dagster_home(load_settings())
    command = [
        "dagster", "dev", "--module-name", "gmn_pipeline.definitions",
        "--host", host, "--port", str(port),
    ]  # fmt: skip
    console.print(f"Dagster on http://{host}:{port}, storage in {home}", soft_wrap=True)
    os.execv(Path(sys.executable).with_name("dagster"), command)  # noqa: S606 - no shell
