"""Pictures with what cameras wrote into them, FF files, videos, spreadsheets: read out as they run,
in a process of their own."""

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import openpyxl
import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from gmn_pipeline.flows.object_rules import accept
from gmn_pipeline.processing.exif import exif_of
from gmn_pipeline.schemas.objects import Link, LinkKind
from gmn_pipeline_tests.readers.test_ff_bin import ff_bin
from gmn_pipeline_tests.support.films import film
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.processing import ProcessingBench, night_sky, processing_bench

NOW = datetime(2026, 11, 29)
FULL: dict[int, Any] = {GPS.GPSLatitude: (45.0, 30.0, 36.0), GPS.GPSLatitudeRef: "N",
                        GPS.GPSLongitude: (15.0, 12.0, 0.0), GPS.GPSLongitudeRef: "W"}  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessingBench]:
    with processing_bench(settings_of(tmp_path_factory.mktemp("media"))) as one:
        yield one


def picture(gps: dict[int, Any], form: str = "JPEG", **tags: Any) -> bytes:
    image = Image.fromarray(night_sky([(50, 50)]))
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = "Sony\0", "A7S"
    exif.get_ifd(IFD.Exif).update({Base[name]: value for name, value in tags.items()})
    exif.get_ifd(IFD.GPSInfo).update(gps)
    written = io.BytesIO()
    image.save(written, form, exif=exif)
    return written.getvalue()


def test_what_a_camera_wrote_into_a_picture_is_said_of_the_object(bench: ProcessingBench) -> None:
    for form in ("jpeg", "png", "tiff"):
        data = picture(
            FULL, form, DateTimeOriginal="2022:03:04 22:00:01", OffsetTimeOriginal="+01:00",
            SubsecTimeOriginal="25", ExposureTime=2.5, ISOSpeedRatings=6400,
        )  # fmt: skip
        bench.put(f"a.{form}", data)
    bench.put("nowhere.jpg", picture({**FULL, GPS.GPSLatitude: (95.0, 0.0, 0.0)},
                                     DateTimeOriginal="2022:03:04 22:00:01"))  # fmt: skip
    assert bench.process().failures == {}
    for form in ("jpeg", "png"):
        said = bench.now(f"a.{form}").description
        assert (said.latitude_deg, said.longitude_deg) == (45.51, -15.2)
        assert said.observed_from_utc == datetime(2022, 3, 4, 21, 0, 1, 250_000)
        exif = bench.said(f"a.{form}", "images")["exif"]
        assert (exif["make"], exif["exposure_s"], exif["iso"]) == ("Sony", 2.5, 6400)
    # Of a TIFF, Pillow writes no more than that.
    assert bench.said("a.tiff", "images")["exif"]["model"] == "A7S"
    # Nonsense is refused and told; without an offset, a camera's clock is no time of UTC.
    said = bench.now("nowhere.jpg").description
    assert (said.latitude_deg, said.observed_from_utc) == (None, None)
    told = bench.said("nowhere.jpg", "images")
    assert told["exif_refused"] == ["its place 95, -15.2 is not on Earth"]
    assert told["exif"]["taken_at_local"] == "2022:03:04 22:00:01"


@pytest.mark.parametrize(
    ("gps", "tags", "refused"),
    [
        ({GPS.GPSLatitude: (0, 0, 0), GPS.GPSLatitudeRef: "N", GPS.GPSLongitude: (0, 0, 0),
          GPS.GPSLongitudeRef: "E"}, {}, "without a fix"),
        ({**FULL, GPS.GPSLatitudeRef: "Q"}, {}, "its place is none"),
        ({GPS.GPSLatitude: (1, 2, 3)}, {}, "its place is none"),
        ({**FULL, GPS.GPSLongitude: (1.0, 2.0)}, {}, "its place is none"),
        ({}, {"DateTimeOriginal": "0000:00:00 00:00:00", "OffsetTimeOriginal": "+00:00"},
         "its time is none"),
        ({}, {"DateTimeOriginal": "1970:01:01 00:00:00", "OffsetTimeOriginal": "+00:00"},
         "clock that is not set"),
        ({GPS.GPSDateStamp: "2022:03:04", GPS.GPSTimeStamp: (1e8, 0, 0)}, {}, "its time"),
    ],
)  # fmt: skip
def test_tags_that_are_nonsense_are_told_and_stop_nothing(
    gps: dict[int, Any], tags: dict[str, Any], refused: str
) -> None:
    with Image.open(io.BytesIO(picture(gps, **tags))) as image:
        found = exif_of(image, NOW)
    assert refused in found.refused[0]
    assert (found.latitude_deg, found.taken_at_utc) == (None, None)


def test_an_ff_file_of_cams_gives_what_one_in_fits_gives(bench: ProcessingBench) -> None:
    quiet = night_sky([])
    planes = np.stack([night_sky([(250, 200)], streak=True), quiet * 0, quiet, quiet])
    name = "FF_US0001_20220304_210000_123_0000000.bin"
    bench.put(name, ff_bin(planes))
    bench.put("FF_US0001_20220304_220000_123_0000000.bin", ff_bin(planes)[:-9])
    done = bench.process()
    assert list(done.failures.values()) == ["It ends within its plane stdpixel."]
    said = bench.said(name, "images")
    assert (said["format"], said["detections"], said["streaks"]) == ("FF", 2, 1)
    assert said["planes"] == ["maxpixel", "maxframe", "avepixel", "stdpixel"]
    now = bench.now(name).description
    assert now.links == {Link(LinkKind.STATION, "US0001"), Link(LinkKind.NIGHT, "2022-03-04")}
    assert now.observed_until_utc is not None
    assert now.observed_from_utc is not None
    seconds = (now.observed_until_utc - now.observed_from_utc).total_seconds()
    assert seconds == pytest.approx(256 / 29.97, abs=1e-5)
    assert bench.now(f"previews/{name}.jpg").description.content_type == "image/jpeg"
    node = "SELECT kind FROM nodes WHERE key = ?"
    assert bench.ask(node, name) == [("image",)]


