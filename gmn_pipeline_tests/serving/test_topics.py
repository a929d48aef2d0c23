"""Topics over HTTP, against a real Kafka, as a client of REST Proxy v2 asks."""

import base64
import gzip
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn

from gmn_pipeline.schemas.station_readings import STATION_READING_MESSAGES as MESSAGES
from gmn_pipeline.serving.topics.app import Proxy
from gmn_pipeline.serving.topics.consumers import Instances
from gmn_pipeline.serving.topics.errors import ProxyError
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.stream_bench import StreamBench

JSON, AVRO, BINARY = (
    {"Content-Type": f"application/vnd.kafka.{kind}.v2+json"} for kind in ("json", "avro", "binary")
)
V2 = {"Content-Type": "application/vnd.kafka.v2+json"}
READING = {"timestamp": "2024-01-21 10:06:04.095931", "temperature": 20.9, "sensor_id": 1,
           "station_code": "ES0001", "lux": 7}  # fmt: skip


class Asked:
    """The proxy, asked with its token, and its topic of readings."""

    def __init__(self, client: httpx.Client, topic: str) -> None:
        self.client = client
        self.topic = topic

    def post(self, path: str, body: Any, headers: dict[str, str] = V2) -> Any:
        return self.client.post(path, json=body, headers=headers)

    def produce(self, *values: Any, headers: dict[str, str] = JSON, **more: Any) -> Any:
        records = [{"value": value} for value in values]
        return self.post(f"/topics/{self.topic}", {"records": records, **more}, headers)

    def consumer(self, form: str = "json", group: str = "g", **more: Any) -> str:
        """The path of a new instance that has the topic from its beginning."""
        asked = {"format": form, "auto.offset.reset": "earliest", **more}
        made = self.post(f"/consumers/{group}", asked).json()
        path: str = made["base_uri"].removeprefix(str(self.client.base_url))
        assert self.post(f"{path}/subscription", {"topics": [self.topic]}).status_code == 204
        return path

    def records(self, path: str, number: int) -> list[dict[str, Any]]:
        """So many records, as they come; a group takes a moment to find together."""
        found: list[dict[str, Any]] = []
        for _ in range(30):
            found += self.client.get(f"{path}/records", params={"timeout": 1000}).json()
            if len(found) >= number:
                break
        return found


@pytest.fixture
def asked(kafka: RunningBroker, tmp_path: Path) -> Iterator[Asked]:
    topic = f"readings-{uuid.uuid4().hex[:8]}"
    road = StreamBench(tmp_path, kafka, kafka_readings_topic=topic)
    headers = {"Authorization": "Bearer s3cret"}
    with (
        served(Proxy(road.settings, "s3cret")) as address,
        httpx.Client(base_url=address, headers=headers, timeout=60) as client,
    ):
        yield Asked(client, topic)


