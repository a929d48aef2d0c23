"""The warehouse: what loading a file, a newer, an older and the same file does to it."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.errors import CountMismatch, WarehouseBusy
from gmn_pipeline.flows.report import Report
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.trajectories.files import SliceToLoad, Warehouse
from gmn_pipeline_tests.support.archive import Shares, Truth, generate, next_generation
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample, when_fields
from gmn_pipeline_tests.support.warehouse import CONTENT, ask, count, frame, state

NEWER = "2022-03-17 00:00:00.000000"
OLDER = "2022-03-10 00:00:00.000000"


def load(bench: Bench, *days: date) -> Report:
    report = load_days(days or (DAY,), bench.settings)
    assert not report.failed, report.failed[0].error
    return report


def counts(report: Report) -> dict[str, int]:
    names = ("inserted", "revised", "unchanged", "withdrawn")
    return {name: n for name in names if (n := report.total(name))}


def identifiers(rows: range) -> list[str]:
    return [sample().rows[row][0] for row in rows]


def test_every_row_of_a_day_is_inserted_with_its_station_links(bench: Bench) -> None:
    bench.put(DAILY, sample())
    assert counts(load(bench)) == {"inserted": 534}
    listed = sum(len(row[-1].split(",")) for row in sample().rows)
    assert count(bench.settings, "trajectory_stations") == listed
    unknown = "FROM trajectory_stations ANTI JOIN stations USING (station_code)"
    assert ask(bench.settings, unknown) == []
    assert ask(bench.settings, "SELECT DISTINCT revision FROM trajectories") == [(1,)]


def test_the_same_file_again_changes_nothing_and_writes_nothing(bench: Bench) -> None:
    bench.put(DAILY, sample())
    load(bench)
    before = ask(bench.settings, "FROM ducklake_current_snapshot('warehouse')")
    assert counts(load(bench)) == {"unchanged": 534}
    assert ask(bench.settings, "FROM ducklake_current_snapshot('warehouse')") == before


def test_a_newer_file_inserts_revises_withdraws_and_keeps_the_former_states(bench: Bench) -> None:
    bench.put(DAILY, sample().first(10))
    load(bench)
    newer = sample().first(12).stamped(NEWER)
    newer = newer.with_fields(3, vgeo_km_s="  33.33333", participating_stations=" UK0001,UK0002",
                              station_count="    2")  # fmt: skip
    newer = replace(newer, rows=newer.rows[1:])
    bench.put(DAILY, newer)
    assert counts(load(bench)) == {"inserted": 2, "revised": 1, "unchanged": 8, "withdrawn": 1}

    revised, withdrawn = identifiers(range(3, 4))[0], identifiers(range(1))[0]
    former = ask(
        bench.settings,
        "SELECT trajectory_identifier, change, revision FROM trajectory_revisions ORDER BY change",
    )
    assert former == [(revised, "revised", 1), (withdrawn, "withdrawn", 1)]
    now = "SELECT vgeo_km_s, revision FROM trajectories WHERE trajectory_identifier = ?"
    assert ask(bench.settings, now, revised) == [(33.33333, 2)]
    assert ask(bench.settings, now, withdrawn) == []
    links = (
        "SELECT station_code FROM trajectory_stations WHERE trajectory_identifier = ? ORDER BY 1"
    )
    assert ask(bench.settings, links, revised) == [("UK0001",), ("UK0002",)]
    assert ask(bench.settings, links, withdrawn) == []
    newest = bench.ledger.newest_landed()[DAILY].sha256
    ended_by = ask(bench.settings, "SELECT DISTINCT superseded_by_file_sha256 "
                                   "FROM trajectory_revisions")  # fmt: skip
    assert ended_by == [(newest,)]


def test_any_past_state_can_be_asked_for(bench: Bench) -> None:
    states, times = [], []
    for generation, stamp in ((sample().first(5), OLDER), (sample().first(8), NEWER)):
        bench.put(DAILY, generation.stamped(stamp).with_fields(0, vgeo_km_s=f"  {len(states)}.5"))
        load(bench)
        content = f"SELECT {CONTENT} FROM trajectories ORDER BY 1"
        states.append(frame(bench.settings, content))
        times += ask(bench.settings, "SELECT max(valid_from_utc) FROM trajectories")[0]
    for then, rows in zip(times, states, strict=True):
        as_of = f"SELECT {CONTENT} FROM trajectories_as_of(?) ORDER BY 1"
        assert frame(bench.settings, as_of, then).equals(rows)
    assert ask(bench.settings, "FROM trajectories_as_of(TIMESTAMP '2020-01-01')") == []


def test_an_older_file_never_overrides_a_newer_one(bench: Bench) -> None:
    bench.put(DAILY, sample().stamped(NEWER))
    load(bench)
    before = state(bench.settings)["trajectories"]
    bench.put(DAILY, sample().first(3).stamped(OLDER))
    report = load(bench)
    assert counts(report) == {}
    assert report.days[DAY].superseded == 3
    assert report.days[DAY].adds_up
    assert state(bench.settings)["trajectories"].equals(before)


def test_a_withdrawn_trajectory_that_comes_back_counts_its_revisions_on(bench: Bench) -> None:
    for rows, stamp in ((5, OLDER), (4, NEWER), (5, "2022-03-18 00:00:00.000000")):
        bench.put(DAILY, sample().first(rows).stamped(stamp))
        report = load(bench)
    assert counts(report) == {"inserted": 1, "unchanged": 4}
    back = identifiers(range(4, 5))[0]
    sql = "SELECT revision, first_loaded_at_utc < valid_from_utc FROM trajectories " \
          "WHERE trajectory_identifier = ?"  # fmt: skip
    assert ask(bench.settings, sql, back) == [(2, True)]


def test_both_files_of_a_date_with_two_are_loaded(bench: Bench) -> None:
    day = date(2020, 1, 14)
    early, late = Bin(day, 293), Bin(day, 294)
    for number, bin_ in enumerate((early, late)):
        begin = datetime(2020, 1, 14, 23 * number, 10)
        rows = sample().first(4).spread(begin, begin.replace(minute=20))
        bench.put(f"daily/{bin_.file_name}", rows)
    assert counts(load(bench, day)) == {"inserted": 8}
    per_bin = "SELECT bin_solar_longitude_deg, count(*) FROM trajectories GROUP BY 1 ORDER BY 1"
    assert ask(bench.settings, per_bin) == [(293, 4), (294, 4)]


def test_a_trajectory_that_moves_to_the_next_bin_is_not_lost(bench: Bench) -> None:
    """Near the limit of two bins a re-solve moves a row from one file to the other."""
    here, there = Bin(date(2022, 3, 4), 344), Bin(date(2022, 3, 5), 345)
    moving = when_fields(datetime(2022, 3, 5, 22, 0), 7)
    first, other = sample().first(3), sample().first(2).spread(
        datetime(2022, 3, 5, 23), datetime(2022, 3, 6))  # fmt: skip
    bench.put(f"daily/{here.file_name}", first.with_fields(2, **moving))
    bench.put(f"daily/{there.file_name}", other)
    load(bench, here.date, there.date)
    bench.put(f"daily/{here.file_name}", first.first(2).stamped(NEWER))
    grown = replace(other, rows=(first.with_fields(2, **moving).rows[2], *other.rows))
    bench.put(f"daily/{there.file_name}", grown.stamped(NEWER))
    assert counts(load(bench, here.date, there.date)) == {"unchanged": 5}
    where = "SELECT bin_date, revision FROM trajectories WHERE trajectory_identifier = ?"
    assert ask(bench.settings, where, moving["trajectory_identifier"]) == [(there.date, 1)]
    assert count(bench.settings, "trajectory_revisions") == 0


def test_rejected_rows_stand_in_the_warehouse_with_line_and_reasons(bench: Bench) -> None:
    bench.put(DAILY, sample().with_fields(5, begin_latitude_deg="   +91.000000"))
    report = load(bench)
    assert (report.total("accepted"), report.total("rejected")) == (533, 1)
    sql = "SELECT line_number, raw_line, reasons FROM rejected_rows"
    ((number, raw, reasons),) = ask(bench.settings, sql)
    assert (number, "+91.000000" in raw) == (10, True)
    assert reasons == ["range: begin_latitude_deg is 91.0, not within [-90, 90] deg"]


def test_counts_that_do_not_add_up_commit_nothing(bench: Bench) -> None:
    bench.put(DAILY, sample())
    (slice_,) = bench.validate().slices
    wrong = SliceToLoad(replace(slice_, rows_accepted=533), datetime(2022, 3, 16), DAILY)
    warehouse = Warehouse(bench.settings)
    with pytest.raises(CountMismatch, match="does not add up"):
        warehouse.load([wrong])
    assert all(count(bench.settings, table.name) == 0 for table in WAREHOUSE_TABLES)


def test_legacy_views_have_the_legacy_columns_and_values(bench: Bench) -> None:
    bench.put(DAILY, sample())
    load(bench)
    summary = frame(bench.settings, "FROM meteor_summary LIMIT 1")
    legacy = [f.legacy_name for f in TRAJECTORY_FIELDS]
    assert summary.columns == legacy  # the network's client fails with any other
    identifier = sample().rows[0][0]
    one = "SELECT participating_stations FROM meteor_summary WHERE unique_trajectory_identifier = ?"
    ((stations,),) = ask(bench.settings, one, identifier)
    assert stations == sample().rows[0][-1].strip()
    through_links = ask(
        bench.settings,
        "SELECT string_agg(code, ',' ORDER BY code) FROM participating_station p "
        "JOIN station s ON p.station_id = s.id WHERE meteor_id = ?",
        identifier,
    )
    assert through_links == [(stations,)]
    sporadic = ask(bench.settings, "SELECT iau_shower_id FROM meteor WHERE id = ?", identifier)
    assert sporadic == [(None,)]
    one = one.replace("participating_stations", "iau_no, iau_code")
    assert ask(bench.settings, one, identifier) == [(None, None)]


def test_every_table_and_column_says_what_it_is(bench: Bench) -> None:
    Warehouse(bench.settings).create()
    tables = dict(ask(bench.settings, "SELECT table_name, comment FROM duckdb_tables()"))
    columns = ask(
        bench.settings,
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'warehouse' AND NOT internal",
    )
    silent = [(t, c) for t, c, comment in columns if t in tables and not comment]
    assert {t.name for t in WAREHOUSE_TABLES} <= {t for t, comment in tables.items() if comment}
    assert silent == []


def test_a_writer_that_finds_the_warehouse_taken_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, warehouse_busy_timeout_s=0.05)
    bench.put(DAILY, sample())
    with WarehouseConnection(bench.settings).writing():
        report = load_days([DAY], bench.settings)
    assert isinstance(report.days[DAY].error, WarehouseBusy)
    assert open_ledger(bench.settings).failures()[0].day == DAY
    assert counts(load(bench)) == {"inserted": 534}


def test_times_are_utc_whatever_the_time_zone_of_the_machine(bench: Bench) -> None:
    bench.put(DAILY, sample())
    here = state_in_time_zone(bench, "UTC", "a")
    there = state_in_time_zone(bench, "Pacific/Auckland", "b")
    assert here == there
    assert here.startswith("2022-03-04 22:07:41.940752")


def state_in_time_zone(bench: Bench, zone: str, folder: str) -> str:
    """First and last beginning, by a process that lives in that zone."""
    script = (
        "from datetime import date; from pathlib import Path\n"
        "from gmn_pipeline.settings import load_settings\n"
        "from gmn_pipeline.flows.trajectory_days import load_days\n"
        "from gmn_pipeline_tests.support.warehouse import ask\n"
        "s = load_settings()\n"
        "load_days([date(2022, 3, 4)], s)\n"
        "print(*ask(s, 'SELECT min(beginning_utc_time), max(beginning_utc_time), "
        "any_value(summary_generated_at_utc) FROM trajectories')[0])\n"
        "from gmn_pipeline.clock import utc_now\n"
        "loaded = ask(s, 'SELECT max(valid_from_utc) FROM trajectories')[0][0]\n"
        "assert 0 <= (utc_now() - loaded).total_seconds() < 3600"
    )
    environment = {
        **os.environ, "TZ": zone, "GMN_SOURCE_URL": str(bench.site),
        "GMN_DATA_DIR": str(bench.settings.data_dir / folder),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Truth | None]]:
    """An archive of twenty nights, and its next two generations with what they changed."""
    folder = tmp_path_factory.mktemp("archive")
    first = folder / "0"
    generate(first, 3_000, seed=5, from_date=date(2022, 3, 1), to_date=date(2022, 3, 20),
             kinds=("daily", "monthly", "all"))  # fmt: skip
    shares = Shares(resolved=0.1, reidentified=0.02, withdrawn=0.03, duplicated=0.01,
                    corrupted=0.01, added=0.05)  # fmt: skip
    found: list[tuple[Path, Truth | None]] = [(first, None)]
    for number in (1, 2):
        out = folder / str(number)
        found.append((out, next_generation(found[-1][0], out, seed=number, shares=shares)))
    return found


MARCH = [date(2022, 3, day) for day in range(1, 22)]


def load_archive(folder: Path, archive: Path, **settings: object) -> tuple[Bench, Report]:
    folder.mkdir(exist_ok=True)
    bench = Bench(folder, source_url=str(archive), **settings)
    report = load_days([date(2022, 2, 28), *MARCH], bench.settings)
    assert not report.failed
    return bench, report


def sound_rows(archive: Path) -> tuple[int, set[str]]:
    """Lines of the daily files, and identifiers of those that are rows; read by plain means."""
    lines, identifiers = 0, set()
    for file in (archive / "daily").glob("*_solrange_*"):
        for line in file.read_text("ascii").split("\n"):
            fields = line.strip("\r").split(";")
            if not line.strip("\r") or line.strip("\r").startswith("#"):
                continue
            lines += 1
            is_row = len(fields) == 86 and "x" not in fields[15] and abs(float(fields[63])) <= 90
            identifiers |= {fields[0]} if is_row else set()
    return lines, identifiers


def test_generations_loaded_in_turn_give_the_counts_that_they_were_made_with(
    tmp_path: Path, generations: list[tuple[Path, Truth | None]]
) -> None:
    former: set[str] = set()
    for archive, truth in generations:
        bench, report = load_archive(tmp_path, archive)
        lines, there = sound_rows(archive)
        assert report.total("read") == lines
        assert report.total("accepted") == len(there) == count(bench.settings, "trajectories")
        assert report.total("inserted") == len(there - former)
        assert report.total("withdrawn") == len(former - there)
        assert report.total("revised") >= (truth.total("resolved") if truth else 0)
        former = there
    ended = "SELECT count(*) FROM trajectory_revisions WHERE change = 'revised'"
    assert ask(bench.settings, ended)[0][0] >= sum(t.total("resolved") for _, t in generations if t)


def test_generations_in_any_order_end_at_the_newest(
    tmp_path: Path, generations: list[tuple[Path, Truth | None]]
) -> None:
    straight, turned = tmp_path / "straight", tmp_path / "turned"
    for archive, _ in generations:
        one, _ = load_archive(straight, archive)
    for number in (0, 2, 1):
        other, _ = load_archive(turned, generations[number][0])
    columns = f"SELECT {CONTENT}, bin_date FROM trajectories ORDER BY 1"
    assert frame(one.settings, columns).equals(frame(other.settings, columns))


@pytest.mark.parametrize("history", ["monthly", "all"])
def test_history_files_give_the_same_trajectories_as_the_daily_ones(
    tmp_path: Path, generations: list[tuple[Path, Truth | None]], history: str
) -> None:
    archive = generations[0][0]
    daily, _ = load_archive(tmp_path / "daily", archive)
    whole, _ = load_archive(tmp_path / "history", archive, history=history)
    content = f"SELECT {CONTENT} FROM trajectories ORDER BY 1"
    assert frame(daily.settings, content).equals(frame(whole.settings, content))
    # The daily files that come later find what is there, and mend what a limit cut wrongly.
    again = Bench(tmp_path / "history", source_url=str(archive))
    report = load_days([date(2022, 2, 28), *MARCH], again.settings)
    assert set(counts(report)) == {"unchanged"}
    bins = "SELECT trajectory_identifier, bin_date FROM trajectories ORDER BY 1"
    assert frame(daily.settings, bins).equals(frame(again.settings, bins))


def test_who_reads_in_a_session_kept_open_goes_on_after_a_flush(bench: Bench) -> None:
    bench.put(DAILY, sample().first(20))
    load(bench)
    warehouse = WarehouseConnection(bench.settings)
    asked = "SELECT count(*), min(bin_date) FROM trajectories"
    with warehouse.session():
        with warehouse.open(read_only=True) as connection:
            before = connection.execute(asked).fetchall()
        with warehouse.writing() as connection:
            connection.execute("CALL ducklake_flush_inlined_data('warehouse')")
        warehouse.renew()
        with warehouse.open(read_only=True) as connection:
            assert connection.execute(asked).fetchall() == before
