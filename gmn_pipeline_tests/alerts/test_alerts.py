"""Alerts: what is decided, remembered and told, and the file of rules."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.alerts.channels import channels_of
from gmn_pipeline.alerts.decision import Found, decide
from gmn_pipeline.alerts.rules import Rule, read_rules
from gmn_pipeline.alerts.watch import Watch
from gmn_pipeline.database.alerts import AlertStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import QueryFailed, SettingsError
from gmn_pipeline.schemas.alerts import About, Alert, NoticeKind
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.sample import Bench

NOON = datetime(2026, 8, 12, 12)
DEW = About("dew", "ES0001", "1")


# --- what is decided ---


def after(*seen: bool | None, for_s: float = 0.0, every_s: float = 10.0) -> list[str]:
    """What is told of one sensor that is looked at every some seconds."""
    alerts: Mapping[About, Alert] = {}
    told = []
    for number, holds in enumerate(seen):
        found = {DEW: Found(holds, "wet")}
        now = NOON + timedelta(seconds=number * every_s)
        decision = decide(alerts, found, {"dew": for_s}, now)
        alerts = decision.alerts
        told += [f"{number} {notice.kind.value}" for notice in decision.notices]
    return told


@pytest.mark.parametrize(
    ("seen", "for_s", "told"),
    [
        ((False, True, True, True), 0, ["1 raised"]),
        ((True, False, True), 0, ["0 raised", "1 recovered", "2 raised"]),
        ((True, None, None, False), 0, ["0 raised", "3 recovered"]),
        ((True, True, True, True), 20, ["2 raised"]),
        ((True, True, False, True, True), 20, []),
        ((True, None, None, True), 20, ["3 raised"]),
        ((None, False, None), 0, []),
    ],
)
def test_an_alert_is_told_once_and_so_is_its_end(
    seen: tuple[bool | None, ...], for_s: float, told: list[str]
) -> None:
    assert after(*seen, for_s=for_s) == told


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([True, False, None]), max_size=40), st.sampled_from([0, 10, 35]))
def test_what_is_raised_and_what_is_over_take_turns(seen: list[bool | None], for_s: float) -> None:
    kinds = [line.split()[1] for line in after(*seen, for_s=for_s)]
    assert kinds == ["raised", "recovered"] * (len(kinds) // 2) + ["raised"] * (len(kinds) % 2)


def test_an_alert_whose_rule_or_sensor_is_gone_does_not_stay_silently() -> None:
    raised = {DEW: Alert(NOON, "wet", NOON)}
    gone_rule = decide(raised, {}, {}, NOON)
    assert [n.kind for n in gone_rule.notices] == [NoticeKind.RECOVERED]
    assert not gone_rule.alerts
    gone_sensor = decide(raised, {}, {"dew": 0}, NOON)
    assert (gone_sensor.alerts, gone_sensor.notices) == (raised, ())


# --- who is told ---


class Hook:
    """A webhook that keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = hook.answers.pop(0) if hook.answers else 204
                if status == 204:
                    hook.taken.append((self.headers["Idempotency-Key"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?secret=abc"

    @property
    def kinds(self) -> list[str]:
        return [body["kind"] for _, body in self.taken]


@contextmanager
def webhook() -> Iterator[Hook]:
    hook = Hook()
    thread = Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


class Lake:
    """Answers every question with what it is told to."""

    def __init__(self) -> None:
        self.holds: bool | None = True
        self.is_broken = False

    def __call__(self, sql: str, values: Mapping[str, object]) -> pa.Table:
        if self.is_broken:
            raise QueryFailed("no such column")
        return pa.table(
            {
                "station_code": ["ES0001"],
                "sensor_id": ["1\r\nBcc: x@y"],
                "holds": pa.array([self.holds], pa.bool_()),
                "detail": ["wet"],
            }
        )


def watch(given: Settings, *rules: Rule) -> Watch:
    return Watch(rules or (Rule("dew", when="true"),), store(given), channels_of(given))


def store(given: Settings) -> AlertStore:
    return AlertStore(open_database(given))


def test_a_webhook_is_told_once_also_by_another_process_later(bench: Bench) -> None:
    lake = Lake()
    with webhook() as hook:
        given = bench.settings.model_copy(update={"alert_webhook_url": _secret(hook.url)})
        for _ in range(2):
            watcher = watch(given)
            watcher.look(lake)
            watcher.tell()
        assert hook.kinds == ["raised"]
        lake.holds = False
        watcher = watch(given)
        watcher.look(lake)
        assert watcher.tell() == 1
        assert watcher.tell() == 0
    assert hook.kinds == ["raised", "recovered"]
    assert hook.taken[0][1]["station_code"] == "ES0001"
    assert len({key for key, _ in hook.taken}) == 2
    assert [n.notice.kind for n in store(given).newest(5)] == ["recovered", "raised"]


def test_a_webhook_that_answers_otherwise_is_told_later_and_its_secret_is_not_said(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake()
    with webhook() as hook:
        given = bench.settings.model_copy(update={"alert_webhook_url": _secret(hook.url)})
        watcher = watch(given, Rule("a", when="true"), Rule("b", when="true"))
        hook.answers = [204, 500, 204]
        watcher.look(lake)
        assert watcher.tell() == 1
        assert watcher.tell() == 1
        assert [body["rule"] for _, body in hook.taken] == ["a", "b"]
    lake.holds = False
    watcher.look(lake)
    assert watcher.tell() == 0  # nobody listens there any more
    assert "secret" not in caplog.text
    assert len(store(given).pending("webhook")) == 2


def test_a_channel_that_is_named_later_is_not_told_of_the_past(bench: Bench) -> None:
    watch(bench.settings).look(Lake())
    with webhook() as hook:
        given = bench.settings.model_copy(update={"alert_webhook_url": _secret(hook.url)})
        assert watch(given).tell() == 0
        assert hook.taken == []


class Mail:
    """What a mail server was given."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.bodies.append(envelope.content)
        return "250 OK"


def test_an_email_tells_all_of_a_moment_and_no_name_gets_into_its_head(bench: Bench) -> None:
    mail = Mail()
    port = free_port()
    server = Controller(mail, hostname="127.0.0.1", port=port)
    server.start()
    try:
        given = bench.settings.model_copy(
            update={"alert_email_to": ("a@example.org",), "alert_smtp_port": port}
        )
        watcher = watch(given, *(Rule(f"rule {n}", when="true") for n in range(5)))
        watcher.look(Lake())
        assert watcher.tell() == 5
    finally:
        server.stop()
    [body] = mail.bodies
    message = message_from_bytes(body, policy=policy.default)
    assert message["Subject"] == "ES0001: rule 0; ES0001: rule 1; ES0001: rule 2; and 2 more"
    assert message["Bcc"] is None
    assert message.get_content().count("holds at") == 5


def test_a_rule_that_cannot_be_asked_says_so_once_and_stops_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake()
    watcher = watch(bench.settings)
    watcher.look(lake)
    lake.is_broken = True
    for _ in range(3):
        assert watcher.look(lake) == ()
    assert caplog.text.count("cannot be asked") == 1
    assert len(store(bench.settings).alerts()) == 1  # it stays as it was


def _secret(url: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(url)


# --- the file of rules ---

GOOD = """
[[rule]]
name = "silent"
silent_for_s = 600
[[rule]]
name = "dew"
when = "humidity_percent > 95"
for_s = 300
stations = ["ES*", "FR000A"]
[[rule]]
name = "odd"
quantity = "pressure_hpa"
sigma = 5
"""
QUANTITIES = frozenset({"pressure_hpa"})


def test_rules_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD)
    rules = read_rules(path, QUANTITIES)
    assert [rule.kind for rule in rules] == ["silent", "when", "sigma"]
    assert rules[1].stations == ("ES*", "FR000A")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("silent_for_s = 600", "silent_for = 600"), "silent_for is no setting"),
        (("silent_for_s = 600", "silent_for_s = '600'"), "silent_for_s of 'silent' is '600'"),
        (("silent_for_s = 600", ""), "has to say one of"),
        (("sigma = 5", "sigma = 5\nwhen = '1'"), "has to say one of"),
        (("pressure_hpa", "presure"), "the quantity 'presure'"),
        (('"dew"', '"silent"'), "two rules have the name"),
        (('["ES*", "FR000A"]', "[]"), "stations of 'dew'"),
        (("[[rule]]", "[[rules]]"), "and nothing else"),
        (("[[rule]]", "[[rule"), "cannot be read"),
    ],
)
def test_what_a_file_of_rules_has_wrong_is_named(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError, match=why):
        read_rules(path, QUANTITIES)


SENSORS = """
CREATE TABLE sensors AS SELECT * FROM (VALUES
  ('ES0001', '1', TIMESTAMP '2026-08-12 11:59:00'),
  ('ES0002', '1', TIMESTAMP '2026-08-12 11:00:00'),
  ('DE0001', '1', TIMESTAMP '2026-08-12 10:00:00')
) t(station_code, sensor_id, last_received_at_utc);
CREATE TABLE latest_readings AS SELECT station_code, sensor_id,
  last_received_at_utc AS last_measured_at_utc, 1000.0 AS pressure_hpa,
  CASE WHEN station_code <> 'DE0001' THEN 96.0 END AS humidity_percent FROM sensors;
CREATE TABLE station_readings_by_minute AS
  SELECT station_code, sensor_id, 'pressure_hpa' AS quantity,
    TIMESTAMP '2026-08-12 10:00:00' + to_minutes(n::BIGINT) AS begin_utc,
    1013 + sin(n) AS mean FROM sensors, range(120) r(n);
"""


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (Rule("r", silent_for_s=600), {"ES0001": False, "ES0002": True, "DE0001": True}),
        (Rule("r", silent_for_s=600, stations=("ES*",)), {"ES0001": False, "ES0002": True}),
        (Rule("r", when="humidity_percent > 95"), {"ES0001": True, "ES0002": None, "DE0001": None}),
        (
            Rule("r", when="humidity_percent > 95", fresh_s=1e6),
            {"ES0001": True, "ES0002": True, "DE0001": None},
        ),
        (
            Rule("r", quantity="pressure_hpa", sigma=5),
            {"ES0001": True, "ES0002": None, "DE0001": None},
        ),
        (
            Rule("r", quantity="pressure_hpa", sigma=50),
            {"ES0001": False, "ES0002": None, "DE0001": None},
        ),
    ],
)
def test_a_rule_finds_which_sensors_it_is_about(rule: Rule, holds: dict[str, bool | None]) -> None:
    sql, values = rule.question()
    with duckdb.connect() as db:
        db.execute(SENSORS)
        rows = db.execute(sql, values | {"now": NOON}).to_arrow_table().to_pylist()
    assert {row["station_code"]: row["holds"] for row in rows} == holds
    assert replace(rule) == rule
