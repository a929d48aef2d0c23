"""A warehouse that more than one file of tests asks."""

import pytest

from gmn_pipeline_tests.support.perseids import Loaded, load_perseids


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The Perseids of a year in two generations, with one event under two identifiers."""
    return load_perseids(tmp_path_factory.mktemp("perseids"))
