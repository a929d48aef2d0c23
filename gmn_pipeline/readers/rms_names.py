"""Names of files of RMS cameras: which camera, and when.

What belongs here: the convention of their names. What does not: what is in the files.

`FF_US0001_20220304_210000_123_0000000.fits`: station, date, time, milliseconds (UTC), first frame.
Other files are named likewise: `FTPdetectinfo_US0001_20220304_210000_123456.txt` (microseconds),
`US0001_20220304_210000_123456_radiants.txt`, `FS_US0001_...`.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

_NAME = re.compile(
    r"(?:^|[/_])(?P<station>[A-Z]{2}[A-Z0-9]{4})_(?P<day>\d{8})_(?P<time>\d{6})"
    r"(?:_(?P<part>\d{6}|\d{3})(?!\d))?"
)
_DEGREES_AN_HOUR = 15.0
_HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True)
class RmsName:
    """A camera's code, and when what the file holds begins (UTC)."""

    station_code: str
    at_utc: datetime

    def night(self, longitude_deg: float | None = None) -> date:
        """The date on which the night of that time began: from noon to noon by the mean sun of the
        place, or of Greenwich where that is not known."""
        local = self.at_utc + timedelta(hours=(longitude_deg or 0.0) / _DEGREES_AN_HOUR)
        return (local - _HALF_A_DAY).date()


def rms_name(name: str) -> RmsName | None:
    """What a file's name says, if it is such a name."""
    found = _NAME.search(name)
    if found is None:
        return None
    part = found["part"] or "0"
    try:
        at = datetime.strptime(found["day"] + found["time"], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return RmsName(found["station"], at + timedelta(microseconds=int(part.ljust(6, "0"))))
