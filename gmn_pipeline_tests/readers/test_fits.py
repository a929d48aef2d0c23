"""FITS and the names of RMS files, beside what others read in them."""

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.readers.fits import units
from gmn_pipeline.readers.rms_names import rms_name


def test_images_and_cards_are_what_astropy_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    rng = np.random.default_rng(1)
    primary = fits.PrimaryHDU(rng.integers(0, 60_000, (3, 5, 7)).astype(np.uint16))
    primary.header["WHO"] = "O'Hara / Co"
    primary.header["EXPOSURE"] = (1.5e-3, "s")
    primary.header["GOOD"] = True
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.arange(4.0))])
    scaled = fits.ImageHDU(rng.normal(0, 1, (4, 6)), name="NOISE")
    fits.HDUList([primary, table, scaled]).writeto(path)
    found = units(path)
    assert [unit.shape for unit in found] == [(3, 5, 7), (), (4, 6)]
    with fits.open(path) as theirs:
        for ours, unit in ((found[0], theirs[0]), (found[2], theirs["NOISE"])):
            np.testing.assert_allclose(ours.image(), unit.data, rtol=1e-6)
        for keyword in ("WHO", "EXPOSURE", "GOOD", "BZERO", "NAXIS1"):
            assert found[0].cards[keyword] == theirs[0].header[keyword]
    assert found[2].name == "NOISE"


def test_what_is_cut_off_or_no_fits_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.zeros((10, 10))).writeto(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:3_000])
    with pytest.raises(ObjectRefused, match="ends after 15 of 100 values"):
        units(path)[0].image()
    path.write_bytes(whole[:1_000])
    with pytest.raises(ObjectRefused, match="ends within a header"):
        units(path)
    path.write_bytes(b" " * 2_880 * 1_001)
    with pytest.raises(ObjectRefused, match="does not end"):
        units(path)


@pytest.mark.parametrize(
    ("name", "station", "at"),
    [
        ("FF_US0001_20220304_210000_123_0000000.fits", "US0001",
         datetime(2022, 3, 4, 21, 0, 0, 123_000)),
        ("a/FS_US9999_20240318_011731_867370_1054720_fieldsum.bin", "US9999",
         datetime(2024, 3, 18, 1, 17, 31, 867_370)),
        ("US000A_20220304_200000_000000_radiants.txt", "US000A", datetime(2022, 3, 4, 20)),
    ],
)  # fmt: skip
def test_names_of_rms_files_say_which_camera_and_when(
    name: str, station: str, at: datetime
) -> None:
    found = rms_name(name)
    assert found is not None
    assert (found.station_code, found.at_utc) == (station, at)


def test_a_night_goes_from_noon_to_noon_of_its_place() -> None:
    evening, morning = rms_name("US0001_20220305_030000"), rms_name("AU0001_20220305_010000")
    assert evening is not None
    assert morning is not None
    assert evening.night(-106.5) == evening.night() == date(2022, 3, 4)
    assert rms_name("AU0001_20220304_120000").night(143.0) == date(2022, 3, 4)  # type: ignore[union-attr]
    assert rms_name("notes.txt") is None
    assert rms_name("US0001_20229999_210000.txt") is None
