"""Synthetic GMN data directories: any size, the same for the same seed, in the real format.

Here belongs what upstream publishes and how it looks: the bins of solar longitude, the file
names, the bytes of a row, values that obey the identities of sound data, and the next
generation of a directory with a record of what changed in it. `generate` writes sound rows
only; everything unsound comes from `next_generation` and is counted in its truth.

Here does not belong anything that reads such a directory for the pipeline: a reader tested
against its own writer proves nothing, so this module imports nothing of the pipeline.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Texts: TypeAlias = NDArray[np.bytes_]
Bytes: TypeAlias = NDArray[np.uint8]

LINE_END = b"\n\r"
FIRST_DATE = date(2018, 12, 9)
LAST_DATE = date(2026, 11, 20)
KINDS = ("daily", "monthly", "yearly", "all")
CHUNK_ROWS = 16_384

# --- The sky: bins of solar longitude ------------------------------------------------------

J2000_JD = 2_451_545.0
UNIX_EPOCH_JD = 2_440_587.5
DAY_US = 86_400_000_000
# TT - UTC since 2017. Upstream cuts the bins by UTC read as dynamical time, but prints the
# solar longitude of the true dynamical time: a row may lie 0.0008 deg beyond its file's name.
DYNAMICAL_TIME_AHEAD_DAYS = 69.184 / 86_400

# Upstream inverts its formula numerically and stops short of the root: with this offset the dates
# of the real directory's double and missing files come out (2019-01-01, 2019-11-05, ...).
BIN_OFFSET_DEG = 0.0025

# The Earth's heliocentric longitude of J2000: the largest terms of VSOP87 (Bretagnon and
# Francou 1988; Meeus, Astronomical Algorithms, appendix III), 1e-8 rad, per Julian millennium.
_LONGITUDE = ((175_347_046.0, 0.0, 0.0), (3_341_656.0, 4.6692568, 6283.07585),
    (34_894.0, 4.6261, 12566.1517), (3_497.0, 2.7441, 5753.3849), (3_418.0, 2.8289, 3.5231),
    (3_136.0, 3.6277, 77713.7715), (2_676.0, 4.4181, 7860.4194), (2_343.0, 6.1352, 3930.2097),
    (1_324.0, 0.7425, 11506.7698), (1_273.0, 2.0371, 529.691), (1_199.0, 1.1096, 1577.3435),
    (990.0, 5.233, 5884.927), (902.0, 2.045, 26.298), (857.0, 3.508, 398.149),
    (780.0, 1.179, 5223.694), (753.0, 2.533, 5507.553), (505.0, 4.583, 18849.228),
    (492.0, 4.205, 775.523), (357.0, 2.92, 0.067), (317.0, 5.849, 11790.629),
    (284.0, 1.899, 796.298), (271.0, 0.315, 10977.079))  # fmt: skip
_LONGITUDE_PER_MILLENNIUM = ((628_307_584_999.0, 0.0, 0.0), (206_059.0, 2.678235, 6283.07585),
    (4_303.0, 2.6351, 12566.1517))  # fmt: skip


def solar_longitude_deg(jd: Floats) -> Floats:
    """J2000 solar longitude, not wrapped: it grows by 360 a year."""
    t = (jd - J2000_JD) / 365_250
    total = np.zeros_like(t)
    for factor, terms in ((1.0, _LONGITUDE), (t, _LONGITUDE_PER_MILLENNIUM)):
        for amplitude, phase, rate in terms:
            total += factor * amplitude * np.cos(phase + rate * t)
    return np.degrees(total * 1e-8) + 180


@dataclass(frozen=True)
class Bin:
    """One degree of solar longitude: what a daily file covers."""

    start_date: date
    solar_longitude_deg: int
    begins_at: datetime
    ends_at: datetime

    @property
    def file_name(self) -> str:
        first, last = self.solar_longitude_deg, (self.solar_longitude_deg + 1) % 360
        return f"traj_summary_{self.start_date:%Y%m%d}_solrange_{first:03d}.0-{last:03d}.0.txt"


def _jd(moment: datetime) -> float:
    return J2000_JD + (moment - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=1)


def bins(from_date: date, to_date: date) -> list[Bin]:
    """The bins that begin on these UTC dates, both included, in order."""
    first_jd = _jd(datetime(from_date.year, from_date.month, from_date.day, tzinfo=UTC))
    edges_jd = np.array([first_jd, first_jd + (to_date - from_date).days + 1])
    low, high = np.ceil(solar_longitude_deg(edges_jd) - BIN_OFFSET_DEG).astype(int)
    degrees = np.arange(low, high + 1)
    begins_jd = first_jd + (degrees - low) * 1.0146
    for _ in range(8):
        begins_jd -= (solar_longitude_deg(begins_jd) - BIN_OFFSET_DEG - degrees) / 0.9856
    noon_2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
    moments = [noon_2000 + timedelta(days=jd - J2000_JD) for jd in begins_jd.tolist()]
    return [Bin(begin.date(), int(degree) % 360, begin, end)
            for degree, begin, end in zip(degrees, moments, moments[1:], strict=False)]  # fmt: skip


# --- The text: columns, header, rows -------------------------------------------------------

# name | first header | second header | decimals, + for a sign always | sigma column, a key of
# _SIGMAS. The width of a column is that of its header; a text column has no decimals.
_COLUMNS = """\
identifier| Unique trajectory|     identifier   |||
beginning_julian_date|     Beginning      |    Julian date     |||
beginning_utc_time|       Beginning          |        UTC Time          |||
iau_no|  IAU|   No|||
iau_code| IAU|code|||
sol_lon_deg|  Sol lon |    deg   |6||
app_lst_deg|  App LST |    deg   |6||
rageo_deg|  RAgeo  |   deg   |5|S|
decgeo_deg|  DECgeo |   deg   |+5|S|
lamgeo_deg| LAMgeo  |   deg   |5|S|
betgeo_deg|  BETgeo |    deg  |+5|S|
vgeo_km_s|   Vgeo  |   km/s  |5|v|
lamhel_deg| LAMhel  |   deg   |5|S|
bethel_deg|  BEThel |    deg  |+5|S|
vhel_km_s|   Vhel  |   km/s  |5|v|
a_au|      a    |     AU    |6|S|
e|     e    |          |6|s|
i_deg|     i    |   deg    |6|s|
peri_deg|   peri   |    deg   |6|w|
node_deg|   node   |    deg   |6|w|
pi_deg|    Pi    |   deg    |6|s|
b_deg|     b    |   deg    |6|s|
q_au|     q    |    AU    |6|s|
f_deg|     f    |   deg    |6|s|
m_deg|     M    |    deg   |6|s|
q_au_|      Q    |     AU    |6|S|
n_deg_day|     n    |  deg/day |6|S|
t_years|     T    |   years  |6|S|
tisserandj|TisserandJ|          |6|S|
raapp_deg|  RAapp  |   deg   |5|S|
decapp_deg|  DECapp |   deg   |+5|S|
azim_e_of_n_deg| Azim +E |of N  deg|5|S|
elev_deg|   Elev  |    deg  |5|S|
vinit_km_s|  Vinit  |   km/s  |5|v|
vavg_km_s|   Vavg  |   km/s  |5|v|
latbeg_n_deg|   LatBeg   |   +N deg   |6|s|
lonbeg_e_deg|   LonBeg   |   +E deg   |6|s|
htbeg_km|  HtBeg |    km  |4|h|
latend_n_deg|   LatEnd   |   +N deg   |6|s|
lonend_e_deg|   LonEnd   |   +E deg   |6|s|
htend_km|  HtEnd |    km  |4|h|
duration_sec|Duration|  sec   |2||
peak_absmag| Peak |AbsMag|+2||
peak_ht_km| Peak Ht|    km  |4||
f_param|  F  |param|3||
mass_kg_tau_0_7| Mass kg|tau=0.7%|||
qc_deg|  Qc | deg |2||
medianfiterr_arcsec|MedianFitErr|   arcsec   |2||
beg_in_fov|Beg in|  FOV |||
end_in_fov|End in|  FOV |||
num_stat| Num|stat|||
participating_stations|     Participating    |        stations      |||
"""
# key: first header, second header, decimals, the value from which scientific notation is used
_SIGMAS = {"s": ("  +/-  ", " sigma ", 4, np.inf), "S": ("  +/-  ", " sigma ", 4, 100.0),
           "v": ("   +/- ", "  sigma", 4, np.inf), "w": ("   +/-  ", "  sigma ", 4, np.inf),
           "h": ("  +/-  ", " sigma ", 2, np.inf)}  # fmt: skip
# name: the value from which scientific notation is used, and its decimals
_SCIENTIFIC = {"a_au": (1000.0, 2), "q_au_": (1000.0, 4), "t_years": (1000.0, 4)}


class Column(NamedTuple):
    name: str
    head: str
    unit: str
    decimals: int | None
    signed: bool
    scientific_from: float
    scientific_decimals: int


def _columns() -> Iterator[Column]:
    for line in _COLUMNS.splitlines():
        name, head, unit, decimals, sigma, _ = line.split("|")
        limit, digits = _SCIENTIFIC.get(name, (np.inf, 0))
        places = int(decimals) if decimals else None
        yield Column(name, head, unit, places, decimals.startswith("+"), limit, digits)
        if sigma:
            head, unit, places, limit = _SIGMAS[sigma]
            yield Column(f"{name}_sigma", head, unit, places, False, limit, 1)


COLUMNS = tuple(_columns())
assert len(COLUMNS) == 86
SIGMA_NAMES = tuple(c.name for c in COLUMNS if c.name.endswith("_sigma"))
# Upstream began about then to write an aware time and five characters of shower code; the
# exact day is not published.
WIDE_CODE_SINCE = datetime(2025, 3, 1, tzinfo=UTC)
_CODE_AT = 79  # where a row of the older form lacks the blank of the newer one


def is_wide(generated_on: datetime) -> bool:
    return generated_on >= WIDE_CODE_SINCE


def generated_line(generated_on: datetime) -> bytes:
    offset = "+00:00" if is_wide(generated_on) else ""
    return f"# Summary generated on {generated_on:%Y-%m-%d %H:%M:%S.%f}{offset} UTC".encode()


def header_lines(wide: bool) -> list[bytes]:
    """Names, units and dashes, as in the files of the older or the newer form."""
    pad = {"iau_code": " "} if wide else {}
    heads = [pad.get(c.name, "") + c.head for c in COLUMNS]
    units = [pad.get(c.name, "") + c.unit for c in COLUMNS]
    dashes = ["-" * len(head) for head in heads]
    return [("# " + "; ".join(cells)).rstrip().encode() for cells in (heads, units, dashes)]


def _head(generated_on: datetime) -> bytes:
    lines = [generated_line(generated_on), *header_lines(is_wide(generated_on))]
    return LINE_END.join(lines) + LINE_END


@dataclass
class Rows:
    """Rows as numbers. A sigma of inf stands for the text `None`, nan for `nan`."""

    identifiers: Texts
    jd: Floats
    utc_us: Integers  # since 1970
    iau_no: Integers
    iau_code: Texts
    values: dict[str, Floats]  # by column name: every column with decimals, and the mass
    begins_in_fov: Flags
    ends_in_fov: Flags
    station_count: Integers
    stations: Texts


@cache
def _digits(count: int) -> Texts:
    return np.array([f"{k:0{count}d}" for k in range(10**count)], dtype=f"S{count}")


@cache
def _wholes(width: int, signed: bool, fill: str) -> Texts:
    """Integer parts with their point: 0..999, then -0..-999; 0xff where one does not fit."""
    plus = "+" if signed else ""
    texts = [f"{sign}{k}." for sign in (plus, "-") for k in range(1000)]
    padded = [t.rjust(width, fill).encode() if len(t) <= width else b"\xff" * width for t in texts]
    return np.array(padded, dtype=f"S{width}")


@cache
def _clock(form: str) -> Texts:
    texts = [form % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)]
    return np.array(texts, dtype="S")


def _dates(days: Integers, form: str) -> Texts:
    """The dates of days since 1970, by a table over the few that occur."""
    low = int(days.min())
    table = [(date(1970, 1, 1) + timedelta(days=d)).strftime(form)
             for d in range(low, int(days.max()) + 1)]  # fmt: skip
    return np.array(table, dtype="S")[days - low]


def _view(matrix: Bytes, at: int, width: int) -> Texts:
    """One column of the byte matrix as an array of texts, to be written in place."""
    return np.ndarray(len(matrix), f"S{width}", matrix, at, (matrix.strides[0],))


def _put_fraction(matrix: Bytes, at: int, scaled: Integers, digits: int) -> None:
    while digits:
        count = 4 if digits == 4 else min(digits, 3)
        digits -= count
        high = scaled // 10**digits
        _view(matrix, at, count)[:] = _digits(count)[high]
        scaled = scaled - high * 10**digits
        at += count


def _scientific(values: Floats, width: int, decimals: int) -> Texts:
    size = np.abs(values)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0))).astype(np.int64)
    mantissa = np.rint(size / 10.0**exponent * 10**decimals).astype(np.int64)
    over = mantissa >= 10 ** (decimals + 1)
    exponent, mantissa = exponent + over, np.where(over, mantissa // 10, mantissa)
    matrix = np.full((len(values), width), ord(" "), np.uint8)
    at = width - decimals - 6
    if at > 0:
        matrix[values < 0, at - 1] = ord("-")
    matrix[:, at] = ord("0") + mantissa // 10**decimals
    matrix[:, at + 1] = ord(".")
    _put_fraction(matrix, at + 2, mantissa % 10**decimals, decimals)
    powers = np.array([f"e{k:+03d}" for k in range(-30, 31)], dtype="S4")
    _view(matrix, width - 4, 4)[:] = powers[exponent + 30]
    return _view(matrix, 0, width)


def _put_number(matrix: Bytes, at: int, width: int, column: Column, values: Floats) -> None:
    decimals = column.decimals
    assert decimals is not None
    ordinary = np.abs(values) < column.scientific_from - 0.5 * 10.0**-decimals
    odd = () if ordinary.all() else np.nonzero(~ordinary)[0]
    usual = np.where(ordinary, values, 0.0) if len(odd) else values
    # 32 bits hold any |value| < 1000 with six decimals, and divide twice as fast as 64.
    scaled = np.rint(np.abs(usual) * 10**decimals).astype(np.int32)
    whole = scaled // 10**decimals
    fill = "\0" if column.name == "f_param" else " "
    table = _wholes(width - decimals, column.signed, fill)
    _view(matrix, at, width - decimals)[:] = table[whole + 1000 * np.signbit(usual)]
    rest = (scaled - whole * 10**decimals).astype(np.int64)
    _put_fraction(matrix, at + width - decimals, rest, decimals)
    if len(odd):
        unusual = values[odd]
        texts = np.full(len(odd), b"nan".rjust(width), f"S{width}")
        texts[np.isposinf(unusual)] = b"None".rjust(width)
        finite = np.isfinite(unusual)
        if finite.any():
            texts[finite] = _scientific(unusual[finite], width, column.scientific_decimals)
        _view(matrix, at, width)[odd] = texts


def _put_time(matrix: Bytes, jd_at: int, utc_at: int, rows: Rows) -> None:
    day = np.floor(rows.jd)
    low = int(day.min())
    days = np.array([str(k) for k in range(low, int(day.max()) + 1)], dtype="S7")
    _view(matrix, jd_at, 7)[:] = days[day.astype(np.int64) - low]
    matrix[:, jd_at + 7] = ord(".")
    _put_fraction(matrix, jd_at + 8, np.rint((rows.jd - day) * 1e12).astype(np.int64), 12)
    seconds, fraction_us = np.divmod(rows.utc_us, 1_000_000)
    _view(matrix, utc_at, 10)[:] = _dates(seconds // 86_400, "%Y-%m-%d")
    _view(matrix, utc_at + 11, 8)[:] = _clock("%02d:%02d:%02d")[seconds % 86_400]
    matrix[:, utc_at + 19] = ord(".")
    _put_fraction(matrix, utc_at + 20, fraction_us, 6)
    _view(matrix, utc_at + 19, 7)[fraction_us == 0] = b" " * 7


def _matrix(rows: Rows, wide: bool) -> Bytes:
    """The rows as equally long lines, with NUL wherever a row has no byte."""
    widths = {c.name: len(c.head) for c in COLUMNS}
    widths["identifier"] = 20
    widths["iau_code"] += wide
    widths["f_param"] += 1  # for the sign of a peak above the beginning
    widths["participating_stations"] = rows.stations.dtype.itemsize
    template = b"; ".join(b" " * width for width in widths.values()) + LINE_END
    matrix = np.empty((len(rows.jd), len(template)), np.uint8)
    matrix[:] = np.frombuffer(template, np.uint8)
    at, starts = 0, {}
    for name, width in widths.items():
        starts[name] = at
        at += width + 2

    def put(name: str, texts: Texts) -> None:
        width = texts.dtype.itemsize
        _view(matrix, starts[name] + widths[name] - width, width)[:] = texts

    put("identifier", rows.identifiers)
    _put_time(matrix, starts["beginning_julian_date"], starts["beginning_utc_time"], rows)
    put("iau_no", np.array([f"{k:5d}" for k in range(-1, 2000)], dtype="S5")[rows.iau_no + 1])
    put("iau_code", rows.iau_code)
    for column in COLUMNS:
        if column.decimals is not None:
            start, width = starts[column.name], widths[column.name]
            _put_number(matrix, start, width, column, rows.values[column.name])
    put("mass_kg_tau_0_7", _scientific(rows.values["mass_kg_tau_0_7"], 8, 2))
    put("beg_in_fov", np.where(rows.begins_in_fov, b"  True", b" False"))
    put("end_in_fov", np.where(rows.ends_in_fov, b"  True", b" False"))
    put("num_stat", np.array([f"{k:4d}" for k in range(100)], dtype="S4")[rows.station_count])
    put("participating_stations", rows.stations)
    return matrix


def _text(matrix: Bytes) -> bytes:
    text = matrix.tobytes().translate(None, b"\0")
    if b"\xff" in text:
        raise ValueError("a value is too large for its column")
    return text


def format_rows(rows: Rows, wide: bool) -> bytes:
    """The rows as text, each with its line end."""
    return _text(_matrix(rows, wide)) if len(rows.jd) else b""


def parse_rows(lines: Sequence[bytes]) -> Rows:
    """The inverse of `format_rows`, for sound lines without their line ends."""
    cells = zip(*(line.split(b";") for line in lines), strict=True)
    texts = {c.name: np.char.strip(np.array(cell, "S"))
             for c, cell in zip(COLUMNS, cells, strict=True)}  # fmt: skip
    values = {}
    for column in COLUMNS:
        if column.decimals is not None or column.name == "mass_kg_tau_0_7":
            text = texts[column.name]
            text[text == b"None"] = b"inf"
            values[column.name] = text.astype(np.float64)
    utc = texts["beginning_utc_time"].astype("U26").astype("datetime64[us]")
    return Rows(
        identifiers=texts["identifier"].astype("S20"),
        jd=texts["beginning_julian_date"].astype(np.float64),
        utc_us=utc.astype(np.int64),
        iau_no=texts["iau_no"].astype(np.int64),
        iau_code=texts["iau_code"].astype("S3"),
        values=values,
        begins_in_fov=texts["beg_in_fov"] == b"True",
        ends_in_fov=texts["end_in_fov"] == b"True",
        station_count=texts["num_stat"].astype(np.int64),
        stations=texts["participating_stations"],
    )


# --- The meteors: radiants, orbits, places --------------------------------------------------

# number code | peak, scale width, deg of solar longitude | radiant at the peak RA Dec and its
# drift per degree, deg | geocentric speed, km/s | strength at the peak, sporadics = 1.
# After the IAU Meteor Data Center's list of established showers, rounded.
_SHOWERS = """\
1 CAP 127 8 306.6 -9.2 0.8 0.25 22.6 .20;  2 STA 216 15 47.9 12.8 0.8 0.2 27.2 .15
4 GEM 262.1 1.2 113.2 32.4 1.02 -0.15 33.8 2.5;  5 SDA 127 5 341.0 -16.1 0.8 0.3 41.0 .35
6 LYR 32.4 1.0 272.2 33.4 0.7 -0.1 46.7 .6;  7 PER 140 3 48.2 58.1 1.4 0.26 59.1 2.2
8 ORI 208.6 4 95.9 15.7 0.75 0.05 66.3 .9;  9 DRA 195.4 .4 262.9 55.7 0.2 0.1 20.7 .3
10 QUA 283.2 .5 230.2 49.5 0.5 -0.2 40.7 2.5;  12 KCG 141 5 286.0 51.0 0.6 0.4 23.0 .1
13 LEO 235.3 1.8 154.2 21.6 0.66 -0.35 70.2 .5;  15 URS 270.7 .6 219.0 75.3 0.4 -0.3 33.0 .5
16 HYD 256.5 5 127.0 2.5 0.75 -0.2 58.9 .25;  17 NTA 224 12 58.6 21.6 0.8 0.16 28.0 .15
19 MON 260.9 4 101.8 8.1 0.7 -0.05 41.4 .12;  20 COM 274 6 175.2 22.2 0.85 -0.35 63.3 .2
22 LMI 209 3 159.5 36.7 1.0 -0.4 61.9 .12;  31 ETA 45.5 5 338.1 -0.8 0.65 0.33 65.7 .9
110 AAN 313 4 159.0 -10.0 0.7 -0.3 44.0 .06;  145 ELY 50.2 1.5 290.0 43.7 0.2 0.0 43.7 .12
164 NZC 101 8 310.0 -5.0 0.9 0.2 38.3 .15;  175 JPE 108 4 347.0 11.0 0.8 0.2 63.9 .1
191 ERI 137.5 5 45.0 -11.7 0.8 0.25 64.0 .12;  206 AUR 158.6 .8 91.0 39.0 1.0 0.0 65.7 .15
208 SPE 166.7 3 48.0 39.9 1.0 0.15 64.8 .25;  246 AMO 239.3 .5 117.0 1.0 0.8 -0.1 62.0 .08
250 NOO 247 4 91.0 15.3 0.75 -0.05 42.5 .2;  281 OCT 192.6 .4 169.0 77.8 1.0 -0.3 45.9 .1
331 AHY 285.5 4 127.6 -7.9 0.7 -0.2 43.3 .08;  333 OCU 202 .8 144.5 64.0 1.5 -0.4 55.6 .06
336 DKD 250 3 187.0 70.0 0.9 -0.4 43.4 .08;  337 NUE 168 8 68.0 1.0 0.75 0.05 66.7 .2
"""
_SHOWER_TABLE = [r.split() for r in _SHOWERS.replace("\n", ";").split(";") if r.strip()]
_SHOWER_NO = np.array([int(r[0]) for r in _SHOWER_TABLE] + [-1])
_SHOWER_CODE = np.array([r[1] for r in _SHOWER_TABLE] + ["..."], dtype="S3")
_SHOWER = np.array([r[2:] for r in _SHOWER_TABLE], dtype=float).T
# The sporadic sources, Sun-centred ecliptic: longitude, its spread, latitude, its spread, mean
# of 1/a and its spread (1/AU), share. Antihelion, apex north and south, toroidal north and south.
_SOURCES = np.array([(196, 18, 0, 13, .45, .2, .40), (270, 14, 17, 9, .15, .15, .24),
    (270, 14, -17, 9, .15, .15, .10), (270, 17, 57, 11, .35, .25, .20),
    (270, 17, -57, 11, .35, .25, .06)]).T  # fmt: skip
HYPERBOLIC_SHARE = 0.045  # of the sporadics; the fast showers scatter in a few more

# country code, latitude, longitude, spread (deg), stations at the end, country whose stations
# see the same meteors
_COUNTRIES = """\
AT 47.5 14.5 1 12 DE;AU -33.0 141.0 9 110 AU;BE 50.8 4.5 1 60 NL;BG 42.7 25.0 1 30 RO
BR -23.5 -47.5 4 70 BR;CA 48.0 -95.0 9 60 US;CH 46.9 8.0 1 12 DE;CZ 49.8 15.5 1 25 DE
DE 50.5 10.0 2 90 NL;DK 56.0 10.0 1 8 DE;ES 39.5 -3.5 2 60 PT;FI 61.5 25.0 2 6 FI
FR 46.5 2.5 2 40 BE;GR 38.5 23.0 1 12 BG;HR 45.3 16.0 1 110 SI;HU 47.0 19.5 1 20 HR
IE 53.2 -8.0 1 15 UK;IL 31.5 35.0 1 12 IL;IT 44.0 11.0 2 30 HR;JP 36.0 138.0 2 30 KR
KR 36.5 127.8 1 80 JP;LU 49.7 6.1 .3 6 BE;MX 20.5 -101.0 3 15 US;MY 3.5 102.0 1 8 MY
NL 52.2 5.4 1 70 BE;NZ -42.5 172.8 2 130 NZ;PL 52.0 19.0 2 25 CZ;PT 39.5 -8.3 1 10 ES
RO 45.5 25.5 1 12 BG;RU 50.0 42.0 4 25 RU;SI 46.1 14.8 1 15 HR;SK 48.8 19.5 1 12 CZ
UA 49.0 31.0 2 10 RO;UK 52.8 -1.8 2 260 IE;US 35.5 -108.0 8 330 MX;ZA -30.0 24.0 3 25 ZA
"""
_COUNTRY_TABLE = [r.split() for r in _COUNTRIES.replace("\n", ";").split(";") if r]
_COUNTRY = np.array([r[1:5] for r in _COUNTRY_TABLE], dtype=float).T
_COUNTRY_CODES = [r[0] for r in _COUNTRY_TABLE]
_PARTNER = np.array([_COUNTRY_CODES.index(r[5]) for r in _COUNTRY_TABLE])
_STATIONS = _COUNTRY[3].astype(np.int64)
_FIRST_STATION = np.concatenate(([0], np.cumsum(_STATIONS)[:-1]))
_BASE_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# In the order of the codes, so that sorted numbers are sorted codes; the last is none.
_STATION_CODES = np.array([f"{country}00{_BASE_36[k // 36]}{_BASE_36[k % 36]}"
    for country, count in zip(_COUNTRY_CODES, _STATIONS, strict=True)
    for k in range(1, count + 1)] + [""], dtype="S6")  # fmt: skip
MAX_STATIONS = 14

GM_SUN = 887.128  # km^2 s^-2 AU
EARTH_E, EARTH_PERIHELION_DEG = 0.0167, 103.0
JUPITER_A_AU = 5.2044
OBLIQUITY = np.radians(23.4392911)
_BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUFFIXES = 62**5
# Upstream's published volume by date (year, rows a day): 14,006 in all by August 2019, 530 in a
# bin of March 2022, 4,031 in one of September 2026.
_VOLUME = np.log([(2018.94, 14), (2019.6, 150), (2020.5, 280), (2022.2, 700), (2024.0, 1900),
                  (2026.7, 3150), (2027.0, 3200)]).T  # fmt: skip


def _rotate(lon_deg: Floats, lat_deg: Floats, tilt: float) -> tuple[Floats, Floats]:
    """Ecliptic to equatorial with the obliquity, back with its negative."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(np.clip(z, -1, 1)))


