"""Files of RMS cameras: detections, calibrations, configurations, and what their names say.

What belongs here: what is kept of each of these files. What does not: formats (`readers/`), images
(`images.py`).
"""

import configparser
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.processor import Found, Outcome, Rows, Task
from gmn_pipeline.readers.ftp_detect_info import read_ftp_detect_info
from gmn_pipeline.readers.rms_names import RmsName, rms_name
from gmn_pipeline.schemas.arrow import arrow_schema
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.object_tables import CALIBRATIONS, DETECTIONS
from gmn_pipeline.schemas.objects import Json, Link, LinkKind

_MOST_TEXT_BYTES = 64 << 20


class RmsNames:
    """Station, night and time of a file that is named as RMS names files."""

    name = "rms_names"
    version = 1
    content_types = ("application/*", "image/*", "text/*", "video/*")

    def process(self, task: Task) -> Outcome:
        """Links and time, or nothing of a file that is named otherwise."""
        named = rms_name(task.stored.name.name)
        if named is None:
            return Outcome()
        links = links_of(named, task.stored.description.longitude_deg)
        return Outcome(found=Found(links=links, observed_from_utc=named.at_utc))


class RmsDetections:
    """FTPdetectinfo: positions of meteors in frames."""

    name = "rms_detections"
    version = 1
    content_types = ("text/x-rms-ftpdetectinfo",)

    def process(self, task: Task) -> Outcome:
        """Rows of `detections`, and their stations and nights."""
        found, meteors, undefined = read_ftp_detect_info(_text(task))
        names = filter(None, (rms_name(name) for name in {one.ff_name for one in found}))
        longitude = task.stored.description.longitude_deg
        links = frozenset(link for named in names for link in links_of(named, longitude))
        facts: dict[str, Json] = {
            "meteors": meteors, "positions": len(found), "undefined_positions": undefined,
        }  # fmt: skip
        times = [one.frame_at_utc for one in found if one.frame_at_utc]
        return Outcome(
            rows=_rows(DETECTIONS, [asdict(one) for one in found]),
            found=Found(
                metadata=facts, links=links,
                observed_from_utc=min(times, default=None),
                observed_until_utc=max(times, default=None),
            ),
        )  # fmt: skip


class RmsCalibrations:
    """Platepars: one, or those that were recalibrated on the files of a night."""

    name = "rms_calibrations"
    version = 1
    content_types = ("application/json",)

    def process(self, task: Task) -> Outcome:
        """Rows of `calibrations`, or nothing of JSON that is no platepar."""
        if task.stored.content.size_bytes > _MOST_TEXT_BYTES:
            return Outcome()
        said = json.loads(_text(task))
        platepars = list(_platepars(said))
        if not platepars:
            return Outcome()
        rows = [_calibration(name, platepar) for name, platepar in platepars]
        stations = {row["station_code"] for row in rows}
        named = rms_name(platepars[0][0] or task.stored.name.name)
        links = {Link(LinkKind.STATION, station) for station in stations if station}
        longitude = rows[0]["longitude_deg"]
        if named is not None and named.station_code in stations:
            links |= links_of(named, longitude)
        latitude = rows[0]["latitude_deg"]
        has_place = len(stations) == 1 and _on_earth(latitude, longitude)
        return Outcome(
            rows=_rows(CALIBRATIONS, rows),
            found=Found(
                metadata={"platepars": len(rows)}, links=frozenset(links),
                latitude_deg=latitude if has_place else None,
                longitude_deg=longitude if has_place else None,
            ),
        )  # fmt: skip


