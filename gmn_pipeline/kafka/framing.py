"""How a message says which schema its body has: two framings, told apart by their first bytes.

    Avro single object   C3 01, the schema's CRC-64-AVRO fingerprint, body: says it by itself
    Confluent            00, the id that a schema registry gave the schema, body

What belongs here: prefixes, and whose schema they name. What does not: bodies (`codec.py`) and
talking to a registry (`registry.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import fastavro
import polars as pl

from gmn_pipeline.kafka.avro.codec import Decoded, decode, decode_foreign, encode
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.schemas.messages import (
    CURRENT_VERSION,
    MESSAGE_FIELDS,
    canonical,
    schema_of,
    version_of_canonical,
    versions,
)

SINGLE_OBJECT, CONFLUENT = b"\xc3\x01", b"\x00"
_FINGERPRINT_BYTES, _ID_BYTES = 8, 4

SINGLE_OBJECT_TYPE = "avro/binary"
CONFLUENT_TYPE = "application/vnd.confluent.avro"


@cache
def fingerprint(version: str) -> bytes:
    """CRC-64-AVRO of a version's canonical form, as a single object carries it."""
    text = fastavro.schema.fingerprint(canonical(schema_of(version)), "CRC-64-AVRO")
    return bytes.fromhex(text)


@cache
def _version_of_fingerprint() -> dict[bytes, str]:
    return {fingerprint(version): version for version in versions()}


@dataclass(frozen=True)
class Framing:
    """How this pipeline frames what it sends."""

    prefix: bytes
    content_type: str

    def frame(self, rows: pl.DataFrame, version: str = CURRENT_VERSION) -> list[bytes]:
        """The message of each row."""
        prefix = self.prefix
        return [prefix + body for body in encode(rows, version)]


def single_object_framing(version: str = CURRENT_VERSION) -> Framing:
    """The framing that needs no registry."""
    return Framing(SINGLE_OBJECT + fingerprint(version), SINGLE_OBJECT_TYPE)


def confluent_framing(schema_id: int) -> Framing:
    """The framing with the id of a registered schema."""
    return Framing(CONFLUENT + schema_id.to_bytes(_ID_BYTES, "big"), CONFLUENT_TYPE)


@dataclass
class _Group:
    """Bodies with the same prefix, and where they stood."""

    positions: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def unframe(values: Sequence[bytes], registry: SchemaRegistry | None) -> Decoded:
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
        decoded = _decode(prefix, group.bodies, registry)
        frames.append(decoded.rows)
        index += [group.positions[at] for at in decoded.index]
        reasons.update({group.positions[at]: why for at, why in decoded.reasons.items()})
    if not frames:
        return Decoded(_no_rows(), [], reasons)
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


def _decode(prefix: bytes, bodies: Sequence[bytes], registry: SchemaRegistry | None) -> Decoded:
    if prefix.startswith(SINGLE_OBJECT):
        version = _version_of_fingerprint().get(prefix[len(SINGLE_OBJECT) :])
        if version is None:
            return _refused(bodies, f"its schema {prefix[2:].hex()} is not known here")
        return decode(bodies, version)
    schema_id = int.from_bytes(prefix[len(CONFLUENT) :], "big")
    if registry is None:
        return _refused(
            bodies, f"schema id {schema_id} cannot be looked up: SCHEMA_REGISTRY_URL is not set"
        )
    schema = registry.schema(schema_id)
    if schema is None:
        return _refused(bodies, f"the registry has no Avro record schema of id {schema_id}")
    known = _known_version(schema)
    return decode(bodies, known) if known else decode_foreign(bodies, schema)


def _known_version(schema: dict[str, Any]) -> str | None:
    try:
        return version_of_canonical().get(canonical(schema))
    except Exception:  # whatever it is, it is none of ours
        return None


def _refused(bodies: Sequence[bytes], reason: str) -> Decoded:
    return Decoded(_no_rows(), [], dict.fromkeys(range(len(bodies)), f"undecodable: {reason}"))


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={f.name: f.wire_type for f in MESSAGE_FIELDS})
