"""`gmn iceberg`: tables of the lakes for other databases."""

from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console
from gmn_pipeline.releases.iceberg import export
from gmn_pipeline.settings import load_settings


def export_iceberg(
    folder: Annotated[Path, typer.Argument(help="Where they are, or are to be.")],
) -> None:
    """Bring Iceberg tables of all lakes up to date: trajectories, readings, and what is in objects.
    Each is as of one state of its lake; what has not changed is left as it is."""
    for one in export(load_settings(), folder):
        said = "" if one.is_new else " (as it was)"
        console.print(f"{one.name}: {one.rows:,} rows{said}", highlight=False)
