"""`gmn sample`: a real file to try the pipeline with, without a network."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.paths import resolved


def sample(
    folder: Annotated[Path, typer.Argument(help="Where to lay it out.")],
) -> None:
    """Lay out the real file of 2022-03-04 as a GMN data directory, to try without a network."""
    spec = find_spec("gmn_python_api")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "The package gmn-python-api, which carries the sample file, is not installed.",
            remedy="'make setup' installs it.",
        )
    name = "traj_summary_20220304_solrange_344.0-345.0.txt"
    daily = resolved(folder) / "daily"
    daily.mkdir(parents=True, exist_ok=True)
    if not (daily / name).is_file():
        models = Path(spec.submodule_search_locations[0]) / "data_models"
        shutil.copyfile(models / name, daily / name)
