"""Fixtures that more than one file of tests uses."""

from pathlib import Path

import pytest

from gmn_pipeline_tests.sample import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty site and an empty data folder."""
    return Bench(tmp_path, run_retries=0)
