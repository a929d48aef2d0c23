"""What the synthetic data directories promise, measured on their bytes."""

import importlib.util
import json
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from gmn_pipeline_tests.support import archive

SAMPLE = "data_models/traj_summary_20220304_solrange_344.0-345.0.txt"
NAMES = [column.name for column in archive.COLUMNS]
FROM, TO = date(2024, 12, 20), date(2025, 3, 12)  # over a new year and the change of form
ROWS = 4_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "first"
    archive.generate(path, ROWS, seed=7, from_date=FROM, to_date=TO, kinds=archive.KINDS)
    return path


def daily_files(root: Path) -> list[Path]:
    return sorted((root / "daily").glob("*_solrange_*"))


def cells(path: Path) -> list[list[str]]:
    """The rows of a file, split and stripped, by nothing but the text."""
    lines = path.read_bytes().replace(b"\r", b"\n").decode().split("\n")
    rows = [line.split(";") for line in lines if line and not line.startswith("#")]
    return [[cell.strip() for cell in row] for row in rows]


def table(root: Path) -> pl.DataFrame:
    rows = [row for path in daily_files(root) for row in cells(path)]
    return pl.DataFrame(rows, schema=NAMES, orient="row")


def numbers(frame: pl.DataFrame, *names: str) -> list[NDArray[np.float64]]:
    return [frame[name].cast(pl.Float64).to_numpy() for name in names]


def sample() -> bytes:
    spec = importlib.util.find_spec("gmn_python_api")
    if spec is None or spec.origin is None:
        pytest.skip("gmn-python-api, which ships a real file, is not installed")
    return (Path(spec.origin).parent / SAMPLE).read_bytes()


def test_header_is_that_of_a_real_file(source: Path) -> None:
    assert archive.header_lines(wide=False) == sample().split(b"\n\r")[1:4]
    made = daily_files(source)[0].read_bytes().split(b"\n\r")
    assert made[1:4] == archive.header_lines(wide=False)


def test_real_rows_are_printed_as_upstream_prints_them() -> None:
    # The sample's last line lost its CR on the way into the package.
    lines = sample().removesuffix(b"\n").split(b"\n\r")[4:]
    assert len(lines) == 534
    printed = archive.format_rows(archive.parse_rows(lines), wide=False)
    assert printed == b"".join(line + b"\n\r" for line in lines)


def test_orbits_are_those_that_upstream_solves() -> None:
    rows = archive.parse_rows(sample().removesuffix(b"\n").split(b"\n\r")[4:])
    real = rows.values
    solved = archive.orbit(
        *(real[name] for name in ("sol_lon_deg", "lamgeo_deg", "betgeo_deg", "vgeo_km_s"))
    )
    for name, tolerance in (("vhel_km_s", 0.02), ("e", 0.002), ("i_deg", 0.06), ("q_au", 0.001),
                            ("peri_deg", 0.3), ("tisserandj", 0.02)):  # fmt: skip
        assert np.percentile(np.abs(solved[name] - real[name]), 98) < tolerance, name
    assert (np.isnan(solved["t_years"]) == np.isnan(real["t_years"])).all()
    off = archive.solar_longitude_deg(rows.jd + archive.DYNAMICAL_TIME_AHEAD_DAYS) % 360
    assert np.abs(off - real["sol_lon_deg"]).max() < 1e-4


def test_bins_have_the_dates_of_the_network() -> None:
    some = archive.bins(archive.FIRST_DATE, archive.LAST_DATE)
    files = Counter(one.start_date.isoformat() for one in some)
    ordinals = range(archive.FIRST_DATE.toordinal(), archive.LAST_DATE.toordinal() + 1)
    days = [date.fromordinal(k).isoformat() for k in ordinals]
    two = [day for day in days if files[day] == 2]
    none = [day for day in days if not files[day]]
    # As the network's real directory lists them.
    assert two[:5] == ["2019-01-01", "2019-11-05", "2020-01-14", "2020-12-03", "2021-01-28"]
    assert none[:3] == ["2019-05-03", "2019-05-31", "2019-06-23"]
    assert (len(two), len(none)) == (14, 56)
    names = {one.file_name for one in some}
    for real in ("20181209_solrange_257.0-258.0", "20190320_solrange_359.0-000.0",
                 "20190330_solrange_009.0-010.0", "20220304_solrange_344.0-345.0",
                 "20250318_solrange_358.0-359.0", "20260915_solrange_172.0-173.0"):  # fmt: skip
        assert f"traj_summary_{real}.txt" in names
    lengths = [(one.ends_at - one.begins_at).total_seconds() / 86_400 for one in some]
    assert 0.98 < min(lengths) < 0.982
    assert 1.048 < max(lengths) < 1.05
    assert all(one.ends_at == other.begins_at for one, other in pairwise(some))


