"""Tables of astronomers, FITS and VOTable, as Parquet, by astropy where it is installed.

What belongs here: turning the first table of a file into one that `tables.py` reads. What does not:
images (`images.py`). The extra `[objects]` installs astropy.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gmn_pipeline.readers.fits import units

FITS, VOTABLE = "application/fits", "application/x-votable+xml"
CONTENT_TYPES = (FITS, VOTABLE) if find_spec("astropy") else ()


def as_parquet(path: Path, kind: str, folder: Path) -> tuple[Path, dict[str, str]] | None:
    """The table as a Parquet file in the folder, and the units of its columns that have one; None
    where there is no table."""
    number = None
    if kind == FITS:
        tables = ("TABLE", "BINTABLE")
        found = [n for n, unit in enumerate(units(path)) if unit.cards.get("XTENSION") in tables]
        if not found:
            return None
        number = found[0]
    from astropy.table import Table  # takes a second, and most files are no such tables

    if kind == FITS:
        table = Table.read(path, format="fits", hdu=number)
    else:
        table = Table.read(path, format="votable", table_id=0)
    written = folder / "converted.parquet"
    pq.write_table(pa.table({name: _column(table[name]) for name in table.colnames}), written)
    told = {name: str(table[name].unit) for name in table.colnames if table[name].unit}
    return written, told


def _column(column: Any) -> pa.Array:
    """Values as Arrow has them: what is masked is null, bytes are texts."""
    values = column.tolist()
    if column.dtype.kind == "S":
        values = [None if one is None else _text(one) for one in values]
    return pa.array(values)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
