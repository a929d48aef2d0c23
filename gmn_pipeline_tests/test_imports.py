"""What is kept out of a process."""

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmn_pipeline.imports import without

UNUSED = "this"
"""A module that nothing imports."""


def test_a_module_is_hidden_in_a_block_and_from_the_thread_that_asked_for_it() -> None:
    with ThreadPoolExecutor(1) as other, without(UNUSED):
        with without("colorsys"), pytest.raises(ModuleNotFoundError):
            importlib.import_module(UNUSED)
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(UNUSED)
        assert other.submit(importlib.import_module, UNUSED).result().d
        del sys.modules[UNUSED]
    assert importlib.import_module(UNUSED).d
