"""What is read out of objects, by the processors as they run: each in a process of its own."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pypdf
import pytest
from astropy.table import Table

from gmn_pipeline.database.object_runs import RunState
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.flows.object_rules import accept, set_rules
from gmn_pipeline.processing.processor import Task
from gmn_pipeline.processing.workshop import Workshop
from gmn_pipeline.schemas.objects import Link, LinkKind, ObjectName
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.processing import (
    FF_NAME,
    FTP_DETECT_INFO,
    ProcessingBench,
    ff_file,
    night_sky,
    png,
    processing_bench,
)

STATION, NIGHT = Link(LinkKind.STATION, "US0001"), Link(LinkKind.NIGHT, "2022-03-04")
WEATHER = "time,temp,code\n2022-03-04T00:00:00,1.5,0012\n2022-03-04T00:01:00,2,0013\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessingBench]:
    with processing_bench(settings_of(tmp_path_factory.mktemp("one"))) as one:
        yield one


def accepted(bench: ProcessingBench, name: str, **more: str) -> str:
    runs, search = bench.processing.runs, bench.objects.search
    return accept(runs, search, bench.now(name), PERSON, **more)[0]


def test_a_table_is_proposed_then_accepted_then_asked_and_a_newer_one_takes_its_place(
    bench: ProcessingBench,
) -> None:
    bench.put("w/1.csv", WEATHER)
    bench.process()
    assert bench.said("w/1.csv", "tables") == {
        "state": "proposed", "rows": 2, "column_count": 3,
        "columns": [{"name": "time", "type": "TIMESTAMP"}, {"name": "temp", "type": "DOUBLE"},
                    {"name": "code", "type": "VARCHAR"}],
    }  # fmt: skip
    assert accepted(bench, "w/1.csv", table="weather", names="w/*.csv") == "ff_weather"
    bench.process()
    rows = "SELECT row_number, temp, code FROM ff_weather ORDER BY object_id, row_number"
    assert bench.ask(rows) == [(1, 1.5, "0012"), (2, 2.0, "0013")]
    # Whole numbers, digits only: they are what their columns are.
    bench.put("w/2.csv", "time,temp,code,wind\n2022-03-05T00:00:00,3,77,4.5\n")
    bench.process()
    assert bench.ask(rows)[2] == (1, 3.0, "77")
    since = "SELECT column_name, object_id FROM loaded_columns WHERE table_name = 'ff_weather'"
    first, second = bench.now("w/1.csv").object_id, bench.now("w/2.csv").object_id
    assert dict(bench.ask(since)) == {"time": first, "temp": first, "code": first, "wind": second}
    bench.put("w/1.csv", "time,temp,code\n2022-03-04T00:00:00,-1,x\n")
    bench.process()
    assert bench.ask(rows) == [(1, -1.0, "x"), (1, 3.0, "77")]
    assert bench.ask("SELECT min(temp), count(*) FROM ff_weather") == [(-1.0, 2)]
    bench.put("w/2.csv", "time,temp\n2022-03-05T00:00:00,warm\n")
    done = bench.process()
    (reason,) = set(done.failures.values())
    assert "temp" in reason
    assert bench.runs("w/2.csv")["tables"].state is RunState.FAILED
    assert bench.ask(rows)[1] == (1, 3.0, "77")  # as they were before


def test_small_files_are_read_together_as_if_it_were_one_after_the_other(
    bench: ProcessingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("together/0.csv", "a\n1\n")
    bench.process()
    accepted(bench, "together/0.csv", table="together", names="together/*.csv")
    bench.process()
    texts = ["a\n2\n", "a,b\n3,7\n", "a,b\n4,8\n", "a,b\n5,no\n", "a,b\n6,9\n"]
    for number, text in enumerate(texts, 1):
        bench.put(f"together/{number}.csv", text)
    numbers = []
    process_many = Workshop.process_many

    def counted(self: Workshop, processor: str, tasks: Sequence[Task]) -> Any:
        numbers.append(len(tasks))
        return process_many(self, processor, tasks)

    monkeypatch.setattr(Workshop, "process_many", counted)
    done = bench.process()
    assert max(numbers) == len(texts)
    # The second brings a column, which those after it are read by.
    rows = "SELECT a, b FROM ff_together ORDER BY a"
    assert bench.ask(rows) == [(1, None), (2, None), (3, 7), (4, 8), (6, 9)]
    assert list(done.failures) == ["cams/ff/together/4.csv (tables)"]
    tries = [bench.runs(f"together/{number}.csv")["tables"].tries for number in (1, 2, 3, 5)]
    assert tries == [1, 1, 1, 1]


def test_json_and_parquet_are_tables_too_and_no_value_becomes_another(
    bench: ProcessingBench,
) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2], "names": [["a"], ["b", "c"]]}), written)
    bench.put("p/1.parquet", written.getvalue())
    bench.put("p/2.ndjson", '{"n": 3, "names": ["d"]}\n{"n": 4}\n')
    bench.put("p/3.json", '[{"n": 1.5, "names": []}]')
    bench.put("p/4.json", '{"n": 1}')
    bench.process()
    assert bench.said("p/4.json", "tables") is None
    accepted(bench, "p/1.parquet", table="p", names="p/*")
    done = bench.process()
    assert bench.ask("SELECT n, names FROM ff_p ORDER BY n") == [
        (1, ["a"]), (2, ["b", "c"]), (3, ["d"]), (4, None),
    ]  # fmt: skip
    (why,) = set(done.failures.values())
    assert "n was BIGINT and is DOUBLE" in why


def test_tables_of_astronomers_are_tables_with_units(bench: ProcessingBench) -> None:
    table = Table({"ra": [1.5, 2.5], "name": ["Vega", "Deneb"]}, units={"ra": "deg"})
    for name, form in (("s/1.fits", "fits"), ("s/2.vot", "votable")):
        written = io.BytesIO()
        table.write(written, format=form)
        bench.put(name, written.getvalue())
    bench.process()
    assert bench.said("s/2.vot", "tables")["columns"] == [
        {"name": "ra", "type": "DOUBLE", "unit": "deg"}, {"name": "name", "type": "VARCHAR"},
    ]  # fmt: skip
    accepted(bench, "s/1.fits", table="stars", names="s/*")
    assert bench.process().failures == {}
    assert sorted(bench.ask("SELECT ra, name FROM ff_stars")) == [
        (1.5, "Vega"), (1.5, "Vega"), (2.5, "Deneb"), (2.5, "Deneb"),
    ]  # fmt: skip


def test_a_table_of_the_platform_or_of_another_container_is_not_given_away(
    bench: ProcessingBench,
) -> None:
    bench.put("t.tsv", "a\tb\n1\t2\n")
    runs, search = bench.processing.runs, bench.objects.search
    with pytest.raises(ObjectRefused, match="no processor nothing"):
        set_rules(runs, "cams", "ff", {"nothing": []}, PERSON)
    bench.objects.catalogue.make_container("cams", "image", PERSON)
    there = ObjectName("cams", "image", "d.tsv")
    stored = bench.objects.landing.copy(bench.now("t.tsv"), there, PERSON)
    accept(runs, search, stored, PERSON, table="detections")
    (why,) = set(bench.process().failures.values())
    assert "A table of the platform is called image_detections" in why


def test_an_ff_file_gives_header_time_links_preview_and_the_meteor_in_it(
    bench: ProcessingBench,
) -> None:
    name = f"2022/{FF_NAME}"
    bench.put(name, ff_file(night_sky([(250, 200)], streak=True)))
    bench.process()
    said = bench.now(name).description
    assert bench.said(name, "images") == {
        "format": "FF", "width_px": 320, "height_px": 240, "units": 5, "detections": 2,
        "streaks": 1, "planes": ["maxpixel", "maxframe", "avepixel", "stdpixel"],
        "header": {"NROWS": 240, "NCOLS": 320, "NFRAMES": 256, "FPS": 25.0, "CAMNO": "US0001",
                   "NBITS": 8},
    }  # fmt: skip
    assert said.links == {STATION, NIGHT}
    assert said.observed_from_utc == datetime(2022, 3, 4, 21, 0, 0, 123_000)
    assert said.observed_until_utc == datetime(2022, 3, 4, 21, 0, 10, 363_000)
    object_id = bench.now(name).object_id
    streak, star = bench.ask(
        "SELECT kind, begin_x_px, begin_y_px, end_x_px, end_y_px, x_px, y_px FROM image_detections "
        "WHERE object_id = ? ORDER BY kind DESC", object_id,
    )  # fmt: skip
    assert streak[:1] + tuple(map(round, streak[1:5])) == ("streak", 100, 100, 159, 130)
    assert (star[0], round(star[5]), round(star[6])) == ("source", 250, 200)
    preview = bench.now(f"previews/{name}.jpg")
    assert preview.description.content_type == "image/jpeg"
    assert "images" not in bench.runs(preview.name.name)  # no preview of a preview
    runs = bench.processing.runs
    assert runs.made_of([object_id]) == [(object_id, "images", preview.object_id)]
    assert runs.sources_of(preview.object_id) == [object_id]
    # From a meteor's image to what else there is of its night, however many links away.
    found = bench.ask(
        "WITH RECURSIVE reached(node, steps) AS (SELECT 'object:' || ?::BIGINT, 0 UNION "
        "SELECT target, steps + 1 FROM reached JOIN edges ON source = node WHERE steps < 2) "
        "SELECT DISTINCT key FROM reached JOIN nodes USING (node) WHERE kind <> 'object'",
        object_id,
    )
    assert {key for (key,) in found} >= {"US0001", "2022-03-04", name, preview.name.name}


def test_a_picture_gives_its_size_a_preview_and_its_stars(bench: ProcessingBench) -> None:
    bench.put("sky.png", png(night_sky([(50, 60), (200, 100)])))
    bench.process()
    said = bench.said("sky.png", "images")
    assert (said["format"], said["width_px"], said["detections"]) == ("PNG", 320, 2)
    assert bench.now("previews/sky.png.jpg").content.size_bytes > 500


def test_files_of_rms_give_positions_calibrations_and_where_the_station_is(
    bench: ProcessingBench,
) -> None:
    platepar = {
        "station_code": "US0001", "RA_d": 10.5, "dec_d": 40.0, "X_res": 1280, "Y_res": 720,
        "JD": 2459643.4, "lat": 35.25, "lon": -106.5, "elev": 1600.0, "fov_h": 88.0, "fov_v": 47.0,
        "F_scale": 14.0, "mag_lev": 10.0, "star_list": [[1, 2], [3, 4]],
        "distortion_type": "radial5-odd",
    }  # fmt: skip
    bench.put("FTPdetectinfo_US0001_20220304_210000_000000.txt", FTP_DETECT_INFO)
    bench.put("platepar_cmn2010.cal", json.dumps(platepar))
    bench.put("platepars_all_recalibrated.json", json.dumps({FF_NAME: platepar}))
    bench.put(".config", "[System]\nstationID: US0001 ; ours\nlatitude: 35.25\n"
              "longitude: -106.5\nmysql_password: xyz\n")  # fmt: skip
    assert bench.process().failures == {}
    assert bench.ask(
        "SELECT station_code, ff_name, frame_at_utc, x_px, declination_deg, magnitude "
        "FROM detections ORDER BY frame LIMIT 1"
    ) == [("US0001", FF_NAME, datetime(2022, 3, 4, 21, 0, 1, 123_000), 665.44, 45.6789, 2.34)]
    said = bench.now("FTPdetectinfo_US0001_20220304_210000_000000.txt").description
    assert said.links == {STATION, NIGHT}
    assert said.metadata["rms_detections"] == {
        "meteors": 1, "positions": 2, "undefined_positions": 1,
    }  # fmt: skip
    assert bench.ask(
        "SELECT ff_name, width_px, star_count, azimuth_deg, platepar ->> 'JD' FROM calibrations "
        "ORDER BY ff_name"
    ) == [("", 1280, 2, None, "2459643.4"), (FF_NAME, 1280, 2, None, "2459643.4")]
    assert bench.now("platepar_cmn2010.cal").description.longitude_deg == -106.5
    config = bench.now(".config").description
    assert config.metadata["rms_config"] == {
        "System": {"stationID": "US0001", "latitude": "35.25", "longitude": "-106.5"}
    }
    assert (config.links, config.latitude_deg) == ({STATION}, 35.25)
    bench.put("FTPdetectinfo_US0001_20220304_210000_000000.txt",
              FTP_DETECT_INFO.replace("000001\n", "000002\n", 1))  # fmt: skip
    (why,) = set(bench.process().failures.values())
    assert why == "It tells of 2 meteors and has 1."


def test_documents_can_be_searched(bench: ProcessingBench) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": "Observing report"})
    written = io.BytesIO()
    writer.write(written)
    bench.put("report.pdf", written.getvalue())
    bench.put(
        "doc/notes.md",
        "# Camera\n\nThe lens dews over.\n\n```\n# no heading\n```\n## Focus\nis good\n",
    )
    bench.put("doc/plain.txt", "no headings at all")
    assert bench.process().failures == {}
    found = "SELECT heading, page FROM documents WHERE text LIKE ? ORDER BY object_id"
    assert bench.ask(found, "%dews over%") == [("Camera", 0)]
    assert bench.ask(found, "%# no heading%") == [("Camera", 0)]
    assert bench.ask(found, "%no headings at%") == [("", 0)]
    assert bench.said("report.pdf", "documents")["title"] == "Observing report"
    assert bench.said("report.pdf", "documents")["pages"] == 1

    def with_words(words: str) -> list[str]:
        return [one.name.name for one in bench.objects.search.find(Search(words=words), 9)]

    assert with_words("observing REPORT") == ["report.pdf"]
    assert with_words("nowhere") == []
    bench.objects.catalogue.delete(bench.now("report.pdf"), PERSON, timedelta(days=1))
    bench.process()
    assert with_words("observing") == []


def test_the_questions_of_the_page_on_processing_can_be_asked(bench: ProcessingBench) -> None:
    page = (Path(__file__).parents[2] / "docs" / "processing.md").read_text("utf-8")
    questions = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(questions) == 3
    for sql in questions:
        assert bench.ask(sql.replace("objects.", ""))


def test_measurements_in_json_are_readings_by_the_template_of_their_container(
    bench: ProcessingBench,
) -> None:
    bench.set_rules(json_readings=[{
        "names": "sensors/*", "measurement": "weather", "rows": "data.list", "time": "t",
        "station": "=US0001", "sensor": "id", "fields": {"temperature_deg_c": "v.temp"},
        "tags": {"site": "where"},
    }])  # fmt: skip
    things: list[Any] = [{"t": 1646427600, "id": 7, "v": {"temp": 1.5}, "where": "roof"},
              {"t": "2022-03-04T21:00:01Z", "id": 7, "v": {"temp": "off"}}, {"id": 7}]  # fmt: skip
    bench.put("sensors/a.json", json.dumps({"data": {"list": things}}))
    assert bench.process().failures == {}
    assert bench.ask("SELECT station_code, sensor_id, measured_at_utc, quantity, value, "
                     "text_value, tags FROM readings ORDER BY row_number") == [
        ("US0001", "7", datetime(2022, 3, 4, 21), "temperature_deg_c", 1.5, None,
         '{"site": "roof"}'),
        ("US0001", "7", datetime(2022, 3, 4, 21, 0, 1), "temperature_deg_c", None, "off", "{}"),
    ]  # fmt: skip
    said = bench.said("sensors/a.json", "json_readings")
    assert (said["things"], said["refused"]) == (3, 1)
    assert said["first_refused"] == ["3: it has no t"]
    # They are among what stations send too: once, however often they are read, and only there.
    sent = (
        "SELECT station_code, sensor_id, temperature_deg_c, other_quantities, sender, transport "
        "FROM station_readings ORDER BY measured_at_utc"
    )
    object_id = bench.now("sensors/a.json").object_id
    first = ("US0001", "7", 1.5, None, f"object {object_id}", "object")
    off = ("US0001", "7", None, '{"temperature_deg_c": "off"}', f"object {object_id}", "object")
    assert bench.ask_readings(sent) == [first, off]
    bench.put("sensors/b.json", json.dumps({"data": {"list": things[:1]}}))  # the same once more
    things[0]["v"], things[1]["t"] = {"temp": 2.5}, "1999-01-01T00:00:00Z"
    bench.put("sensors/a.json", json.dumps({"data": {"list": things}}))
    bench.process()
    second = ("US0001", "7", 2.5, None, f"object {object_id}", "object")
    other_id = bench.now("sensors/b.json").object_id
    of_other = (*first[:4], f"object {other_id}", "object")
    assert sorted(bench.ask_readings(sent)) == sorted([of_other, second])
    remark = bench.runs("sensors/a.json")["json_readings"].reason
    assert remark.startswith("1 of 2 readings are not among those of stations: clock:")
    hours = "SELECT reading_count, minimum, maximum FROM station_readings_by_hour"
    assert bench.ask_readings(hours) == [(2, 1.5, 2.5)]
    # Killed after these were put and before the lake of objects knew: the next version finds them.
    with bench.processing.lake.writing() as connection:
        connection.execute("DELETE FROM readings WHERE object_id = ?", [object_id])
    things[0]["t"] += 86_400
    bench.put("sensors/a.json", json.dumps({"data": {"list": things}}))
    bench.process()
    assert sorted(bench.ask_readings(sent)) == sorted([of_other, second])
    assert bench.ask_readings("SELECT max(begin_utc)::DATE::VARCHAR FROM station_readings_by_day") \
        == [("2022-03-05",)]  # fmt: skip
    bench.objects.catalogue.delete(bench.now("sensors/b.json"), PERSON, timedelta(days=1))
    bench.put("sensors/a.json", "no readings any more")
    bench.process()
    assert bench.ask_readings(sent) == []
    assert bench.ask_readings(hours) == bench.ask_readings("FROM sensors") == []
