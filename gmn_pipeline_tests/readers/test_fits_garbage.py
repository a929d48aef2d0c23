"""FITS of strangers: whatever bytes there are, they are units and images, or refused."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.readers.fits import units

VALUES = st.sampled_from(
    ["T", "F", "8", "-32", "16", "7", "0", "1", "2", "3", "-1", "999", "1000000000", "1E400",
     "99999999999999999999", "'IMAGE   '", "'TABLE   '", "'abc", "", "1.5", "nan", "/ nothing"]
)  # fmt: skip
KEYWORDS = st.sampled_from(
    ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT", "BSCALE",
     "BZERO", "XTENSION", "EXTNAME", "COMMENT"]
)  # fmt: skip
CARDS = st.lists(st.tuples(KEYWORDS, VALUES), max_size=9)
GOOD = [("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "2"), ("NAXIS1", "6"), ("NAXIS2", "4")]


def header(cards: list[tuple[str, str]]) -> bytes:
    text = "".join(f"{keyword:<8}= {value:>20}".ljust(80) for keyword, value in cards)
    return (text + "END".ljust(80)).ljust(2_880).encode()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CARDS, CARDS, st.binary(max_size=200), st.integers(0, 9_000))
def test_whatever_headers_say_files_are_read_or_refused(
    first: list[tuple[str, str]], second: list[tuple[str, str]], data: bytes, cut: int
) -> None:
    whole = header([*GOOD, *first]) + data.ljust(2_880, b"\0") + header(second) + data
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        path.write_bytes(whole[:cut] if cut < 6_000 else whole)
        try:
            found = units(path)
        except ObjectRefused:
            return
        for unit in found:
            assert len(unit.shape) <= 999
            assert all(length >= 0 for length in unit.shape)
            if len(unit.shape) < 2 or np.prod(unit.shape, dtype=float) > 1e6:
                continue
            try:
                image = unit.image()
            except ObjectRefused:
                continue
            assert image.shape == unit.shape