class RmsConfig:
    """`.config`: what a station says of itself."""

    name = "rms_config"
    version = 1
    content_types = ("text/x-rms-config",)

    def process(self, task: Task) -> Outcome:
        """Its settings as metadata, its station and place."""
        read = configparser.ConfigParser(
            interpolation=None, strict=False, inline_comment_prefixes=(";", "#")
        )
        read.optionxform = str  # type: ignore[assignment,method-assign] # their case is kept
        try:
            read.read_string(_text(task))
        except configparser.Error as error:
            raise ObjectRefused(f"It is no configuration of RMS: {error}.") from error
        facts: dict[str, Any] = {
            section: {key: value for key, value in read[section].items() if _is_told(key)}
            for section in read.sections()
        }
        system = facts.get("System", {})
        station = system.get("stationID", "")
        latitude, longitude = _number(system, "latitude"), _number(system, "longitude")
        has_place = _on_earth(latitude, longitude)
        return Outcome(
            found=Found(
                metadata=facts,
                links=frozenset({Link(LinkKind.STATION, station)} if station else ()),
                latitude_deg=latitude if has_place else None,
                longitude_deg=longitude if has_place else None,
            )
        )


def links_of(named: RmsName, longitude_deg: float | None = None) -> frozenset[Link]:
    """The station and the night of a file's name."""
    night = named.night(longitude_deg).isoformat()
    return frozenset({Link(LinkKind.STATION, named.station_code), Link(LinkKind.NIGHT, night)})


_SECRET = ("password", "passwd", "secret", "token", "rsa_private_key", "private_key")


def _is_told(key: str) -> bool:
    """Whether a setting is no secret: metadata are for everybody who may see the object."""
    return not any(word in key.lower() for word in _SECRET)


def _text(task: Task) -> str:
    if task.stored.content.size_bytes > _MOST_TEXT_BYTES:
        raise ObjectRefused(f"It has more than {_MOST_TEXT_BYTES >> 20} MB of text.")
    return task.path.read_text("utf-8", "replace").removeprefix("\ufeff")


def _platepars(said: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """One by itself, or those of files by their names."""
    if not isinstance(said, dict):
        return
    if _is_platepar(said):
        yield "", said
        return
    for name, one in said.items():
        if isinstance(one, dict) and _is_platepar(one):
            yield str(name), one


def _is_platepar(said: Mapping[str, Any]) -> bool:
    return {"station_code", "RA_d", "dec_d", "X_res", "Y_res", "JD"} <= said.keys()


_OF_PLATEPAR = {
    "reference_jd": "JD", "latitude_deg": "lat", "longitude_deg": "lon", "elevation_m": "elev",
    "width_px": "X_res", "height_px": "Y_res", "field_width_deg": "fov_h",
    "field_height_deg": "fov_v", "right_ascension_deg": "RA_d", "declination_deg": "dec_d",
    "azimuth_deg": "az_centre", "altitude_deg": "alt_centre",
    "position_angle_deg": "pos_angle_ref", "scale_px_per_deg": "F_scale",
    "magnitude_offset": "mag_lev", "magnitude_offset_sigma": "mag_lev_stddev",
    "vignetting_rad_per_px": "vignetting_coeff",
}  # fmt: skip
"""Our columns, and what they are called there."""


def _calibration(name: str, platepar: Mapping[str, Any]) -> dict[str, Any]:
    stars = platepar.get("star_list")
    return {
        "station_code": str(platepar["station_code"] or ""),
        "ff_name": name,
        **{column: _number(platepar, key) for column, key in _OF_PLATEPAR.items()},
        "distortion": str(platepar["distortion_type"]) if "distortion_type" in platepar else None,
        "star_count": float(len(stars)) if isinstance(stars, list) else None,
        "platepar": json.dumps(platepar, ensure_ascii=False),
    }


def _number(said: Mapping[str, Any], key: str) -> float | None:
    try:
        value = float(said[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _on_earth(latitude_deg: float | None, longitude_deg: float | None) -> bool:
    if latitude_deg is None or longitude_deg is None:
        return False
    return -90 <= latitude_deg <= 90 and -180 <= longitude_deg <= 180


def _rows(table: Table, rows: Sequence[Mapping[str, Any]]) -> list[Rows]:
    if not rows:
        return []
    return [Rows(table.name, pa.Table.from_pylist(list(rows), arrow_schema(table.fields[3:])))]
