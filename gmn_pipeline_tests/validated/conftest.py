"""What tests of validated rows share."""

import pytest

from gmn_pipeline_tests.support.sample import Bench, Validated, sample_bytes


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Validated:
    """The sample, validated."""
    return Bench(tmp_path_factory.mktemp("real")).check(sample_bytes())
