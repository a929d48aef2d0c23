"""Which code the IAU list that comes along has for the number of a shower.

What belongs here: the two columns of the bundled list that a quality flag asks. What does not:
reading other lists, and the names of showers (`sources/iau_showers.py`).

The bundled list and not the newest is asked, so that a row is flagged alike wherever it is read.
"""

import csv
from functools import cache
from importlib import resources

from gmn_pipeline import sources


@cache
def iau_codes() -> dict[int, str]:
    """The code of every number that has just one in the list."""
    text = resources.files(sources).joinpath("iau_showers.csv").read_text("utf-8-sig")
    codes: dict[int, set[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        codes.setdefault(int(row["iau_shower_number"]), set()).add(row["iau_shower_code"])
    return {number: only for number, several in codes.items() for only in several
            if len(several) == 1 and only}  # fmt: skip