def test_same_seed_same_bytes(tmp_path: Path, source: Path) -> None:
    archive.generate(tmp_path / "again", ROWS, 7, FROM, TO, ("daily", "all"), workers=2)
    archive.generate(tmp_path / "other", ROWS, 8, FROM, TO)
    for path in daily_files(source):
        assert (tmp_path / "again/daily" / path.name).read_bytes() == path.read_bytes()
    of_all = "traj_summary_all.txt"
    assert (tmp_path / "again" / of_all).read_bytes() == (source / of_all).read_bytes()
    assert (tmp_path / "other" / of_all).read_bytes() != (source / of_all).read_bytes()


def test_lines_end_in_lf_cr_and_carry_the_time_of_writing(source: Path) -> None:
    forms = set()
    for path in daily_files(source):
        text = path.read_bytes()
        assert text.count(b"\n") == text.count(b"\r") == text.count(b"\n\r")
        assert text.endswith(b"\n\r")
        first, _, _, dashes, *rows, last = text.split(b"\n\r")
        assert last == b""
        wide = b"+00:00 UTC" in first
        forms.add(wide)
        assert (b" -----; -----; " in dashes) == wide
        assert {row.index(b";", 80) for row in rows} == {84 if wide else 83}
        written = datetime.fromisoformat(first.decode()[23:49]).replace(tzinfo=UTC)
        assert path.stat().st_mtime == pytest.approx(written.timestamp(), abs=1e-3)
    assert forms == {False, True}


def test_summaries_hold_the_daily_rows(source: Path) -> None:
    rows = [row for path in daily_files(source) for row in cells(path)]
    assert len(rows) == ROWS
    by_time = sorted(rows, key=lambda row: row[1])
    months = sorted((source / "monthly").iterdir())
    assert [path.name[-10:-4] for path in months] == ["202412", "202501", "202502", "202503"]
    for path in months:
        month = path.name[-10:-4]
        assert cells(path) == [row for row in by_time if row[2][:7].replace("-", "") == month]
    assert cells(source / "traj_summary_all.txt") == by_time
    assert cells(source / "traj_summary_yearly_2024.txt") == [
        row for row in by_time if row[2].startswith("2024")
    ]
    text = (source / "traj_summary_all.txt").read_bytes()
    assert text.count(b"#") == 4
    assert text.count(b"\r") == 1
    latest = daily_files(source)[-1].read_bytes()
    assert (source / "daily/traj_summary_latest_daily.txt").read_bytes() == latest


def check_identities(frame: pl.DataFrame) -> None:
    a, e, q, far, years = numbers(frame, "a_au", "e", "q_au", "q_au_", "t_years")
    inclination, tisserand = numbers(frame, "i_deg", "tisserandj")
    peri, node, pi, motion = numbers(frame, "peri_deg", "node_deg", "pi_deg", "n_deg_day")
    plain = np.abs(a) < 1000  # of the others only three digits are printed
    assert plain.mean() > 0.98
    assert (np.abs(q - a * (1 - e))[plain] < 2e-6 + 1e-6 * np.abs(a)[plain]).all()
    assert (np.abs(far / (a * (1 + e)) - 1)[plain] < 6e-5).all()  # five digits above 1000 AU
    bound = a > 0
    assert (np.isnan(years) == ~bound).all()
    assert 0.01 < (~bound).mean() < 0.12
    assert (np.abs(years / np.abs(a) ** 1.5 - 1)[plain & bound] < 6e-5).all()
    assert (np.abs(motion - 0.9856076686 / np.abs(a) ** 1.5)[plain] < 1e-5).all()
    assert (np.abs((pi - peri - node + 180) % 360 - 180) < 2e-6).all()
    expected = 5.2044 / a + 2 * np.cos(np.radians(inclination)) * np.sqrt(a / 5.2044 * (1 - e**2))
    assert (np.abs(tisserand - expected)[plain] < 2e-3).all()
    assert np.percentile(np.abs(tisserand - expected)[plain], 95) < 2e-5
    assert (e <= 1.5).all()
    begin, peak, end, f_param = numbers(frame, "htbeg_km", "peak_ht_km", "htend_km", "f_param")
    assert ((begin > peak) & (peak > end) & (end >= 20) & (begin <= 160)).all()
    assert np.abs(f_param - (begin - peak) / (begin - end)).max() < 1e-3
    vgeo, vinit, vavg, qc = numbers(frame, "vgeo_km_s", "vinit_km_s", "vavg_km_s", "qc_deg")
    assert ((vgeo < vinit) & (vavg <= vinit) & (vgeo < 90) & (qc >= 5)).all()
    for names, low, high in (
        (("rageo_deg", "lamgeo_deg", "raapp_deg", "azim_e_of_n_deg", "m_deg"), 0, 360),
        (("decgeo_deg", "betgeo_deg", "latbeg_n_deg", "latend_n_deg", "b_deg"), -90, 90),
        (("lonbeg_e_deg", "lonend_e_deg"), -180, 180),
    ):
        for value in numbers(frame, *names):
            assert np.nanmin(value) >= low
            assert np.nanmax(value) <= high


