"""The IAU shower list, checked: rows beyond the limits of their columns are left out.

What belongs here: what becomes of such rows. What does not: values that cannot be read, which the
reader leaves null (`readers/iau_showers_rows.py`).
"""

from dataclasses import replace

import polars as pl

from gmn_pipeline.readers.iau_showers_rows import ShowerList
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.showers import DATASET
from gmn_pipeline.validated.checks import Checks


def check_list(found: ShowerList) -> ShowerList:
    """The list with the rows that may be believed; its problems name the others."""
    showers, of_showers = _checked(found.showers, DATASET.validated[0])
    solutions, of_solutions = _checked(found.solutions, DATASET.validated[1])
    found = replace(found, showers=showers, solutions=solutions)
    return found.with_problems([*of_showers, *of_solutions])


def _checked(rows: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, list[str]]:
    checked = Checks(table).check(rows)
    names = rows.select("iau_shower_number", "iau_shower_code").with_row_index("row")
    refused = checked.rejected.join(names, on="row", maintain_order="left")
    return checked.accepted, [
        f"A row of shower {number} {code} is left out: {'; '.join(reasons)}."
        for _, reasons, number, code in refused.iter_rows()
    ]
