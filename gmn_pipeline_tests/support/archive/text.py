"""The file format to the byte: columns, header, identifiers, rows as text and back.

What belongs here: how upstream prints, in the form of before and after March 2025. What does not:
which values a row has (`meteors.py`), and which file it is in (`directory.py`).

Rows are printed many at once, as a matrix of bytes with a row of it for each line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmn_pipeline_tests.support.archive.sky import Floats

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Texts: TypeAlias = NDArray[np.bytes_]
Bytes: TypeAlias = NDArray[np.uint8]

LINE_END = b"\n\r"

# --- Columns and header ---------------------------------------------------------------------

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
    """A column of the format; one without decimals is printed as a text."""

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

# Upstream began about then to write an aware time and five characters of shower code; the
# exact day is not published.
_WIDE_CODE_SINCE = datetime(2025, 3, 1, tzinfo=UTC)
_CODE_AT = 79  # where a row of the older form lacks the blank of the newer one


def is_wide(generated_on: datetime) -> bool:
    """Whether a file generated then is of the newer form."""
    return generated_on >= _WIDE_CODE_SINCE


def generated_line(generated_on: datetime) -> bytes:
    offset = "+00:00" if is_wide(generated_on) else ""
    return f"# Summary generated on {generated_on:%Y-%m-%d %H:%M:%S.%f}{offset} UTC".encode()


def parse_generated_line(line: bytes) -> datetime:
    """The inverse of `generated_line`, of either form."""
    return datetime.fromisoformat(line.decode().split(" on ")[1][:26]).replace(tzinfo=UTC)


def header_lines(wide: bool) -> list[bytes]:
    """Names, units and dashes, as in the files of the older or the newer form."""
    pad = {"iau_code": " "} if wide else {}
    heads = [pad.get(c.name, "") + c.head for c in COLUMNS]
    units = [pad.get(c.name, "") + c.unit for c in COLUMNS]
    dashes = ["-" * len(head) for head in heads]
    return [("# " + "; ".join(cells)).rstrip().encode() for cells in (heads, units, dashes)]


def header(generated_on: datetime) -> bytes:
    """All that stands above the rows of a daily or monthly file."""
    lines = [generated_line(generated_on), *header_lines(is_wide(generated_on))]
    return LINE_END.join(lines) + LINE_END


def split_header(text: bytes) -> tuple[bool, memoryview]:
    """Whether a file is of the newer form, and its rows."""
    *lines, first_rows = text[:8000].split(LINE_END, 4)
    at = min(len(text), 8000) - len(first_rows)
    return len(lines[3].split(b"; ")[4]) == 5, memoryview(text)[at:]


def widened(rows: bytes) -> bytes:
    """Rows of the older form as the newer form pads them."""
    lines = rows.split(LINE_END)
    return LINE_END.join(
        line[:_CODE_AT] + b" " + line[_CODE_AT:] if line else line for line in lines
    )


# --- Texts, many at once --------------------------------------------------------------------


def _view(matrix: Bytes, at: int, width: int) -> Texts:
    """One column of the byte matrix as an array of texts, to be written in place."""
    return np.ndarray(len(matrix), f"S{width}", matrix, at, (matrix.strides[0],))


@cache
def _digits(count: int) -> Texts:
    return np.array([f"{k:0{count}d}" for k in range(10**count)], dtype=f"S{count}")


@cache
def _integers(low: int, high: int, form: str) -> Texts:
    """The integers from low up to and without high, printed."""
    return np.array([f"{k:{form}}" for k in range(low, high)], dtype="S")


@cache
def _integer_parts(width: int, signed: bool, fill: str) -> Texts:
    """Integer parts with their point: 0..999, then -0..-999; 0xff where one does not fit."""
    plus = "+" if signed else ""
    texts = [f"{sign}{k}." for sign in (plus, "-") for k in range(1000)]
    padded = [t.rjust(width, fill).encode() if len(t) <= width else b"\xff" * width for t in texts]
    return np.array(padded, dtype=f"S{width}")


@cache
def _clock(form: str) -> Texts:
    """The seconds of a day."""
    texts = [form % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)]
    return np.array(texts, dtype="S")


def _dates(days: Integers, form: str) -> Texts:
    """The dates of days since 1970, by a table over the few that occur."""
    low = int(days.min())
    table = [(date(1970, 1, 1) + timedelta(days=d)).strftime(form)
             for d in range(low, int(days.max()) + 1)]  # fmt: skip
    return np.array(table, dtype="S")[days - low]


_BASE_62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NEXT_CHARACTER = bytes.maketrans(_BASE_62, _BASE_62[1:] + _BASE_62[:1])
SUFFIX_COUNT = 62**5


def identifiers(utc_us: Integers, sequence: Integers) -> Texts:
    """A text for each time and number; a number below SUFFIX_COUNT gives its own suffix."""
    scrambled = (sequence * 387_420_489 + 123_456_789) % SUFFIX_COUNT
    seconds = utc_us // 1_000_000
    matrix = np.full((len(utc_us), 20), ord("_"), np.uint8)
    _view(matrix, 0, 8)[:] = _dates(seconds // 86_400, "%Y%m%d")
    _view(matrix, 8, 6)[:] = _clock("%02d%02d%02d")[seconds % 86_400]
    alphabet = np.frombuffer(_BASE_62, np.uint8)
    for place in range(5):
        matrix[:, 15 + place] = alphabet[scrambled // 62 ** (4 - place) % 62]
    return _view(matrix, 0, 20)


def other_suffix(line: bytes) -> bytes:
    """A row under another identifier of the same second."""
    return line[:15] + line[15:20].translate(_NEXT_CHARACTER) + line[20:]


def station_lists(codes: Texts, count: Integers) -> Texts:
    """The first codes of each row, so many as its count, joined by commas; the others are empty."""
    size, longest = codes.shape
    matrix = np.zeros((size, 7 * longest - 1), np.uint8)
    for k in range(longest):
        _view(matrix, 7 * k, 6)[:] = codes[:, k]
        if k:
            matrix[k < count, 7 * k - 1] = ord(",")
    return _view(matrix, 0, 7 * longest - 1)


# --- Rows -----------------------------------------------------------------------------------


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


class _Cell(NamedTuple):
    """Where a column stands in a line of the matrix."""

    at: int
    width: int


def _layout(stations_width: int, wide: bool) -> dict[str, _Cell]:
    widths = {c.name: len(c.head) for c in COLUMNS}
    widths["identifier"] = 20
    widths["iau_code"] += wide
    widths["f_param"] += 1  # for the sign of a peak above the beginning
    widths["participating_stations"] = stations_width
    starts = accumulate((width + len("; ") for width in widths.values()), initial=0)
    return {name: _Cell(at, widths[name]) for name, at in zip(widths, starts, strict=False)}


def _put_fractions(matrix: Bytes, at: int, scaled: Integers, digits: int) -> None:
    """Write integers below 10**digits with leading zeros."""
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
    _put_fractions(matrix, at + 2, mantissa % 10**decimals, decimals)
    matrix[:, width - 4] = ord("e")
    _view(matrix, width - 3, 3)[:] = _integers(-30, 31, "+03d")[exponent + 30]
    return _view(matrix, 0, width)


def _unusual(values: Floats, width: int, scientific_decimals: int) -> Texts:
    """Values that are missing, or too large for a fixed point."""
    texts = np.full(len(values), b"nan".rjust(width), f"S{width}")
    texts[np.isposinf(values)] = b"None".rjust(width)
    finite = np.isfinite(values)
    if finite.any():
        texts[finite] = _scientific(values[finite], width, scientific_decimals)
    return texts


def _put_numbers(matrix: Bytes, cell: _Cell, column: Column, values: Floats) -> None:
    decimals = column.decimals
    assert decimals is not None
    fixed = np.abs(values) < column.scientific_from - 0.5 * 10.0**-decimals
    others = () if fixed.all() else np.nonzero(~fixed)[0]
    usual = np.where(fixed, values, 0.0) if len(others) else values
    # 32 bits hold any |value| < 1000 with six decimals, and divide twice as fast as 64.
    scaled = np.rint(np.abs(usual) * 10**decimals).astype(np.int32)
    integer = scaled // 10**decimals
    width = cell.width - decimals
    table = _integer_parts(width, column.signed, "\0" if column.name == "f_param" else " ")
    _view(matrix, cell.at, width)[:] = table[integer + 1000 * np.signbit(usual)]
    rest = (scaled - integer * 10**decimals).astype(np.int64)
    _put_fractions(matrix, cell.at + width, rest, decimals)
    if len(others):
        texts = _unusual(values[others], cell.width, column.scientific_decimals)
        _view(matrix, *cell)[others] = texts


def _put_julian_dates(matrix: Bytes, at: int, jd: Floats) -> None:
    day = np.floor(jd)
    low = int(day.min())
    days = np.array([str(k) for k in range(low, int(day.max()) + 1)], dtype="S7")
    _view(matrix, at, 7)[:] = days[day.astype(np.int64) - low]
    matrix[:, at + 7] = ord(".")
    _put_fractions(matrix, at + 8, np.rint((jd - day) * 1e12).astype(np.int64), 12)


def _put_times(matrix: Bytes, at: int, utc_us: Integers) -> None:
    seconds, fraction_us = np.divmod(utc_us, 1_000_000)
    _view(matrix, at, 10)[:] = _dates(seconds // 86_400, "%Y-%m-%d")
    _view(matrix, at + 11, 8)[:] = _clock("%02d:%02d:%02d")[seconds % 86_400]
    matrix[:, at + 19] = ord(".")
    _put_fractions(matrix, at + 20, fraction_us, 6)
    _view(matrix, at + 19, 7)[fraction_us == 0] = b" " * 7


def _texts(rows: Rows) -> dict[str, Texts]:
    """The columns that are printed to the right of their place by a table or as they are."""
    return {
        "identifier": rows.identifiers,
        "iau_no": _integers(-1, 2000, "5d")[rows.iau_no + 1],
        "iau_code": rows.iau_code,
        "mass_kg_tau_0_7": _scientific(rows.values["mass_kg_tau_0_7"], 8, 2),
        "beg_in_fov": np.where(rows.begins_in_fov, b"  True", b" False"),
        "end_in_fov": np.where(rows.ends_in_fov, b"  True", b" False"),
        "num_stat": _integers(0, 100, "4d")[rows.station_count],
        "participating_stations": rows.stations,
    }


def to_matrix(rows: Rows, wide: bool) -> Bytes:
    """The rows as equally long lines, with NUL wherever a row has no byte."""
    layout = _layout(rows.stations.dtype.itemsize, wide)
    blank = b"; ".join(b" " * cell.width for cell in layout.values()) + LINE_END
    matrix = np.empty((len(rows.jd), len(blank)), np.uint8)
    matrix[:] = np.frombuffer(blank, np.uint8)
    for name, texts in _texts(rows).items():
        width = texts.dtype.itemsize
        _view(matrix, layout[name].at + layout[name].width - width, width)[:] = texts
    _put_julian_dates(matrix, layout["beginning_julian_date"].at, rows.jd)
    _put_times(matrix, layout["beginning_utc_time"].at, rows.utc_us)
    for column in COLUMNS:
        if column.decimals is not None:
            _put_numbers(matrix, layout[column.name], column, rows.values[column.name])
    return matrix


def to_text(matrix: Bytes) -> bytes:
    text = matrix.tobytes().translate(None, b"\0")
    if b"\xff" in text:
        raise ValueError("a value is too large for its column")
    return text


def format_rows(rows: Rows, wide: bool) -> bytes:
    """The rows as text, each with its line end."""
    return to_text(to_matrix(rows, wide)) if len(rows.jd) else b""


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