def check_times(frame: pl.DataFrame) -> None:
    day, fraction = (frame["beginning_julian_date"].str.split(".").list.get(k) for k in (0, 1))
    jd_us = (day.cast(pl.Int64) - 2_440_588) * 86_400_000_000 + 43_200_000_000
    jd_us += (fraction.cast(pl.Float64) / 1e12 * 86_400e6).round().cast(pl.Int64)
    utc = frame["beginning_utc_time"].str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
    apart_us = (utc.cast(pl.Int64) - jd_us).to_numpy()
    assert np.abs(apart_us).max() <= 41  # a double holds a JD to 40 us
    stamp = utc.dt.strftime("%Y%m%d%H%M%S")
    assert (frame["identifier"].str.slice(0, 14) == stamp).all()
    jd, printed = numbers(frame, "beginning_julian_date", "sol_lon_deg")
    days = jd - 2_451_545.0
    anomaly = np.radians(357.528 + 0.9856003 * days)
    simple = 280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.02 * np.sin(2 * anomaly)
    simple -= 1.396971 * days / 36_525  # to the equinox of J2000
    assert np.abs((printed - simple + 180) % 360 - 180).max() < 0.013  # the formula's own error


def test_rows_are_sound(source: Path) -> None:
    frame = table(source)
    check_identities(frame)
    check_times(frame)
    assert frame["identifier"].n_unique() == ROWS
    assert frame["identifier"].str.contains(r"^\d{14}_[0-9A-Za-z]{5}$").all()
    codes = frame["participating_stations"].str.split(",")
    assert (codes.list.len() == frame["num_stat"].cast(pl.Int64)).all()
    assert (codes.list.sort() == codes).all()
    assert (codes.list.n_unique() == codes.list.len()).all()
    assert (frame["num_stat"].cast(pl.Int64) >= 2).all()
    assert ((frame["iau_no"] == "-1") == (frame["iau_code"] == "...")).all()
    assert {"QUA", "..."} <= set(frame["iau_code"])
    assert frame["mass_kg_tau_0_7"].str.contains(r"^\d\.\d\de-\d\d$").all()
    assert frame["a_au_sigma"].str.contains("e+", literal=True).any()
    assert (frame["t_years_sigma"] == "nan").any()
    assert (frame["e_sigma"] == "None").any()


def test_rows_lie_in_the_bin_of_their_file(source: Path) -> None:
    names = {one.file_name: one for one in archive.bins(FROM, TO)}
    for path in daily_files(source):
        one = names[path.name]
        for row in cells(path):
            moment = datetime.fromisoformat(row[2]).replace(tzinfo=UTC)
            assert (one.begins_at - moment).total_seconds() < 1
            assert moment < one.ends_at
            assert -1e-3 < (float(row[5]) - one.solar_longitude_deg) % 360 < 1.005


def test_first_files_lack_some_sigmas_and_grow(tmp_path: Path) -> None:
    archive.generate(tmp_path / "old", 3_000, 1, date(2018, 12, 9), date(2019, 12, 31), ("daily",))
    files = daily_files(tmp_path / "old")
    for path in files:
        empty = {row[NAMES.index("elev_deg_sigma")] == "None" for row in cells(path)}
        assert empty == {True} or "_2018" not in path.name
    assert sum(len(cells(p)) for p in files[:30]) < sum(len(cells(p)) for p in files[-30:]) / 3
    whole = [row for path in files for row in cells(path) if "." not in row[2]]
    assert whole
    assert all(len(row[2]) == 19 for row in whole)


