"""What tests of the command share: a loaded data folder, and the command on it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the sample, to be copied."""
    bench = Bench(tmp_path_factory.mktemp("loaded"))
    bench.put(DAILY, sample())
    assert not load_days([DAY], bench.settings).failed
    make_snapshot(bench.settings)
    return bench.settings.data_dir


@pytest.fixture
def data_dir(loaded: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    shutil.copytree(loaded, folder, symlinks=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


@pytest.fixture
def gmn(data_dir: Path) -> Command:
    return Command(GMN_DATA_DIR=str(data_dir), GMN_SOURCE_URL=str(data_dir.parent / "site"))
