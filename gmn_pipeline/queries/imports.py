"""Keep out of a process what takes long to import and is not needed there.

What belongs here: pandas, for which DuckDB looks whenever it is handed a value, and NumPy, for
which Arrow looks when it is imported. What does not: a module that somebody does need; it could
not be imported within the block.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _NotInstalled(MetaPathFinder):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in self._names:
            raise ModuleNotFoundError(fullname)


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """As if they were not installed, unless they are imported already: pandas takes 0.3 s, NumPy
    0.1 s.

    For a process of one thread that does nothing else.
    """
    finder = _NotInstalled(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