# --- The next generation --------------------------------------------------------------------

SHARES = archive.Shares(0.06, 0.02, 0.02, 0.01, 0.01, 0.02)


@pytest.fixture(scope="module")
def rewritten(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, archive.Truth]:
    path = tmp_path_factory.mktemp("archive") / "next"
    return path, archive.next_generation(source, path, seed=3, shares=SHARES, last_bins=60)


def sound(row: list[str]) -> bool:
    try:
        return len(row) == 86 and -90 <= float(row[63]) <= 90 and float(row[15]) > 0
    except ValueError:
        return False


def recount(before: Path, after: Path) -> archive.FileTruth:
    """What changed between two files, found from their rows alone."""
    old = {row[0]: row for row in cells(before)}
    rows = cells(after)
    new: dict[str, list[list[str]]] = {}
    for row in rows:
        new.setdefault(row[0], []).append(row)
    corrupted = [row for row in rows if not sound(row)]
    unsound = {row[0] for row in corrupted}
    fresh, gone = new.keys() - old.keys(), old.keys() - new.keys()
    values = {tuple(old[name][1:]) for name in gone}
    renamed = [name for name in fresh if tuple(new[name][0][1:]) in values]
    return archive.FileTruth(
        rows_before=len(old),
        rows_after=len(rows),
        resolved=sum(
            name in old and name not in unsound and len(twins) == 1 and twins[0] != old[name]
            for name, twins in new.items()
        ),
        reidentified=len(renamed),
        withdrawn=len(gone) - len(renamed),
        duplicated=sum(len(twins) - 1 for twins in new.values()),
        corrupted=len(corrupted),
        added=len(fresh) - len(renamed),
    )


def test_truth_is_what_changed(source: Path, rewritten: tuple[Path, archive.Truth]) -> None:
    path, truth = rewritten
    for name, counts in truth.files.items():
        assert recount(source / "daily" / name, path / "daily" / name) == counts
    assert all(truth.total(change) for change in (*archive.CHANGES, "added"))
    assert archive.Truth.read(path / "truth.json") == truth
    totals = json.loads((path / "truth.json").read_text())["totals"]
    assert totals["resolved"] == truth.total("resolved") == len(truth.identifiers["resolved"])
    broken = [truth.identifiers.get(how, []) for how in archive.CORRUPTIONS]
    assert all(broken)
    assert sum(map(len, broken)) == truth.total("corrupted")
    renamed = truth.identifiers["reidentified"], truth.identifiers["reidentified_as"]
    for old, new in zip(*renamed, strict=True):
        assert old[:15] == new[:15]
        assert old != new


def test_unchanged_files_keep_their_bytes(
    source: Path, rewritten: tuple[Path, archive.Truth]
) -> None:
    path, truth = rewritten
    files = daily_files(source)
    assert [p.name for p in daily_files(path)] == [p.name for p in files]
    still = [p for p in files if p.name not in truth.files]
    assert {p.name for p in files[:-60]} <= {p.name for p in still}
    for old in still:
        new = path / "daily" / old.name
        assert new.read_bytes() == old.read_bytes()
        assert new.stat().st_mtime == old.stat().st_mtime
    for name in truth.files:
        first = (path / "daily" / name).read_bytes().split(b"\n\r")[0]
        assert first == archive.generated_line(datetime.fromisoformat(truth.generated_on))
    early = "monthly/traj_summary_monthly_202412.txt"
    assert (path / early).read_bytes() == (source / early).read_bytes()


def test_rewritten_rows_stay_sound(rewritten: tuple[Path, archive.Truth]) -> None:
    path, _ = rewritten
    rows = [row for p in daily_files(path) for row in cells(p)]
    frame = pl.DataFrame([row for row in rows if sound(row)], schema=NAMES, orient="row")
    check_identities(frame)
    check_times(frame)
    assert sorted(map(tuple, cells(path / "traj_summary_all.txt"))) == sorted(map(tuple, rows))


def test_next_generation_is_the_same_for_the_same_seed(
    source: Path, rewritten: tuple[Path, archive.Truth], tmp_path: Path
) -> None:
    path, truth = rewritten
    assert archive.next_generation(source, tmp_path / "next", 3, SHARES, 60) == truth
    for old in daily_files(path):
        assert (tmp_path / "next/daily" / old.name).read_bytes() == old.read_bytes()