def test_a_video_gives_facts_and_some_frames_and_a_hostile_one_fails_alone(
    bench: ProcessingBench,
) -> None:
    bench.put("a.mp4", film("mp4", "mpeg4"))
    bench.put("b.webm", film("webm", "libvpx"))
    bench.put("c.avi", film("avi", "mjpeg"))
    bench.put("cut.mp4", film("mp4", "mpeg4")[:2_000])
    bench.put("list.mp4", b"\0\0\0\x18ftypmp42" + b"#EXTM3U\nfile:///etc/passwd\n" * 20)
    done = bench.process()
    assert set(done.failures) == {"cams/ff/cut.mp4 (videos)", "cams/ff/list.mp4 (videos)"}
    for name, codec in (("a.mp4", "mpeg4"), ("b.webm", "vp8"), ("c.avi", "mjpeg")):
        said = bench.said(name, "videos")
        assert (said["codec"], said["width_px"], said["height_px"]) == (codec, 320, 240)
        assert said["duration_s"] == pytest.approx(2, abs=0.1)
        assert said["frame_rate_hz"] == pytest.approx(30, abs=0.1)
        first = bench.objects.bytes_of(f"previews/{name}.jpg")
        last = bench.objects.bytes_of(f"previews/{name}.3.jpg")
        dark, bright = (np.asarray(Image.open(io.BytesIO(one))).mean() for one in (first, last))
        assert bright > dark + 100, name
    assert bench.said("a.mp4", "videos")["frames"] == 60
    assert bench.ask("SELECT name FROM catalogue WHERE name LIKE 'previews/previews/%'") == []


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def test_sheets_are_tables_proposed_and_loaded_like_others(bench: ProcessingBench) -> None:
    first, second = datetime(2022, 3, 4), datetime(2022, 3, 5)
    days = [["day", "flux", "note"], [first, 1.5, "x"], [second, 2, None]]
    bench.put("x/one.xlsx", workbook(Data=days, Empty=[]))
    bench.put("x/two.xlsx", workbook(Flux=days, Cameras=[["station", "gain"], ["US0001", 4]]))
    bench.put("x/lie.xlsx", b"PK\x03\x04 and no workbook")
    done = bench.process()
    assert list(done.failures) == ["cams/ff/x/lie.xlsx (tables)"]
    assert bench.said("x/one.xlsx", "tables") == {
        "state": "proposed", "rows": 2, "column_count": 3,
        "columns": [{"name": "day", "type": "TIMESTAMP"}, {"name": "flux", "type": "DOUBLE"},
                    {"name": "note", "type": "VARCHAR"}],
    }  # fmt: skip
    sheets = bench.said("x/two.xlsx", "tables")["sheets"]
    assert [(one["sheet"], one["rows"]) for one in sheets] == [("Flux", 2), ("Cameras", 1)]
    runs, search = bench.processing.runs, bench.objects.search
    for name in ("one", "two"):
        accept(runs, search, bench.now(f"x/{name}.xlsx"), PERSON, table=name)
    bench.process()
    rows = "SELECT day, flux, note FROM {} ORDER BY row_number"
    for table in ("ff_one", "ff_two_flux"):
        assert bench.ask(rows.format(table)) == [
            (datetime(2022, 3, 4), 1.5, "x"), (datetime(2022, 3, 5), 2.0, None),
        ]  # fmt: skip
    assert bench.ask("SELECT station, gain FROM ff_two_cameras")[0][0] == "US0001"
    bench.set_rules(tables=[{"names": "x/three.xlsx", "table": "three", "sheet": "Cameras"}])
    bench.put("x/three.xlsx", workbook(Flux=days, Cameras=[["station"], ["US0002"]]))
    bench.process()
    assert bench.ask("SELECT station FROM ff_three") == [("US0002",)]


def test_a_spreadsheet_that_unpacks_to_more_than_there_is_fails_alone(
    bench: ProcessingBench,
) -> None:
    """Half a megabyte that would become hundreds."""
    whole = workbook(Data=[["a"], [1]])
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(
        written, "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as new:  # fmt: skip
        for name in old.namelist():
            data = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                row = b'<row><c t="inlineStr"><is><t>' + b"x" * 1_000_000 + b"</t></is></c></row>"
                head, _, tail = data.partition(b"<sheetData>")
                with new.open(name, "w") as big:
                    big.write(head + b"<sheetData>")
                    for _ in range(400):
                        big.write(row)
                    big.write(tail)
            else:
                new.writestr(name, data)
    little = bench.processing.settings.model_copy(update={"objects_process_memory_mb": 64})
    bench.workshop._settings = little
    bench.put("bomb.xlsx", written.getvalue())
    (why,) = set(bench.process().failures.values())
    assert "64 MB" in why, why
