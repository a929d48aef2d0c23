"""Lists of meteor showers as the IAU Meteor Data Center writes them: the text of 2007, of 2022 and
of now, and the JSON."""

import json
from collections.abc import Iterable, Sequence

Solution = dict[str, str]

HEADER_2007 = (
    "LP    IAUNo   AdNo  Code         shower name                        activity    s   LaSun    "
    "Ra       De        dRa       dDe       Vg          a         q          e       peri      "
    "node      inc         N    Group   CG            Parent body             Remarks          "
    "Ote            References        LT     SD"
)
HEADER_2022 = (
    "LP    IAUNo   AdNo  Code   s   sub.date            shower name-designation            "
    "activity     LoSb      LoSe      LoS        Ra       De        dRa       dDe       Vg         "
    "LoR      S_LoR     LaR      theta      phi       Flags      a         q         e       peri  "
    "    node      inc         N      Group  CG            Origin             Remarks         Ote  "
    "        L-T             References            LT      SD  "
)
HEADER_NOW = (
    "LP  IAUNo  AdNo  Code  Status  SubDate  Designation  Name  Activity  LoSb  LoSe  LoS  Ra  De  "
    "dRa  dDe  Vg  LoR  S_LoR  LaR  Theta  Phi  Flags  A  Q  E  Peri  Node  Incl  N  Group  CG  "
    "Origin  Remarks  OTe  LookupTable  References"
)
_ORBIT_AND_MORE = "a q e peri node inc N Group CG Origin Remarks OTe"
_2007 = (
    f"LP IAUNo AdNo Code Name activity s LoS Ra De dRa dDe Vg {_ORBIT_AND_MORE} References "
    "LookupTable SubDate"
).split()
_2022 = (
    "LP IAUNo AdNo Code s SubDate Name activity LoSb LoSe LoS Ra De dRa dDe Vg LoR S_LoR LaR theta "
    f"phi Flags {_ORBIT_AND_MORE} LookupTable References"
).split()
_NOW = [*_2022[:6], "Designation", *_2022[6:]]
COLUMNS = {HEADER_2007: _2007, HEADER_2022: _2022, HEADER_NOW: _NOW}

_IN_JSON = {"Origin": "Parent body", "SubDate": "sub.date"}

CAP = {
    "LP": "00004", "IAUNo": "00001", "AdNo": "003", "Code": "CAP", "s": " 1",
    "SubDate": "1973-mm-dd", "Name": "alpha-Capricornids", "activity": " annual ",
    "LoSb": "123.70 ", "LoSe": "138.70 ", "LoS": "127.70 ", "Ra": "307.68 ", "De": " -9.92 ",
    "dRa": "  0.80 ", "dDe": "  0.50 ", "Vg": "22.8   ", "LoR": "307.53 ", "S_LoR": "179.83 ",
    "LaR": "  8.75 ", "theta": " 89.84 ", "phi": "261.25 ", "Flags": "R      ", "a": "2.53   ",
    "q": "0.59   ", "e": "0.77   ", "peri": "269.00 ", "node": "127.66 ", "inc": "  7.00 ",
    "N": "00021", "Group": "00000", "CG": "00", "Origin": "169P/NEAT (= 2002 EX12)   ",
    "LookupTable": "LookUp table file name",
    "References": "4] <A href='http://adsabs.harvard.edu/abs/1973NASSP.319..183C' "
    "target=_blank>Cook, 1973</A>",
}  # fmt: skip
"""A row of the list of 2022."""


def solution(number: int, code: str, name: str | None = None, **values: object) -> Solution:
    """A solution with the list's own names of columns; what is not given is blank."""
    given = {"IAUNo": f"{number:05d}", "AdNo": "000", "Code": code, "s": " 0",
             "Name": f"{code} shower" if name is None else name, "activity": " annual ",
             "Ra": f"{number % 360}.5", "De": "12.5", "Vg": "30.1"}  # fmt: skip
    return given | {key: str(value) for key, value in values.items()}


def many(count: int) -> list[Solution]:
    """So many showers, with numbers from 1."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [
        solution(n, letters[n // 676] + letters[n // 26 % 26] + letters[n % 26])
        for n in range(1, count + 1)
    ]


def row(values: Solution, columns: Sequence[str]) -> str:
    return "|".join(f'"{values.get(name, "")}"' for name in columns)


def text_list(
    solutions: Iterable[Solution],
    header: str = HEADER_NOW,
    *,
    updated: str | None = "Aug 14, 20:00:00 UTC, 2026",
) -> bytes:
    """The list as text, with comments before as the Meteor Data Center writes them."""
    rows = [row(one, COLUMNS[header]) for one in solutions]
    lines = [
        ":======================================",
        ":IAU Meteor Data Center. List of all meteor showers.",
        *([f": Last update: {updated}  Modified by M. Hajdukov\xe1   (73 comment lines)"]
          if updated else []),
        ":LP    - running number in the streamfulldata.txt file",
        ":Code  - IAU 3 letter code",
        f":  {header}",
        ":        10       20        30",
        "+2345678901234567890",
        *rows,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def json_list(solutions: Iterable[Solution], version: str = "2026-08-14") -> bytes:
    """The list as JSON: an entry a shower."""
    entries: dict[str, dict[str, object]] = {}
    for one in solutions:
        own = {
            _IN_JSON.get(name, name): text.strip()
            for name, text in one.items()
            if name not in ("IAUNo", "Code", "Name", "Designation")
        }
        shower = entries.setdefault(one["IAUNo"], {
            "LP": one.get("LP", ""), "IAUNo": int(one["IAUNo"]), "Code": one["Code"],
            "Name": one["Name"], "ProvName": one.get("Designation", ""), "s": int(one["s"]),
            "solution": [],
        })  # fmt: skip
        solutions_so_far = shower["solution"]
        assert isinstance(solutions_so_far, list)
        solutions_so_far.append(own | {"References": [own.get("References", "")]})
    data = list(entries.values())
    top = {"source": "IAU Meteor Data Center", "version": version, "count": len(data)}
    return json.dumps(top | {"data": data}).encode()
