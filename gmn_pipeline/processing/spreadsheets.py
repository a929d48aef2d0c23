"""Sheets of spreadsheets (Excel's .xlsx, OpenDocument's .ods) as Parquet, by fastexcel (calamine)
where it is installed.

What belongs here: turning each sheet into a table that `tables.py` reads. What does not: formulas
(their last values are read), formats and charts. The extra `[objects]` installs fastexcel.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gmn_pipeline.errors import ObjectRefused

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ODS = "application/vnd.oasis.opendocument.spreadsheet"
CONTENT_TYPES = (_XLSX, _ODS) if find_spec("fastexcel") else ()
_MOST_SHEETS = 100


def as_parquet(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The sheets that have columns, by name, each as a Parquet file in the folder. The first row
    has the names of columns; what a column has is found out from all its rows."""
    import fastexcel  # few objects are spreadsheets

    book = fastexcel.read_excel(path)
    if len(book.sheet_names) > _MOST_SHEETS:
        raise ObjectRefused(f"It has {len(book.sheet_names):,} sheets; at most {_MOST_SHEETS}.")
    for number, name in enumerate(book.sheet_names):
        sheet = book.load_sheet(number, schema_sample_rows=None)
        if sheet.visible != "visible" or not sheet.width:
            continue
        table = pa.table(sheet.to_arrow())
        columns = [
            column.cast(pa.string()) if pa.types.is_null(column.type) else column
            for column in table.columns
        ]
        written = folder / f"sheet-{number}.parquet"
        pq.write_table(pa.table(dict(zip(table.column_names, columns, strict=True))), written)
        yield name, written