def _earth(sol_lon_deg: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Distance (AU), heliocentric longitude (rad), velocity in the ecliptic (km/s)."""
    longitude, perihelion = np.radians(sol_lon_deg + 180), np.radians(EARTH_PERIHELION_DEG)
    distance = (1 - EARTH_E**2) / (1 + EARTH_E * np.cos(longitude - perihelion))
    speed = np.sqrt(GM_SUN / (1 - EARTH_E**2))
    return (distance, longitude, -speed * (np.sin(longitude) + EARTH_E * np.sin(perihelion)),
            speed * (np.cos(longitude) + EARTH_E * np.cos(perihelion)))  # fmt: skip


def _direction(lon_deg: Floats, lat_deg: Floats) -> tuple[Floats, Floats, Floats]:
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def orbit(sol_lon_deg: Floats, lam_deg: Floats, bet_deg: Floats, vgeo: Floats) -> dict[str, Floats]:
    """The heliocentric columns that follow from a geocentric radiant and speed."""
    distance, longitude, earth_x, earth_y = _earth(sol_lon_deg)
    x, y, z = _direction(lam_deg, bet_deg)
    vx, vy, vz = earth_x - vgeo * x, earth_y - vgeo * y, -vgeo * z
    v2 = vx**2 + vy**2 + vz**2
    cos_l, sin_l = np.cos(longitude), np.sin(longitude)
    radial, along = vx * cos_l + vy * sin_l, vy * cos_l - vx * sin_l
    inverse_a = 2 / distance - v2 / GM_SUN
    p = distance**2 * (along**2 + vz**2) / GM_SUN
    e = np.sqrt(np.maximum(1 - p * inverse_a, 1e-12))
    a, q = 1 / inverse_a, p / (1 + e)
    inclination = np.arctan2(np.abs(vz), along)
    rising = vz > 0
    anomaly = np.arctan2(np.sqrt(p / GM_SUN) * radial, p / distance - 1)
    node = np.degrees(longitude) + np.where(rising, 0, 180)
    peri = np.where(rising, 0, 180) - np.degrees(anomaly)
    bound = inverse_a > 0
    e_bound = np.where(bound, e, 0)
    eccentric = 2 * np.arctan(np.sqrt((1 - e_bound) / (1 + e_bound)) * np.tan(anomaly / 2))
    mean = np.degrees(eccentric - e_bound * np.sin(eccentric)) % 360
    years = np.abs(a) ** 1.5
    latitude = np.arcsin(np.sin(inclination) * np.sin(np.radians(peri)))
    tisserand = JUPITER_A_AU * inverse_a + 2 * np.cos(inclination) * np.sqrt(p / JUPITER_A_AU)
    return {"lamhel_deg": np.degrees(np.arctan2(-vy, -vx)) % 360,
            "bethel_deg": np.degrees(np.arcsin(-vz / np.sqrt(v2))), "vhel_km_s": np.sqrt(v2),
            "a_au": a, "e": e, "i_deg": np.degrees(inclination), "peri_deg": peri % 360,
            "node_deg": node % 360, "pi_deg": (peri + node) % 360, "b_deg": np.degrees(latitude),
            "q_au": q, "f_deg": np.degrees(anomaly) % 360, "m_deg": np.where(bound, mean, np.nan),
            "q_au_": a * (1 + e), "n_deg_day": 0.9856076686 / years,
            "t_years": np.where(bound, years, np.nan), "tisserandj": tisserand}  # fmt: skip


def _radiants(
    rng: np.random.Generator, sol_lon_deg: Floats
) -> tuple[Integers, Floats, Floats, Floats]:
    """For each row the shower's index, the ecliptic radiant and the geocentric speed."""
    peak, width, ra, dec, ra_drift, dec_drift, speed, strength = _SHOWER
    size = len(sol_lon_deg)
    degrees, which = np.unique(sol_lon_deg, return_inverse=True)
    from_peak = (degrees[:, None] - peak + 180) % 360 - 180
    active = strength * np.exp(-np.abs(from_peak) / width)
    shares = np.cumsum(active, axis=1) / (1 + active.sum(axis=1, keepdims=True))
    shower = (rng.random(size)[:, None] >= shares[which]).sum(axis=1)
    member = shower < len(peak)
    shower_in = np.where(member, shower, 0)
    source = np.searchsorted(np.cumsum(_SOURCES[6])[:-1], rng.random(size), side="right")
    lon, lon_spread, lat, lat_spread, inverse_a, inverse_a_spread, _ = _SOURCES[:, source]
    noise_1, noise_2, noise_3 = rng.standard_normal((3, size))
    drift = np.clip((sol_lon_deg - peak[shower_in] + 180) % 360 - 180, -12, 12)
    shower_dec = dec[shower_in] + dec_drift[shower_in] * drift + 0.8 * noise_2
    shower_ra = ra[shower_in] + ra_drift[shower_in] * drift
    shower_ra += 0.8 * noise_1 / np.cos(np.radians(shower_dec))
    shower_lam, shower_bet = _rotate(shower_ra, shower_dec, -OBLIQUITY)
    lam = np.where(member, shower_lam, sol_lon_deg + lon + lon_spread * noise_1) % 360
    bet = np.where(member, shower_bet, np.clip(lat + lat_spread * noise_2, -85, 85))
    distance, _, earth_x, earth_y = _earth(sol_lon_deg)
    x, y, _ = _direction(lam, bet)
    towards, earth_v2 = earth_x * x + earth_y * y, earth_x**2 + earth_y**2
    scattered = speed[shower_in] * (1 + 0.006 * noise_3)
    shower_v2 = earth_v2 - 2 * scattered * towards + scattered**2
    sporadic = np.minimum(0.003 + np.abs(inverse_a + inverse_a_spread * noise_3), 0.95)
    hyperbolic = rng.random(size) < HYPERBOLIC_SHARE
    sporadic = np.where(hyperbolic, -0.001 - 0.05 * np.abs(noise_3), sporadic)
    inverse_a = np.where(member, 2 / distance - shower_v2 / GM_SUN, sporadic).clip(-0.2, 1.2)
    v2 = GM_SUN * (2 / distance - inverse_a)
    vgeo = towards + np.sqrt(np.maximum(towards**2 - earth_v2 + v2, 4.0))
    return shower, lam, bet, np.maximum(vgeo, 5.0)


def _place(rng: np.random.Generator, ra: Floats, dec: Floats, sol_lon_deg: Floats,
           begins_jd: Floats, days: Floats) -> tuple[Integers, Floats, Floats, Floats]:  # fmt: skip
    """A country, a place and a time of night in the bin at which the radiant is up."""
    size = len(ra)
    latitude, longitude, spread, _ = _COUNTRY
    shares = np.cumsum(_STATIONS)[:-1] / _STATIONS.sum()
    sun_ra, _ = _rotate(sol_lon_deg, np.zeros(size), OBLIQUITY)
    best, country, from_midnight_deg = np.full(size, -2.0), np.zeros(size, int), np.zeros(size)
    for _ in range(3):
        new = np.searchsorted(shares, rng.random(size), side="right")
        night = rng.uniform(-80, 80, size)
        hour_angle, lat = np.radians(sun_ra + 180 + night - ra), np.radians(latitude[new])
        declination = np.radians(dec)
        height = (np.sin(lat) * np.sin(declination)
                  + np.cos(lat) * np.cos(declination) * np.cos(hour_angle))  # fmt: skip
        better = (height > best) & (best < 0.3)
        best = np.where(better, height, best)
        country = np.where(better, new, country)
        from_midnight_deg = np.where(better, night, from_midnight_deg)
    noise_1, noise_2 = rng.standard_normal((2, size)).clip(-2, 2)
    lat_deg = latitude[country] + 0.5 * spread[country] * noise_1
    lon_deg = longitude[country] + 0.7 * spread[country] * noise_2
    offset = ((from_midnight_deg - lon_deg) / 360 - (begins_jd + 0.5)) % 1
    # A bin is not a day: some times of day come twice in it, or not at all.
    again = rng.random(size)
    offset = np.where(offset < days, offset + (offset < days - 1) * (again < 0.5), days * again)
    return country, lat_deg, lon_deg, begins_jd + offset


def _stations(rng: np.random.Generator, country: Integers, growth: float) -> tuple[Integers, Texts]:
    """How many stations saw it, and their codes: sorted, joined by commas."""
    size = len(country)
    active = np.maximum(4, np.rint(_STATIONS * growth)).astype(np.int64)[country]
    count = np.minimum(1 + rng.geometric(0.62, size), np.minimum(active, MAX_STATIONS))
    longest = int(count.max())
    step_limit = np.clip(active // count, 1, 3)
    steps = 1 + (rng.random((size, longest)) * step_limit[:, None]).astype(np.int64)
    first = (active * rng.random(size) ** 2).astype(np.int64)
    rank = (first[:, None] + np.cumsum(steps, axis=1)) % active[:, None]
    number = _FIRST_STATION[country][:, None] + rank
    abroad = (rng.random(size) < 0.15) & (_PARTNER[country] != country)
    guest = _FIRST_STATION[_PARTNER[country]] + (4 * rng.random(size) ** 2).astype(np.int64)
    number[abroad, 0] = guest[abroad]
    none = len(_STATION_CODES) - 1
    number[np.arange(longest) >= count[:, None]] = none
    number.sort(axis=1)
    matrix = np.zeros((size, 7 * longest - 1), np.uint8)
    for k in range(longest):
        _view(matrix, 7 * k, 6)[:] = _STATION_CODES[number[:, k]]
        if k:
            matrix[k < count, 7 * k - 1] = ord(",")
    return count, _view(matrix, 0, 7 * longest - 1)


# 1-sigma in the column's unit for a solution of middling quality; a, Q and T follow from 1/a.
_SIGMA = dict(zip((n.removesuffix("_sigma") for n in SIGMA_NAMES), (
    .25, .25, .31, .23, .16, .28, .2, .16, 0, .009, .25, .6, .0004, .59, .31, .002, .59, .22, 0,
    .0096, 0, .07, .24, .23, .32, .23, .15, .09, .0003, .0004, .06, .0003, .0004, .05),
    strict=True))  # fmt: skip
_SIGMA_CAP = {"rageo_deg": 1.4, "decgeo_deg": 1.4, "peri_deg": 99.0, "node_deg": 99.0}
# Columns that the solutions of the first weeks had no uncertainties for.
_NO_SIGMA_IN_2018 = ("azim_e_of_n_deg", "elev_deg", "vavg_km_s")


def _sigmas(
    rng: np.random.Generator, values: dict[str, Floats], in_2018: Flags
) -> dict[str, Floats]:
    size = len(in_2018)
    quality = np.exp(0.7 * rng.standard_normal(size))
    factors = np.exp(0.5 * rng.standard_normal((len(_SIGMA), size), np.float32))
    sigmas = {}
    for (name, usual), factor in zip(_SIGMA.items(), factors, strict=True):
        sigmas[name] = np.minimum(usual * quality * factor, _SIGMA_CAP.get(name, 9.9))
    sigmas["vgeo_km_s"] = np.minimum(sigmas["vgeo_km_s"], 0.09 * values["vgeo_km_s"])
    a = np.abs(values["a_au"])
    of_inverse_a = 0.013 * quality
    sigmas["a_au"] = a**2 * of_inverse_a
    sigmas["q_au_"] = 2 * sigmas["a_au"]
    sigmas["t_years"] = 1.5 * np.sqrt(a) * sigmas["a_au"]
    # The runs of a Monte Carlo solution that left the Sun's hold have no period.
    unbound = ~(values["a_au"] > 0) | (3 * of_inverse_a * a > 1)
    for name in ("m_deg", "t_years"):
        sigmas[name][unbound] = np.nan
    sigmas["node_deg"][rng.random(size) < 0.003] *= -1  # upstream prints a few negative ones
    chosen = rng.integers(0, len(_SIGMA), size)
    for k in np.nonzero(rng.random(size) < 0.0005)[0]:
        sigmas[list(_SIGMA)[chosen[k]]][k] = np.nan
    without = rng.random(size) < 0.002
    for name, sigma in sigmas.items():
        sigma[without | in_2018 if name in _NO_SIGMA_IN_2018 else without] = np.inf
    return {f"{name}_sigma": sigma for name, sigma in sigmas.items()}


def _wrapped(lon_deg: Floats) -> Floats:
    return (lon_deg + 180) % 360 - 180


def _flight(rng: np.random.Generator, values: dict[str, Floats]) -> dict[str, Floats]:
    """The apparent radiant and the luminous path, for a radiant, a place and a time."""
    size = len(values["vgeo_km_s"])
    vgeo, lat = values["vgeo_km_s"], np.radians(values["latbeg_n_deg"])
    hour_angle = np.radians(values["app_lst_deg"] - values["rageo_deg"])
    dec = np.radians(values["decgeo_deg"])
    height = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle)
    azimuth = np.arctan2(-np.cos(dec) * np.sin(hour_angle),
        np.sin(dec) * np.cos(lat) - np.cos(dec) * np.cos(hour_angle) * np.sin(lat))  # fmt: skip
    vinit = np.sqrt(vgeo**2 + 125 + 5 * rng.random(size))
    zenith = np.pi / 2 - np.arcsin(np.clip(height, 0.09, 1))
    pull = 2 * np.arctan((vinit - vgeo) / (vinit + vgeo) * np.tan(zenith / 2))
    elev = np.pi / 2 - (zenith - pull)
    sin_dec = np.sin(lat) * np.sin(elev) + np.cos(lat) * np.cos(elev) * np.cos(azimuth)
    turned = np.arctan2(-np.sin(azimuth) * np.cos(elev),
        np.sin(elev) * np.cos(lat) - np.cos(elev) * np.cos(azimuth) * np.sin(lat))  # fmt: skip
    vavg = vinit * (1 - 0.07 * rng.beta(1.2, 2.5, size))
    noise_1, noise_2, noise_3, noise_4 = rng.standard_normal((4, size)).clip(-3.5, 3.5)
    begin = np.clip(60.3 + 6.2 * np.sqrt(vinit) + 4.5 * noise_1, 60, 150)
    drop = np.clip(13.5 * np.exp(0.4 * noise_2) * np.sin(elev) ** 0.7, 1.5, 38)
    track_deg = drop / np.tan(elev) / 111.2
    f_param = np.clip(rng.beta(4.2, 3.2, size), 0.02, 0.98)
    magnitude = np.clip(0.25 + 1.3 * noise_3 - rng.exponential(0.25, size), -12, 6)
    log_mass = 0.1 - 0.45 * magnitude - 2.66 * np.log10(vinit) + 0.22 * noise_4
    return {"raapp_deg": (values["app_lst_deg"] - np.degrees(turned)) % 360,
            "decapp_deg": np.degrees(np.arcsin(np.clip(sin_dec, -1, 1))),
            "azim_e_of_n_deg": np.degrees(azimuth) % 360, "elev_deg": np.degrees(elev),
            "vinit_km_s": vinit, "vavg_km_s": vavg, "htbeg_km": begin, "htend_km": begin - drop,
            "latend_n_deg": values["latbeg_n_deg"] - track_deg * np.cos(azimuth),
            "lonend_e_deg": _wrapped(values["lonbeg_e_deg"]
                                     - track_deg * np.sin(azimuth) / np.cos(lat)),
            "duration_sec": drop / np.sin(elev) / vavg, "peak_absmag": magnitude,
            "peak_ht_km": begin - f_param * drop, "f_param": f_param,
            "mass_kg_tau_0_7": 10**log_mass, "qc_deg": 5 + 84 * rng.beta(1.4, 1.6, size),
            "medianfiterr_arcsec": 47 * np.exp(0.5 * rng.standard_normal(size))}  # fmt: skip


def _identifiers(utc_us: Integers, sequence: Integers) -> Texts:
    """A text for each time and number; a number below 62^5 gives its own five characters."""
    scrambled = (sequence * 387_420_489 + 123_456_789) % SUFFIXES
    seconds = utc_us // 1_000_000
    matrix = np.full((len(utc_us), 20), ord("_"), np.uint8)
    _view(matrix, 0, 8)[:] = _dates(seconds // 86_400, "%Y%m%d")
    _view(matrix, 8, 6)[:] = _clock("%02d%02d%02d")[seconds % 86_400]
    alphabet = np.frombuffer(_BASE_62.encode(), np.uint8)
    for place in range(5):
        matrix[:, 15 + place] = alphabet[scrambled // 62 ** (4 - place) % 62]
    return _view(matrix, 0, 20)


def draw_rows(chunk: Sequence[Bin], counts: Sequence[int], rng: np.random.Generator,
              first_sequence: int) -> Rows:  # fmt: skip
    """So many sound rows in each bin, bin by bin in the order of time."""
    which = np.repeat(np.arange(len(chunk)), counts)
    begins_jd = np.array([_jd(b.begins_at) for b in chunk])[which]
    days = np.array([(b.ends_at - b.begins_at) / timedelta(days=1) for b in chunk])[which]
    middle = np.array([b.solar_longitude_deg + 0.5 for b in chunk])[which]
    shower, lam, bet, vgeo = _radiants(rng, middle)
    ra, dec = _rotate(lam, bet, OBLIQUITY)
    country, lat, lon, jd = _place(rng, ra, dec, middle, begins_jd, days)
    utc_us = np.rint((jd - UNIX_EPOCH_JD) * DAY_US).astype(np.int64)
    whole = rng.random(len(jd)) < 0.0005  # a time without its decimals is rare, and trips readers
    utc_us[whole] -= utc_us[whole] % 1_000_000
    jd[whole] = UNIX_EPOCH_JD + utc_us[whole] / DAY_US
    order = np.lexsort((jd, which))
    shower, country, utc_us = (array[order] for array in (shower, country, utc_us))
    lam, bet, vgeo, ra, dec, lat, lon, jd = (
        array[order] for array in (lam, bet, vgeo, ra, dec, lat, lon, jd)
    )
    sol_lon = solar_longitude_deg(jd + DYNAMICAL_TIME_AHEAD_DAYS) % 360
    lst = (280.46061837 + 360.98564736629 * (jd - J2000_JD) + lon) % 360
    values = {"sol_lon_deg": sol_lon, "app_lst_deg": lst, "rageo_deg": ra, "decgeo_deg": dec,
              "lamgeo_deg": lam, "betgeo_deg": bet, "vgeo_km_s": vgeo, "latbeg_n_deg": lat,
              "lonbeg_e_deg": _wrapped(lon), **orbit(sol_lon, lam, bet, vgeo)}  # fmt: skip
    values |= _flight(rng, values)
    growth = np.exp(_log_volume(begins_jd[:1]) - _VOLUME[1, -1]).item() ** 0.7
    in_2018 = np.array([b.start_date.year == 2018 for b in chunk])[which]
    values |= _sigmas(rng, values, in_2018)
    count, stations = _stations(rng, country, min(growth, 1.0))
    in_fov = rng.random((2, len(jd))) < 0.99
    sequence = first_sequence + np.arange(len(jd))
    return Rows(_identifiers(utc_us, sequence), jd, utc_us, _SHOWER_NO[shower],
                _SHOWER_CODE[shower], values, in_fov[0], in_fov[1], count, stations)  # fmt: skip


# --- The directory --------------------------------------------------------------------------


def _log_volume(jd: Floats) -> Floats:
    years = 2000 + (jd - J2000_JD) / 365.25
    return np.interp(np.log(years), *_VOLUME)


def _natural_weights(some: Sequence[Bin]) -> Floats:
    """Upstream's own number of rows in these bins, about."""
    peak, width, *_, strength = _SHOWER
    begins_jd = np.array([_jd(b.begins_at) for b in some])
    middle = np.array([b.solar_longitude_deg + 0.5 for b in some])
    from_peak = (middle[:, None] - peak + 180) % 360 - 180
    showers = (strength * np.exp(-np.abs(from_peak) / width)).sum(axis=1)
    season = 1 + 0.25 * np.cos(np.radians(middle - 200))
    weights: Floats = np.exp(_log_volume(begins_jd)) * season * (1 + 0.6 * showers)
    return weights


@dataclass(frozen=True)
class Archive:
    path: Path
    rows: int
    daily_files: int
    generated_on: datetime  # of its newest file


def _stamp(path: Path, generated_on: datetime) -> None:
    os.utime(path, (generated_on.timestamp(), generated_on.timestamp()))


def _widened(text: bytes) -> bytes:
    """Rows of the older form as the newer form pads them."""
    lines = text.split(LINE_END)
    return LINE_END.join(
        line[:_CODE_AT] + b" " + line[_CODE_AT:] if line else line for line in lines
    )


def _read_daily(path: Path) -> tuple[bool, memoryview]:
    """Whether a daily file is of the newer form, and its rows."""
    text = path.read_bytes()
    *head, first_rows = text[:8000].split(LINE_END, 4)
    at = min(len(text), 8000) - len(first_rows)
    return len(head[3].split(b"; ")[4]) == 5, memoryview(text)[at:]


class _Summaries:
    """The monthly, yearly and all files, written along with the rows in order of time."""

    def __init__(
        self,
        root: Path,
        kinds: Sequence[str],
        generated_on: datetime,
        month_generated_on: Callable[[str], datetime],
        rewritten: set[str] | None = None,
    ):
        self._root, self._kinds, self._generated_on = root, kinds, generated_on
        self._month_generated_on, self._rewritten = month_generated_on, rewritten
        self._month, self._wide = "", False
        self._files: dict[str, tuple[Path, BinaryIO, datetime]] = {}

    def _open(self, kind: str, name: str, generated_on: datetime) -> BinaryIO:
        self._shut(kind)
        path = self._root / name
        path.parent.mkdir(exist_ok=True)
        self._files[kind] = path, path.open("wb"), generated_on
        return self._files[kind][1]

    def _shut(self, kind: str) -> None:
        if kind in self._files:
            path, file, generated_on = self._files.pop(kind)
            file.close()
            _stamp(path, generated_on)

    def _turn(self, month: str) -> None:
        generated_on = self._month_generated_on(month)
        self._wide = is_wide(generated_on)
        self._shut("monthly")
        if "monthly" in self._kinds and (self._rewritten is None or month in self._rewritten):
            name = f"monthly/traj_summary_monthly_{month}.txt"
            self._open("monthly", name, generated_on).write(_head(generated_on))
        names = {"yearly": f"traj_summary_yearly_{month[:4]}.txt", "all": "traj_summary_all.txt"}
        for kind in ("yearly", "all"):
            if kind not in self._kinds:
                continue
            if kind in self._files and (kind == "all" or month[:4] == self._month[:4]):
                self._files[kind][1].write(b"\n" * 4)  # what is left of the month's header
            else:
                # Upstream reads the months as text, where each line end LF CR becomes two.
                file = self._open(kind, names[kind], self._generated_on)
                file.write(generated_line(self._generated_on) + LINE_END + b"\n")
                file.write(b"".join(line + b"\n\n" for line in header_lines(self._wide)))
        self._month = month

    def _add(self, month: str, text: memoryview, wide: bool) -> None:
        if month != self._month:
            self._turn(month)
        if self._wide and not wide:
            text = memoryview(_widened(bytes(text)))
        if "monthly" in self._files:
            self._files["monthly"][1].write(text)
        if self._files.keys() & {"yearly", "all"}:
            # LF CR to LF LF, at a fifth of the time that bytes.replace takes
            raw = np.frombuffer(text, np.uint8)
            doubled = raw - (ord("\r") - ord("\n")) * (raw == ord("\r")).view(np.uint8)
            for kind in self._files.keys() & {"yearly", "all"}:
                self._files[kind][1].write(doubled.data)

    def add_daily(self, path: Path, of: Bin) -> None:
        """Add the rows of a daily file: to two months where it runs into the next."""
        if not set(self._kinds) - {"daily"}:
            return
        wide, body = _read_daily(path)
        first, last = f"{of.begins_at:%Y%m}", f"{of.ends_at:%Y%m}"
        split = len(body)
        if first != last:
            lines = bytes(body).split(LINE_END)
            split = sum(len(line) + 2 for line in lines if line.startswith(first.encode()))
        for month, part in ((first, body[:split]), (last, body[split:])):
            if part:
                self._add(month, part, wide)

    def close(self) -> None:
        for kind in list(self._files):
            self._shut(kind)


def _month_end(month: str) -> datetime:
    year, number = divmod(int(month[:4]) * 12 + int(month[4:]), 12)
    return datetime(year, number + 1, 1, tzinfo=UTC)


def _generated_on(ends_at: datetime, now: datetime, seed: int) -> datetime:
    """Upstream rewrites the last ten bins, so a file is final ten days after its bin."""
    rng = np.random.default_rng((seed, ends_at.toordinal(), ends_at.hour))
    return min(ends_at + timedelta(days=10, microseconds=int(rng.integers(2, 7 * 3_600_000_000))),
               now)  # fmt: skip


def _copy_latest(daily: Path, names: Sequence[str]) -> None:
    for name, alias in zip(reversed(names[-2:]), ("latest_daily", "yesterday"), strict=False):
        shutil.copy2(daily / name, daily / f"traj_summary_{alias}.txt")


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring bins of one form, drawn together."""

    bins: list[Bin]
    counts: list[int]
    generated_on: list[datetime]
    seed: tuple[int, int]
    first_sequence: int


def _chunks(some: Sequence[Bin], counts: Integers, generated_on: Sequence[datetime],
            seed: int) -> Iterator[_Chunk]:  # fmt: skip
    seen = counts > 0  # a bin without a meteor has no file
    kept = [k for k in range(len(some)) if seen[k]]
    total = np.concatenate(([0], np.cumsum(counts)))
    start = 0
    for k, one in enumerate(kept):
        last = k + 1 == len(kept)
        full = last or total[kept[k + 1] + 1] - total[kept[start]] > CHUNK_ROWS
        if full or is_wide(generated_on[one]) != is_wide(generated_on[kept[k + 1]]):
            mine = kept[start : k + 1]
            yield _Chunk([some[j] for j in mine], [int(counts[j]) for j in mine],
                         [generated_on[j] for j in mine], (seed, mine[0]),
                         int(total[mine[0]]))  # fmt: skip
            start = k + 1


def _write_chunk(daily: Path, chunk: _Chunk) -> None:
    rng = np.random.default_rng(chunk.seed)
    rows = draw_rows(chunk.bins, chunk.counts, rng, chunk.first_sequence)
    matrix = _matrix(rows, is_wide(chunk.generated_on[0]))
    start = 0
    for one, count, moment in zip(chunk.bins, chunk.counts, chunk.generated_on, strict=True):
        path = daily / one.file_name
        path.write_bytes(_head(moment) + _text(matrix[start : start + count]))
        _stamp(path, moment)
        start += count


def _written(daily: Path, chunks: Sequence[_Chunk], workers: int) -> Iterator[_Chunk]:
    """Write the chunks side by side and give them back in order."""
    if workers < 2:
        for chunk in chunks:
            _write_chunk(daily, chunk)
            yield chunk
        return
    # Processes, as threads would wait for each other; spawned, as a forked child of a process
    # with threads may hang.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = [pool.submit(_write_chunk, daily, chunk) for chunk in chunks]
        for chunk, one in zip(chunks, running, strict=True):
            one.result()
            yield chunk


def generate(out_dir: Path, rows: int, seed: int = 1, from_date: date = FIRST_DATE,
             to_date: date = LAST_DATE, kinds: Sequence[str] = ("daily", "monthly", "all"),
             workers: int | None = None) -> Archive:  # fmt: skip
    """Write a data directory with exactly so many rows, spread over time as upstream's are."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"unknown kinds {sorted(unknown)}, known are {KINDS}")
    some = bins(from_date, to_date)
    weight = np.cumsum(_natural_weights(some))
    counts = np.diff(np.rint(weight / weight[-1] * rows).astype(np.int64), prepend=0)
    now = some[-1].ends_at + timedelta(hours=5, minutes=47, microseconds=311_273)
    generated_on = [_generated_on(one.ends_at, now, seed) for one in some]
    daily = out_dir / "daily"
    daily.mkdir(parents=True)
    summaries = _Summaries(out_dir, kinds, now,
                           lambda month: _generated_on(_month_end(month), now, seed))  # fmt: skip
    names: list[str] = []
    chunks = list(_chunks(some, counts, generated_on, seed))
    for chunk in _written(daily, chunks, workers or (2 if rows > 100_000 else 1)):
        for one in chunk.bins:
            names.append(one.file_name)
            summaries.add_daily(daily / one.file_name, one)
    summaries.close()
    if "daily" in kinds:
        _copy_latest(daily, names)
    else:
        shutil.rmtree(daily)
    return Archive(out_dir, rows, len(names), now)


# --- The next generation --------------------------------------------------------------------

CHANGES = ("resolved", "reidentified", "withdrawn", "duplicated", "corrupted")
CORRUPTIONS = ("cut", "letters", "fields", "latitude")


@dataclass(frozen=True)
class Shares:
    """Of the rows of each file that changes; a row suffers one of these at most."""

    resolved: float = 0.05  # the values changed, the identifier kept
    reidentified: float = 0.005  # the identifier changed, the values kept
    withdrawn: float = 0.005
    duplicated: float = 0.001  # the identifier once more, with other stations
    corrupted: float = 0.0005
    added: float = 0.01


@dataclass
class FileTruth:
    """What became of one rewritten daily file. Rows are lines, sound or not."""

    rows_before: int = 0
    rows_after: int = 0
    resolved: int = 0
    reidentified: int = 0
    withdrawn: int = 0
    duplicated: int = 0
    corrupted: int = 0
    added: int = 0


@dataclass
class Truth:
    """What a next generation changed: by file, and the identifiers of each kind.

    Of the reidentified rows there are two lists in step, `reidentified` with the old
    identifiers and `reidentified_as`; of the corrupted one for each of CORRUPTIONS.
    """

    generated_on: str
    files: dict[str, FileTruth] = field(default_factory=dict)
    identifiers: dict[str, list[str]] = field(default_factory=dict)

    def total(self, what: str) -> int:
        return sum(getattr(file, what) for file in self.files.values())

    def write(self, path: Path) -> None:
        names = [f.name for f in fields(FileTruth)]
        totals = {name: self.total(name) for name in names}
        path.write_text(json.dumps({"totals": totals, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Truth":
        raw = json.loads(path.read_text())
        files = {name: FileTruth(**counts) for name, counts in raw["files"].items()}
        return cls(raw["generated_on"], files, raw["identifiers"])


def resolve_again(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same meteors solved with other measurements: all that follows from them changes."""
    size = len(rows.jd)
    values = dict(rows.values)
    noise = rng.standard_normal((6, size)).clip(-3, 3)
    ra_shift, dec_shift = 0.02 * noise[0], 0.02 * noise[1]
    for name in ("rageo_deg", "raapp_deg"):
        values[name] = (values[name] + ra_shift) % 360
    for name in ("decgeo_deg", "decapp_deg"):
        values[name] = np.clip(values[name] + dec_shift, -90, 90)
    values["vgeo_km_s"] = values["vgeo_km_s"] * (1 + 0.0005 * noise[2])
    slowing = values["vavg_km_s"] / values["vinit_km_s"]
    surplus = rows.values["vinit_km_s"] ** 2 - rows.values["vgeo_km_s"] ** 2
    values["vinit_km_s"] = np.sqrt(values["vgeo_km_s"] ** 2 + surplus)
    values["vavg_km_s"] = slowing * values["vinit_km_s"]
    lam, bet = _rotate(values["rageo_deg"], values["decgeo_deg"], -OBLIQUITY)
    values |= {"lamgeo_deg": lam, "betgeo_deg": bet,
               **orbit(values["sol_lon_deg"], lam, bet, values["vgeo_km_s"])}  # fmt: skip
    for name in ("htbeg_km", "peak_ht_km", "htend_km"):
        values[name] = values[name] + 0.02 * noise[3]
    values["peak_absmag"] = values["peak_absmag"] + 0.05 * noise[4]
    values["medianfiterr_arcsec"] = values["medianfiterr_arcsec"] * np.exp(0.1 * noise[5])
    for name in ("m_deg", "t_years"):
        sigma = values[f"{name}_sigma"]
        values[f"{name}_sigma"] = np.where(np.isnan(values[name]) & (sigma < np.inf), np.nan, sigma)
    return replace(rows, values=values)


_NEXT_CHARACTER = bytes.maketrans(_BASE_62.encode(), (_BASE_62[1:] + _BASE_62[0]).encode())


def _other_stations(line: bytes) -> bytes:
    head, _, stations = line.rsplit(b"; ", 2)
    codes = stations.split(b",")
    # A code past the last of its country is nobody's, so it is new in any list.
    codes = codes[:-1] if len(codes) > 2 else [*codes, codes[-1][:2] + b"00ZZ"]
    return b"; ".join([head, b"%4d" % len(codes), b",".join(codes)])


_LETTERS = b" 3x.1f0a4"


def _is_sound(line: bytes) -> bool:
    return line.count(b";") == len(COLUMNS) - 1 and _LETTERS not in line


def _corrupt(line: bytes, how: str, rng: np.random.Generator) -> bytes:
    cells = line.split(b"; ")
    if how == "cut":
        return line[: int(rng.integers(100, 700))]
    if how == "letters":
        cells[15] = _LETTERS
    elif how == "fields":
        cells.append(b"0")
    else:
        cells[63] = b"   91.000000"
    return b"; ".join(cells)


def _generated_on_of(path: Path) -> datetime:
    with path.open("rb") as file:
        line = file.readline().decode()
    return datetime.fromisoformat(line.split(" on ")[1][:26]).replace(tzinfo=UTC)


class _Daily:
    """A daily file being rewritten: its lines, and which of them change how."""

    def __init__(self, path: Path, of: Bin, shares: Shares, seed: int, wide: bool):
        was_wide, body = _read_daily(path)
        text = _widened(bytes(body)) if wide and not was_wide else bytes(body)
        self.bin, self.path, self.lines = of, path, text.split(LINE_END)[:-1]
        self.rng = np.random.default_rng(
            (seed, of.start_date.toordinal(), of.solar_longitude_deg))  # fmt: skip
        size = len(self.lines)
        limits = np.cumsum([getattr(shares, change) for change in CHANGES])
        fate = np.searchsorted(limits, self.rng.random(size), side="right")
        # What a former generation corrupted stays as it is.
        fate[[not _is_sound(line) for line in self.lines]] = len(CHANGES)
        self.chosen = {c: np.nonzero(fate == k)[0].tolist() for k, c in enumerate(CHANGES)}
        self.added = int(self.rng.binomial(size, shares.added))
        self.truth = FileTruth(
            size, added=self.added, **{change: len(rows) for change, rows in self.chosen.items()}
        )

    @property
    def changes(self) -> bool:
        return self.added > 0 or any(self.chosen.values())

    def rewrite(self, solved: Iterator[bytes], added: Iterator[bytes], truth: Truth) -> bytes:
        """The rows anew; takes its own from the lines solved again and from those added."""

        def note(what: str, line: bytes) -> None:
            truth.identifiers.setdefault(what, []).append(line[:20].decode())

        lines, chosen = self.lines, self.chosen
        for change, rows in chosen.items():
            for k in rows:
                note(change, lines[k])
        for k in chosen["resolved"]:
            lines[k] = next(solved)
        for k in chosen["reidentified"]:
            lines[k] = lines[k][:15] + lines[k][15:20].translate(_NEXT_CHARACTER) + lines[k][20:]
            note("reidentified_as", lines[k])
        for k in chosen["duplicated"]:
            lines[k] += LINE_END + _other_stations(lines[k])
        for k in chosen["corrupted"]:
            how = CORRUPTIONS[int(self.rng.integers(len(CORRUPTIONS)))]
            note(how, lines[k])
            lines[k] = _corrupt(lines[k], how, self.rng)
        gone = set(chosen["withdrawn"])
        lines = [line for k, line in enumerate(lines) if k not in gone]
        for _ in range(self.added):
            lines.append(next(added))
            note("added", lines[-1])
        lines.sort(key=lambda line: line[22:42])
        self.truth.rows_after = len(lines) + len(chosen["duplicated"])
        truth.files[self.bin.file_name] = self.truth
        return b"".join(line + LINE_END for line in lines)


def _groups(paths: Sequence[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size_bytes = 0
    for path in paths:
        group.append(path)
        size_bytes += path.stat().st_size
        if size_bytes > 64_000_000:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def _rewrite(files: Sequence[_Daily], out: Path, truth: Truth, now: datetime, seed: int) -> None:
    """Rewrite some daily files together, as the numbers of all are drawn and printed at once."""
    rng = np.random.default_rng((seed, files[0].bin.start_date.toordinal()))
    wide = is_wide(now)
    again = [file.lines[k] for file in files for k in file.chosen["resolved"]]
    solved, added = b"", b""
    if again:
        solved = format_rows(resolve_again(parse_rows(again), rng), wide)
    counts = [file.added for file in files]
    if sum(counts):
        # Far above the numbers that `generate` gives out, so that the identifiers are new.
        first = SUFFIXES // 2 + sum(file.added for file in truth.files.values())
        drawn = draw_rows([file.bin for file in files], counts, rng, first)
        added = format_rows(drawn, wide)
    solved_lines, added_lines = iter(solved.split(LINE_END)), iter(added.split(LINE_END))
    for file in files:
        path = out / file.path.name
        path.write_bytes(_head(now) + file.rewrite(solved_lines, added_lines, truth))
        _stamp(path, now)


def _rewrite_summaries(source_dir: Path, out_dir: Path, some: Sequence[Bin], truth: Truth,
                       now: datetime) -> None:  # fmt: skip
    """The months that a changed bin touches, and all the years and the all-file, as upstream."""
    kinds = [kind for kind, name in (("monthly", "monthly"), ("yearly", "traj_summary_yearly_*"),
             ("all", "traj_summary_all.txt")) if any(source_dir.glob(name))]  # fmt: skip
    changed = {f"{moment:%Y%m}" for one in some if one.file_name in truth.files
               for moment in (one.begins_at, one.ends_at)}  # fmt: skip

    def month_generated_on(month: str) -> datetime:
        old = source_dir / f"monthly/traj_summary_monthly_{month}.txt"
        return now if month in changed or not old.exists() else _generated_on_of(old)

    summaries = _Summaries(out_dir, kinds, now, month_generated_on, changed)
    for one in some:
        summaries.add_daily(out_dir / "daily" / one.file_name, one)
    summaries.close()
    for old in source_dir.glob("monthly/*"):
        if not (out_dir / "monthly" / old.name).exists():
            (out_dir / "monthly").mkdir(exist_ok=True)
            shutil.copy2(old, out_dir / "monthly" / old.name)


def next_generation(source_dir: Path, out_dir: Path, seed: int = 2, shares: Shares | None = None,
                    last_bins: int | None = None,
                    generated_on: datetime | None = None) -> Truth:  # fmt: skip
    """Write the directory as upstream might rewrite it later, and `truth.json` beside it.

    Only the last bins change where their number is given (upstream's usual ten). A daily file
    without a change is copied byte for byte; the others are written in the form of their time.
    """
    shares = shares or Shares()
    paths = {p.name: p for p in (source_dir / "daily").glob("traj_summary_*_solrange_*.txt")}
    days = sorted(datetime.strptime(name[13:21], "%Y%m%d").date() for name in paths)
    some = [one for one in bins(days[0], days[-1]) if one.file_name in paths]
    ordered = [paths[one.file_name] for one in some]
    now = generated_on or _generated_on_of(ordered[-1]) + timedelta(hours=6, microseconds=90_210)
    truth = Truth(now.isoformat())
    of_name = {one.file_name: one for one in some}
    out_daily = out_dir / "daily"
    out_daily.mkdir(parents=True)
    still = ordered[:-last_bins] if last_bins else []
    for group in _groups(ordered[len(still) :]):
        files = [_Daily(path, of_name[path.name], shares, seed, is_wide(now)) for path in group]
        still.extend(file.path for file in files if not file.changes)
        if changing := [file for file in files if file.changes]:
            _rewrite(changing, out_daily, truth, now, seed)
    for path in still:
        shutil.copy2(path, out_daily)
    _copy_latest(out_daily, [path.name for path in ordered])
    _rewrite_summaries(source_dir, out_dir, some, truth, now)
    truth.write(out_dir / "truth.json")
    return truth


# --- The command line -----------------------------------------------------------------------

app = typer.Typer(help="Synthetic GMN data directories.", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _generate(
    context: typer.Context,
    rows: Annotated[int, typer.Option(help="How many rows in all.")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="A directory that has no daily/ yet.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
    from_: Annotated[datetime, typer.Option("--from")] = datetime(2018, 12, 9),
    to: Annotated[datetime, typer.Option()] = datetime(2026, 11, 20),
    kinds: Annotated[str, typer.Option(help=f"Of {','.join(KINDS)}.")] = "daily,monthly,all",
) -> None:
    """Generate a directory."""
    if context.invoked_subcommand:
        return
    if out is None:
        raise typer.BadParameter("--out is needed")
    made = generate(out, rows, seed, from_.date(), to.date(), kinds.split(","))
    typer.echo(f"{made.rows} rows in {made.daily_files} bins, as of {made.generated_on}")


@app.command("next")
def _next(
    source: Annotated[Path, typer.Option()],
    out: Annotated[Path, typer.Option()],
    seed: Annotated[int, typer.Option()] = 2,
    resolved: Annotated[float, typer.Option()] = Shares.resolved,
    reidentified: Annotated[float, typer.Option()] = Shares.reidentified,
    withdrawn: Annotated[float, typer.Option()] = Shares.withdrawn,
    duplicated: Annotated[float, typer.Option()] = Shares.duplicated,
    corrupted: Annotated[float, typer.Option()] = Shares.corrupted,
    added: Annotated[float, typer.Option()] = Shares.added,
    last_bins: Annotated[int | None, typer.Option(help="Change only so many bins.")] = None,
) -> None:
    """Write the next generation of a directory, with shares of its rows changed."""
    shares = Shares(resolved, reidentified, withdrawn, duplicated, corrupted, added)
    truth = next_generation(source, out, seed, shares, last_bins)
    for change in (*CHANGES, "added"):
        typer.echo(f"{change}: {truth.total(change)}")


if __name__ == "__main__":
    app()
