"""Signed payloads: who signed, when, and for which stations."""

import hashlib
import hmac
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import Cause, Received
from gmn_pipeline.readers.station_readings.signed import Key, Rules, opened, signature_line
from gmn_pipeline.sources.station_keys import StationKeys, read_keys

NOW_S = 1_764_300_000
SECRET = b"0123456789abcdef"
RULES = Rules(
    {"one": Key(SECRET, frozenset(["HR0001"])), "any": Key(b"x" * 32)}, True, window_s=300
)
PAYLOAD = b'{"timestamp": 1700000000, "sensor_id": 1, "temp": 20}'


def came(payload: bytes) -> Received:
    return Received(payload, "192.0.2.1", NOW_S * 1_000_000)


def signed(key: str = "one", secret: bytes = SECRET, at_s: float = NOW_S) -> bytes:
    return signature_line(key, secret, at_s, PAYLOAD) + PAYLOAD


def refused(payload: bytes, rules: Rules = RULES) -> tuple[Cause, str]:
    good, bad = opened([came(payload)], rules)
    assert not good
    assert bad[0].payload == payload
    return bad[0].cause, bad[0].reason


def test_a_good_signature_lets_its_payload_through_for_its_stations() -> None:
    (good,), bad = opened([came(signed())], RULES)
    assert (good.payload, good.stations, bad) == (PAYLOAD, frozenset(["HR0001"]), [])
    assert read_ndjson([good]).rows.item(0, "station_code") == "HR0001"
    other = good._replace(payload=PAYLOAD[:-1] + b', "station": "HR0002"}')
    assert read_ndjson([other]).refused[0].cause is Cause.NOT_ITS_STATION
    assert opened([came(signed("any", b"x" * 32))], RULES)[0][0].stations is None


def test_the_signature_is_what_the_documentation_says() -> None:
    digest = hmac.new(SECRET, b"GMN1 one 1764300000\n" + PAYLOAD, hashlib.sha256).hexdigest()
    payload = f"GMN1 one 1764300000 {digest}\n".encode() + PAYLOAD
    assert opened([came(payload)], RULES)[0][0].payload == PAYLOAD


def test_what_was_changed_on_its_way_is_refused() -> None:
    for payload in (
        signed()[:-1], signed() + b" ", signed(secret=b"another secret..."), signed("two"),
        signed().replace(b"GMN1 one", b"GMN1 any"), signed().replace(b"1764300000", b"1764300001"),
        b"GMN1 one 1 zz\n" + PAYLOAD, b"GMN1 ", b"GMN1 one 1764300000\n",
        signed("two", b""),  # a key that is not there is not the empty one
    ):  # fmt: skip
        assert refused(payload)[0] is Cause.BAD_SIGNATURE


def test_what_is_sent_again_later_is_refused() -> None:
    assert refused(signed(at_s=NOW_S - 301)) == (Cause.REPLAY, "it was signed 301 s before it came")
    assert refused(signed(at_s=NOW_S + 400))[0] is Cause.REPLAY
    assert opened([came(signed(at_s=NOW_S - 299))], RULES)[0]


def test_whether_others_are_taken_is_a_setting() -> None:
    assert refused(PAYLOAD) == (Cause.BAD_SIGNATURE, "it is not signed")
    lenient = Rules({}, signed_only=False, window_s=300)
    assert opened([came(PAYLOAD)], lenient) == ([came(PAYLOAD)], [])
    assert refused(signed(), lenient)[0] is Cause.BAD_SIGNATURE


@settings(max_examples=60, deadline=None)
@given(some.lists(some.binary() | some.binary().map(lambda rest: b"GMN1 one " + rest)))
def test_garbage_never_raises_and_is_never_lost_count_of(payloads: list[bytes]) -> None:
    good, bad = opened([came(payload) for payload in payloads], RULES)
    assert (len(good), len(bad)) == (0, len(payloads))


def test_keys_are_read_anew_when_their_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmn_pipeline.sources.station_keys._LOOK_S", -1)
    path = tmp_path / "keys"
    path.write_text("# comment\n\none 0123456789abcdef HR0001,HR0002\n")
    keys = StationKeys(path)
    assert keys.current() == {"one": Key(SECRET, frozenset(["HR0001", "HR0002"]))}
    new = tmp_path / "new"
    new.write_text("two 0123456789abcdef *\n")
    new.replace(path)
    assert keys.current() == {"two": Key(SECRET)}
    path.write_text("two short *\n")
    assert keys.current() == {"two": Key(SECRET)}
    path.unlink()
    assert keys.current() == {"two": Key(SECRET)}


@pytest.mark.parametrize(
    "line", ["a b", "a 0123456789abcdef", "a short *", "a 0123456789abcdef HR 1",
             "a 0123456789abcdef ../x", "é 0123456789abcdef *",
             "a 0123456789abcdef *\na 0123456789abcdef *"]
)  # fmt: skip
def test_a_wrong_line_is_named_and_no_secret(tmp_path: Path, line: str) -> None:
    path = tmp_path / "keys"
    path.write_text(line + os.linesep)
    with pytest.raises(SettingsError, match=r"Line \d") as told:
        read_keys(path)
    assert "0123456789abcdef" not in str(told.value)
