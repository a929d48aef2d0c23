"""Keep out of a process what takes long to import and is not needed there.

What belongs here: pandas, for which DuckDB looks whenever it is handed a value, and NumPy, for
which Arrow looks when it is imported. What does not: a module that somebody does need; it could
not be imported within the block.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _Hidden(threading.local, MetaPathFinder):
    """Says of some modules that they are not installed, to the thread that asked for it."""

    names: tuple[str, ...] = ()

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in self.names:
            raise ModuleNotFoundError(fullname)


_HIDDEN = _Hidden()


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """As if they were not installed, for this thread, unless they are imported already: pandas
    takes 0.3 s, NumPy 0.1 s."""
    if _HIDDEN not in sys.meta_path:  # it stays: another thread may be looking through the list
        sys.meta_path.insert(0, _HIDDEN)
    former = _HIDDEN.names
    _HIDDEN.names = (*former, *modules)
    try:
        yield
    finally:
        _HIDDEN.names = former