@contextmanager
def served(proxy: Proxy) -> Iterator[str]:
    """The proxy on a port of the loopback; its address."""
    port = free_port()
    config = uvicorn.Config(proxy.app(), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_readings_are_written_as_json_and_read_as_json_and_as_bytes(asked: Asked) -> None:
    wrong = READING | {"temperature": 999}
    answer = asked.produce(READING, wrong, READING | {"sensor_id": 2}, "no object")
    assert answer.status_code == 200
    first, refused, third, no_object = answer.json()["offsets"]
    assert (first["error_code"], third["error_code"]) == (None, None)
    assert (refused["error_code"], no_object["error_code"]) == (42203, 42203)
    assert "temperature_deg_c" in refused["error"]
    told = {r["key"]: r for r in asked.records(asked.consumer(), 2)}
    assert set(told) == {"ES0001/1", "ES0001/2"}
    value = told["ES0001/1"]["value"]
    assert (value["temperature_deg_c"], value["transport"]) == (20.9, "http")
    assert value["other_quantities"] == '{"lux":7}' or value["illuminance_lx"] == 7
    raw = asked.records(asked.consumer("binary", "other"), 2)
    assert {base64.b64decode(r["key"]) for r in raw} == {b"ES0001/1", b"ES0001/2"}
    again = asked.post(
        f"/topics/{asked.topic}",
        {"records": [{"key": raw[0]["key"], "value": raw[0]["value"]}]},
        BINARY,
    )
    assert again.json()["offsets"][0]["error_code"] is None
    topics = asked.client.get("/topics").json()
    assert asked.topic in topics
    assert len(asked.client.get(f"/topics/{asked.topic}").json()["partitions"]) == 3


def test_a_group_goes_on_where_it_committed(asked: Asked) -> None:
    asked.produce(*(READING | {"sensor_id": 1, "temperature": n} for n in range(3)))
    path = asked.consumer(**{"auto.commit.enable": "false"})
    found = asked.records(path, 3)
    assert [r["value"]["temperature_deg_c"] for r in found] == [0, 1, 2]
    at = {"topic": asked.topic, "partition": found[1]["partition"], "offset": found[1]["offset"]}
    assert asked.post(f"{path}/offsets", {"offsets": [at]}).status_code == 200
    noted = asked.client.request("GET", f"{path}/offsets", json={"partitions": [at]}).json()
    assert [one["offset"] for one in noted["offsets"]] == [found[1]["offset"] + 1]
    assert asked.client.delete(path).status_code == 204
    assert asked.client.get(f"{path}/records").json()["error_code"] == 40403
    again = asked.records(asked.consumer(), 1)
    assert [r["value"]["temperature_deg_c"] for r in again] == [2]


def test_avro_names_one_of_the_published_schemas(asked: Asked) -> None:
    schema = MESSAGES.text(MESSAGES.current_version)
    assert asked.produce(READING, headers=AVRO, value_schema=schema).status_code == 200
    for wrong in ("{}", "[", None, '{"type": "record", "name": "x", "fields": []}'):
        answer = asked.produce(READING, headers=AVRO, value_schema=wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42203)


def test_who_has_no_token_gets_nothing_and_what_is_wrong_is_said(asked: Asked) -> None:
    for given in ({"Authorization": "Bearer other"}, {"Authorization": "s3cret"}):
        answer = asked.client.get("/topics", headers=given)
        assert answer.status_code == 401
        assert "s3cret" not in answer.text
    post, path = asked.post, f"/topics/{asked.topic}"
    assert post("/topics/none", {"records": []}, JSON).json()["error_code"] == 40401
    assert post("/topics/trajectory", {"records": []}, JSON).status_code == 404
    assert post(path, {"records": []}, {"Content-Type": "text/plain"}).status_code == 415
    assert post(path, {"records": 1}, JSON).status_code == 422
    assert asked.client.post(path, content=b"[" * 100_000, headers=JSON).status_code == 422
    assert asked.client.post(path, content=b" " * (9 << 20), headers=JSON).status_code == 413
    assert asked.produce("no base64!", headers=BINARY).json()["offsets"][0]["error_code"] == 42203
    named = post(path, {"records": [{"value": READING, "partition": 1}]}, JSON).json()["offsets"]
    assert "follows from its key" in named[0]["error"]
    assert post("/consumers/g", {"format": "xml"}).status_code == 422
    assert post("/consumers/g", {"name": "../x"}).status_code == 422


def test_telegraf_writes_as_to_influxdb(asked: Asked) -> None:
    lines = (
        b"weather,station=HR0001,sensor=1 temperature=20.9,humidity=59 1705831564095931000\n"
        b"weather,station=HR0001,sensor=1 temperature=21 1705831565000000000\n"
    )
    token, path = {"Authorization": "Token s3cret"}, "/api/v2/write?org=o&bucket=b&precision=ns"
    zipped = {**token, "Content-Encoding": "gzip"}
    post = asked.client.post
    assert post(path, content=gzip.compress(lines), headers=zipped).status_code == 204
    partly = post("/write?db=b", content=lines[:20] + b"\n" + lines, headers=token)
    assert (partly.status_code, partly.json()["code"]) == (400, "invalid")
    assert "1 lines were refused, all others taken" in partly.json()["message"]
    told = asked.records(asked.consumer(), 4)
    assert [r["value"]["temperature_deg_c"] for r in told] == [20.9, 21, 20.9, 21]
    assert {r["key"] for r in told} == {"HR0001/1"}
    bomb = gzip.compress(b" " * (8 << 20))
    assert post(path, content=bomb, headers=zipped).status_code == 413
    assert post(path, content=b"no gzip", headers=zipped).status_code == 400
    assert post(path.replace("ns", "ms"), content=lines, headers=token).status_code == 400
    assert post(path, content=lines, headers={"Authorization": "Token x"}).status_code == 401


class Reader:
    """Of an instance only that it is closed matters here."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_an_instance_that_nobody_uses_is_closed() -> None:
    now, readers = [0.0], [Reader() for _ in range(3)]
    instances = Instances(60, lambda: now[0], most=2)
    instances.add("g", "one", "json", lambda: readers[0])  # type: ignore[arg-type,return-value]
    instances.add("g", "two", "json", lambda: readers[1])  # type: ignore[arg-type,return-value]
    with pytest.raises(ProxyError, match="already"):
        instances.add("g", "two", "json", lambda: readers[2])  # type: ignore[arg-type,return-value]
    with pytest.raises(ProxyError, match="too many"):
        instances.add("g", "three", "json", lambda: readers[2])  # type: ignore[arg-type,return-value]
    now[0] = 50
    with instances.using("g", "two"):
        pass
    now[0] = 100
    instances.close_idle()
    assert [reader.is_closed for reader in readers] == [True, False, False]
    instances.close()
    assert readers[1].is_closed
