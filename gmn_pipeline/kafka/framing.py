"""How a message says which schema its body has: two framings, told apart by their first bytes.

    Avro single object   C3 01, the schema's CRC-64-AVRO fingerprint, body: says it by itself
    Confluent            00, the id that a schema registry gave the schema, body

What belongs here: prefixes, and whose schema they name. What does not: bodies (`avro/codec.py`) and
talking to a registry (`schema_registry.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import fastavro
import polars as pl

from gmn_pipeline.kafka.avro.codec import Decoded, decode, decode_foreign, encode, no_rows
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.schemas.message_schema import MessageSchema, canonical

SINGLE_OBJECT, CONFLUENT = b"\xc3\x01", b"\x00"
_FINGERPRINT_BYTES, _ID_BYTES = 8, 4

SINGLE_OBJECT_TYPE = "avro/binary"
CONFLUENT_TYPE = "application/vnd.confluent.avro"


@cache
def fingerprint(messages: MessageSchema, version: str) -> bytes:
    """CRC-64-AVRO of a version's canonical form, as a single object carries it."""
    text = fastavro.schema.fingerprint(canonical(messages.published(version)), "CRC-64-AVRO")
    return bytes.fromhex(text)


@cache
def _version_of_fingerprint(messages: MessageSchema) -> dict[bytes, str]:
    return {fingerprint(messages, version): version for version in messages.versions()}


@dataclass(frozen=True)
class Framing:
    """How messages of a version are framed."""

    prefix: bytes
    content_type: str
    messages: MessageSchema
    version: str

    def frame(self, rows: pl.DataFrame) -> list[bytes]:
        """The message of each row."""
        prefix = self.prefix
        return [prefix + body for body in encode(rows, self.messages.fields_of(self.version))]


def single_object_framing(messages: MessageSchema, version: str | None = None) -> Framing:
    """The framing that needs no registry."""
    version = version or messages.current_version
    prefix = SINGLE_OBJECT + fingerprint(messages, version)
    return Framing(prefix, SINGLE_OBJECT_TYPE, messages, version)


def confluent_framing(
    messages: MessageSchema, schema_id: int, version: str | None = None
) -> Framing:
    """The framing with the id of a registered schema."""
    prefix = CONFLUENT + schema_id.to_bytes(_ID_BYTES, "big")
    return Framing(prefix, CONFLUENT_TYPE, messages, version or messages.current_version)


@dataclass
class _Group:
    """Bodies with the same prefix, and where they stood."""

    positions: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def unframe(
    values: Sequence[bytes], messages: MessageSchema, registry: SchemaRegistry | None
) -> Decoded:
    """Decode messages in either framing and any version, mixed at will.

    Raises RegistryUnavailable if a schema has to be looked up and the registry does not answer.
    """
    groups: dict[bytes, _Group] = defaultdict(_Group)
    reasons: dict[int, str] = {}
    for position, value in enumerate(values):
        size = _prefix_bytes(value)
        if size == 0 or len(value) < size:
            reasons[position] = _why_not_framed(value)
            continue
        group = groups[value[:size]]
        group.positions.append(position)
        group.bodies.append(value[size:])
    frames, index = [], []
    for prefix, group in groups.items():
        decoded = _decode(prefix, group.bodies, messages, registry)
        frames.append(decoded.rows)
        index += [group.positions[at] for at in decoded.index]
        reasons.update({group.positions[at]: why for at, why in decoded.reasons.items()})
    if not frames:
        return Decoded(no_rows(messages), [], reasons)
    rows = pl.concat(frames)
    if len(frames) > 1:
        order = pl.Series(index).arg_sort()
        rows, index = rows[order], sorted(index)
    return Decoded(rows, index, reasons)


def _prefix_bytes(value: bytes) -> int:
    if value.startswith(SINGLE_OBJECT):
        return len(SINGLE_OBJECT) + _FINGERPRINT_BYTES
    return len(CONFLUENT) + _ID_BYTES if value.startswith(CONFLUENT) else 0


def _why_not_framed(value: bytes) -> str:
    if not value:
        return "undecodable: it is empty (a tombstone has no value at all)"
    if _prefix_bytes(value):
        return f"undecodable: it ends after {len(value)} bytes"
    return f"undecodable: it begins with {value[:2].hex(' ')}, which neither framing does"


def _decode(
    prefix: bytes,
    bodies: Sequence[bytes],
    messages: MessageSchema,
    registry: SchemaRegistry | None,
) -> Decoded:
    if prefix.startswith(SINGLE_OBJECT):
        version = _version_of_fingerprint(messages).get(prefix[len(SINGLE_OBJECT) :])
        if version is None:
            why = f"its schema {prefix[2:].hex()} is not known here"
            return _refused(bodies, messages, why)
        return decode(bodies, messages, version)
    schema_id = int.from_bytes(prefix[len(CONFLUENT) :], "big")
    if registry is None:
        why = f"schema id {schema_id} cannot be looked up: SCHEMA_REGISTRY_URL is not set"
        return _refused(bodies, messages, why)
    schema = registry.schema(schema_id)
    if schema is None:
        why = f"the registry has no Avro record schema of id {schema_id}"
        return _refused(bodies, messages, why)
    known = _known_version(messages, schema)
    if known is None:
        return decode_foreign(bodies, messages, schema)
    return decode(bodies, messages, known)


def _known_version(messages: MessageSchema, schema: dict[str, Any]) -> str | None:
    try:
        return messages.version_of(schema)
    except Exception:  # whatever it is, it is none of these
        return None


def _refused(bodies: Sequence[bytes], messages: MessageSchema, why: str) -> Decoded:
    reason = f"undecodable: {why}"
    return Decoded(no_rows(messages), [], dict.fromkeys(range(len(bodies)), reason))
