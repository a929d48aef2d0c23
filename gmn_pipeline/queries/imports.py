"""Keep out of a process what takes long to import and is not needed there.

What belongs here: pandas, for which DuckDB looks whenever it is handed a value.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """As if it were not installed, unless it is imported already: that takes 0.3 s.

    For a process of one thread that does nothing else.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
