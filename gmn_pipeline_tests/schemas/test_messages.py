"""Messages: schema versions, bodies in bulk against fastavro, both framings, what is refused."""

import io
import itertools
import json
import random
from typing import Any

import fastavro
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmn_pipeline.kafka.avro.codec import decode, encode
from gmn_pipeline.kafka.avro.walk import wellformed
from gmn_pipeline.kafka.framing import (
    Framing,
    confluent_framing,
    fingerprint,
    single_object_framing,
    unframe,
)
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.message_schema import schema_file
from gmn_pipeline.schemas.messages import CURRENT_VERSION, MESSAGE_FIELDS
from gmn_pipeline.schemas.messages import TRAJECTORY_MESSAGES as MESSAGES
from gmn_pipeline_tests.support.message_rows import any_rows, bits

VERSIONS = MESSAGES.versions()
few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def by_fastavro(rows: pl.DataFrame, version: str) -> list[bytes]:
    schema = fastavro.parse_schema(plain(MESSAGES.published(version)))
    bodies = []
    for row in rows.iter_rows(named=True):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, row)
        bodies.append(out.getvalue())
    return bodies


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without logical types: any number is a time."""
    fields = [
        {"name": f["name"], "type": ["null", kind["type"] if "logicalType" in kind else kind]}
        for f in schema["fields"]
        for kind in [f["type"][1]]
    ]
    return {"type": "record", "name": "Root", "fields": fields}


class Registry:
    """A registry with these schemas, by id."""

    def __init__(self, schemas: dict[int, dict[str, Any]]) -> None:
        self.schemas = schemas

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        return self.schemas.get(schema_id)


# --- schemas -------------------------------------------------------------------------------------


def test_the_published_schema_is_what_the_definitions_make() -> None:
    assert MESSAGES.text(CURRENT_VERSION) == schema_file(MESSAGES.generate(CURRENT_VERSION))


def test_a_former_version_is_read_as_it_always_was() -> None:
    # Its file is frozen: should this fail, a definition changed what existing consumers read.
    assert {v: fingerprint(MESSAGES, v).hex() for v in VERSIONS} == FINGERPRINTS


FINGERPRINTS = {"2.0": "a2eefd54ba8e039d", "2.1": "a7be581465622e14"}


def test_the_first_version_has_the_legacy_names_in_the_order_of_the_file() -> None:
    names = [f["name"] for f in MESSAGES.published("2.0")["fields"]]
    assert names == [f.legacy_name for f in TRAJECTORY_FIELDS] + ["schema_version"]


def test_every_field_is_optional_and_says_what_it_is() -> None:
    for version in VERSIONS:
        for field in MESSAGES.published(version)["fields"]:
            assert field["type"][0] == "null"
            assert field["default"] is None
            assert field["doc"]


def test_a_version_adds_fields_at_the_end_only() -> None:
    for old, new in itertools.pairwise(VERSIONS):
        fields = [(f["name"], f["type"]) for f in MESSAGES.published(old)["fields"]]
        later = [(f["name"], f["type"]) for f in MESSAGES.published(new)["fields"]]
        assert later[: len(fields)] == fields


@pytest.mark.parametrize(("writer", "reader"), list(itertools.permutations(VERSIONS, 2)))
def test_each_version_reads_what_each_other_wrote(writer: str, reader: str) -> None:
    sample = MESSAGES.path(writer).with_name("sample.avro").read_bytes()
    read = fastavro.schemaless_reader(
        io.BytesIO(sample[10:]),
        MESSAGES.published(writer),
        MESSAGES.published(reader),
        return_record_name=True,
    )
    wanted = sample_json(writer)
    assert list(read) == [f.name for f in MESSAGES.fields_of(reader)]
    for name, value in read.items():
        assert jsonable(value) == wanted.get(name)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sample_of_a_version_is_what_its_bytes_say(version: str) -> None:
    sample = MESSAGES.path(version).with_name("sample.avro").read_bytes()
    decoded = unframe([sample], MESSAGES, None)
    assert not decoded.reasons
    read = fastavro.schemaless_reader(io.BytesIO(sample[10:]), MESSAGES.published(version))
    assert {name: jsonable(value) for name, value in read.items()} == sample_json(version)


def sample_json(version: str) -> dict[str, Any]:
    return json.loads(MESSAGES.path(version).with_name("sample.json").read_text())


def jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
@few
def test_bodies_are_those_of_fastavro_byte_for_byte(version: str, data: st.DataObject) -> None:
    rows = data.draw(any_rows(version))
    assert encode(rows, MESSAGES.fields_of(version)) == by_fastavro(rows, version)


@pytest.mark.parametrize(
    "framing", [single_object_framing(MESSAGES), confluent_framing(MESSAGES, 7)]
)
@given(rows=any_rows())
@few
def test_any_row_comes_back_bit_by_bit_in_both_framings(
    framing: Framing, rows: pl.DataFrame
) -> None:
    decoded = unframe(
        framing.frame(rows), MESSAGES, Registry({7: MESSAGES.published(CURRENT_VERSION)})
    )
    assert not decoded.reasons
    assert decoded.index == list(range(rows.height))
    assert bits(decoded.rows).equals(bits(rows))


@given(rows=any_rows("2.0"))
@few
def test_a_message_of_a_former_version_has_later_fields_null(rows: pl.DataFrame) -> None:
    decoded = unframe(single_object_framing(MESSAGES, "2.0").frame(rows), MESSAGES, None)
    later = [f.name for f in MESSAGE_FIELDS if f.since != "2.0"]
    assert bits(decoded.rows.drop(later)).equals(
        bits(rows.with_columns(pl.lit(None, pl.Float64).alias(n) for n in []))
    )
    assert all(decoded.rows.get_column(name).null_count() == rows.height for name in later)


def sample_body(version: str = CURRENT_VERSION) -> bytes:
    return MESSAGES.path(version).with_name("sample.avro").read_bytes()[10:]


def test_bad_bodies_among_many_are_the_only_ones_refused() -> None:
    good = sample_body()
    bodies = [good] * 500
    bad = {0: b"", 17: good[:-1], 18: good + b"x", 250: b"\x07" * 40, 499: good[1:]}
    for at, body in bad.items():
        bodies[at] = body
    decoded = decode(bodies, MESSAGES, CURRENT_VERSION)
    assert set(decoded.reasons) == set(bad)
    assert decoded.index == [i for i in range(500) if i not in bad]
    assert decoded.rows.height == 495
    assert decoded.rows.n_unique() == 1


def test_a_body_that_lends_bytes_to_the_next_is_found_out() -> None:
    # Together they are two records; alone neither is one.
    good = sample_body()
    both = good + good
    decoded = decode([both[:-3], both[-3:]], MESSAGES, CURRENT_VERSION)
    assert set(decoded.reasons) == {0, 1}


def test_no_bytes_at_all_make_decoding_fail() -> None:
    numbers = random.Random(1)
    good = single_object_framing(MESSAGES).prefix + sample_body()
    values = []
    for _ in range(3000):
        value = bytearray(good)
        for _ in range(numbers.randint(1, 4)):
            value[numbers.randrange(10, len(value))] = numbers.randrange(256)
        values.append(bytes(value))
    values += [numbers.randbytes(numbers.randint(0, 60)) for _ in range(500)]
    decoded = unframe(values, MESSAGES, None)
    assert len(decoded.index) + len(decoded.reasons) == len(values)


# --- framing -------------------------------------------------------------------------------------


def test_a_fingerprint_is_the_one_that_avro_defines() -> None:
    # The example of the Avro specification's own implementations: CRC-64-AVRO of "int".
    form = fastavro.schema.to_parsing_canonical_form("int")
    assert fastavro.schema.fingerprint(form, "CRC-64-AVRO") == "8f5c393f1ad57572"


def test_messages_of_both_framings_and_versions_come_back_in_order() -> None:
    old, new = sample_body("2.0"), sample_body()
    values = [
        single_object_framing(MESSAGES, "2.0").prefix + old,
        confluent_framing(MESSAGES, 2).prefix + new,
        b"nonsense",
        single_object_framing(MESSAGES).prefix + new,
        confluent_framing(MESSAGES, 1).prefix + old,
    ]
    decoded = unframe(
        values,
        MESSAGES,
        Registry({1: MESSAGES.published("2.0"), 2: MESSAGES.published(CURRENT_VERSION)}),
    )
    assert decoded.index == [0, 1, 3, 4]
    assert decoded.rows.get_column("schema_version").to_list() == ["2.0", "2.1", "2.1", "2.0"]


def test_a_schema_of_somebody_else_is_resolved_by_avros_rules() -> None:
    theirs = {
        "type": "record",
        "name": "Root",
        "fields": [
            {"name": "new_thing", "type": "int"},
            {"name": "vgeo_km_s", "type": "float"},
            {"name": "unique_trajectory_identifier", "type": "string"},
        ],
    }
    out = io.BytesIO()
    record = {"new_thing": 3, "vgeo_km_s": 1.5, "unique_trajectory_identifier": "x"}
    fastavro.schemaless_writer(out, fastavro.parse_schema(theirs), record)
    decoded = unframe(
        [confluent_framing(MESSAGES, 9).prefix + out.getvalue()], MESSAGES, Registry({9: theirs})
    )
    row = decoded.rows.row(0, named=True)
    assert row["vgeo_km_s"] == 1.5
    assert row["unique_trajectory_identifier"] == "x"
    assert row["rageo_deg"] is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"\x00\x00", "ends after 2 bytes"),
        (b"\xc3\x01abc", "ends after 5 bytes"),
        (b'{"json": 1}', "begins with 7b 22"),
        (b"\xc3\x01" + b"\0" * 8 + b"x", "is not known here"),
        (b"\x00\x00\x00\x00\x63body", "no Avro record schema of id 99"),
    ],
)
def test_what_cannot_be_a_message_says_why(value: bytes, reason: str) -> None:
    decoded = unframe([value], MESSAGES, Registry({}))
    assert reason in decoded.reasons[0]


@given(rows=any_rows())
@few
def test_every_body_that_is_written_is_well_formed(rows: pl.DataFrame) -> None:
    assert wellformed(encode(rows, MESSAGE_FIELDS), MESSAGE_FIELDS).all()


def test_a_body_in_another_of_avros_forms_is_read_all_the_same() -> None:
    # Items in a block that says its size: what polars-avro does not write, and Java may.
    fields = MESSAGE_FIELDS
    at = [f.name for f in fields].index("participating_stations")
    nulls = bytes(len(fields))
    body = nulls[:at] + b"\x02\x01\x08\x02\x04ab\x00" + nulls[at + 1 :]
    decoded = decode([body], MESSAGES, CURRENT_VERSION)
    assert not decoded.reasons
    assert decoded.rows.item(0, "participating_stations").to_list() == ["ab"]
