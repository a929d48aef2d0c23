"""What the tests need and the machine may not have.

What belongs here: how a test says that it did not run. What does not: looking for a program, which
each of the modules beside does for its own.
"""

import os
from typing import NoReturn

import pytest


def not_run(why: str) -> NoReturn:
    """Skip the test; under CI that is a failure, not an excuse."""
    said = f"Not run: {why}."
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(said)
    pytest.skip(said)
