"""What to write into a paper, so that a reader knows which data it is about.

What belongs here: the words and the BibTeX. What does not: what was read (`reading.py`).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

LICENCE = "CC BY 4.0"
_PAPER = (
    "Vida, D., Šegon, D., Gural, P. S., et al. 2021, The Global Meteor Network - Methodology and "
    "first results, MNRAS 506, 5046-5074, doi:10.1093/mnras/stab2008"
)
_PAPER_BIBTEX = """@article{gmn2021,
  author  = {Vida, Denis and {\\v{S}}egon, Damir and Gural, Peter S. and Brown, Peter G. and
             McIntyre, Mark J. M. and Dijkema, Tammo Jan and Pavleti{\\'c}, Lovro and
             Kuki{\\'c}, Patrik and Mazur, Michael J. and Eschman, Peter and
             Roggemans, Paul and Merlak, Aleksandar and Zubovi{\\'c}, Dario},
  title   = {The {Global Meteor Network} -- Methodology and first results},
  journal = {Monthly Notices of the Royal Astronomical Society},
  year    = {2021},
  volume  = {506},
  pages   = {5046--5074},
  doi     = {10.1093/mnras/stab2008}
}"""
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "#$%&_"}
    # BibTeX counts braces even behind a backslash.
    | {"{": r"\textbraceleft{}", "}": r"\textbraceright{}", "\\": r"\textbackslash{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


@dataclass(frozen=True)
class Citation:
    """For the list of references, as a text and for LaTeX."""

    text: str
    bibtex: str

    def __str__(self) -> str:
        return self.text


def cite(
    title: str, snapshot: int, committed: str | None, rows: int | None, url: str, read_at: datetime
) -> Citation:
    """Of one answer: `committed` is when its state was, `url` where it was."""
    of_time = f", committed {committed}" if committed else ""
    number = f", {rows:,} rows" if rows is not None else ""
    day = f"{read_at:%Y-%m-%d}"
    told = f"state {snapshot} of the warehouse{of_time}{number}"
    text = (
        f"Global Meteor Network, {title}, {told}. {url} (read {day} UTC). {LICENCE}. "
        f"Method: {_PAPER}."
    )
    # The key differs where other rows of the same state are cited beside.
    key = f"gmn-state-{snapshot}-{hashlib.sha256(url.encode()).hexdigest()[:4]}"
    bibtex = f"""@misc{{{key},
  author       = {{{{Global Meteor Network}}}},
  title        = {{{title.translate(_SPECIAL)}, {told.translate(_SPECIAL)}}},
  year         = {{{read_at:%Y}}},
  howpublished = {{\\url{{{url}}}}},
  note         = {{Read {day} UTC. {LICENCE}}}
}}
{_PAPER_BIBTEX}
"""
    return Citation(text, bibtex)
