"""Signature Version 4: a request is of who has the secret of its access key, and as it was sent.

What belongs here: what is signed, and how long it holds. What does not: whose key it is
(`requests.py`), and signatures of the pieces of a body (`chunks.py`), which are of this one.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from gmn_pipeline.serving.s3.errors import S3Error, denied

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_SKEW = timedelta(minutes=15)
_LONGEST_S = 7 * 24 * 3600
_HEADER = re.compile(
    rf"{ALGORITHM}\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]+)"
)
_SCOPE = re.compile(r"([^/]{1,128})/(\d{8})/([^/]{1,64})/s3/aws4_request")
_TIME = "%Y%m%dT%H%M%SZ"
_SAFE = "-_.~"


class Head(NamedTuple):
    """What of a request is signed: `path` and `query` as they came, headers by small names."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Signed:
    """A signature that is right: whose, and what the pieces of the body are signed on with."""

    access_key: str
    payload: str
    """The SHA-256 (hex) of the body, or what x-amz-content-sha256 says instead."""
    signature: str
    key: bytes
    scope: str
    time: str


class _Claim(NamedTuple):
    access_key: str
    date: str
    region: str
    names: list[str]
    signature: str
    time: str
    payload: str
    query: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"


def is_signed(head: Head) -> bool:
    """Whether it says so, rightly or not."""
    return (
        head.headers.get("authorization", "").startswith("AWS")
        or "X-Amz-Algorithm=" in head.query
        or "AWSAccessKeyId=" in head.query
    )


def checked(head: Head, secret_of: Callable[[str], str | None], now_utc: datetime) -> Signed:
    """The signature of a request. `secret_of` an access key: None if there is none such.

    Raises S3Error if it is none, is too old, or is of something else than what came.
    """
    if "X-Amz-Algorithm=" in head.query:
        claim = _in_query(head, now_utc)
    elif "authorization" in head.headers:
        claim = _in_header(head, now_utc)
    else:
        raise S3Error(400, "InvalidRequest", f"Requests are signed by {ALGORITHM} here.")
    secret = secret_of(claim.access_key)
    if secret is None:
        raise S3Error(
            403, "InvalidAccessKeyId", "This access key is not known here, or holds no more."
        )
    _check_names(head, claim)
    key = signing_key(secret, claim.date, claim.region)
    canonical = hashlib.sha256(_canonical(head, claim).encode()).hexdigest()
    signature = sign(key, "\n".join([ALGORITHM, claim.time, claim.scope, canonical]))
    if not hmac.compare_digest(signature, claim.signature):
        raise S3Error(
            403, "SignatureDoesNotMatch", "The signature is not that of this request by its key: "
            "is the secret right, and does something on the way change requests?",
        )  # fmt: skip
    return Signed(claim.access_key, claim.payload, signature, key, claim.scope, claim.time)


def sign(key: bytes, text: str) -> str:
    """The signature (hex) of a text."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def signing_key(secret: str, date: str, region: str) -> bytes:
    """The key of a day and a region."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _in_header(head: Head, now_utc: datetime) -> _Claim:
    found = _HEADER.fullmatch(head.headers["authorization"].strip())
    if found is None:
        raise S3Error(
            400, "AuthorizationHeaderMalformed", f"Authorization is not as {ALGORITHM} has it."
        )
    credential, names, signature = found.groups()
    time = head.headers.get("x-amz-date", "")
    claim = _claim(
        credential, names, signature, time,
        head.headers.get("x-amz-content-sha256", ""), head.query,
    )  # fmt: skip
    if not claim.payload:
        raise S3Error(400, "InvalidRequest", "The header x-amz-content-sha256 is missing.")
    if abs(_parsed(time) - now_utc) > _SKEW:
        raise S3Error(
            403, "RequestTimeTooSkewed", "The request's time is more than 15 minutes off this "
            "server's.",
        )  # fmt: skip
    return claim


def _in_query(head: Head, now_utc: datetime) -> _Claim:
    pairs = [part.partition("=")[::2] for part in head.query.split("&")]
    given = {name: unquote_plus(value) for name, value in pairs}
    try:
        if given["X-Amz-Algorithm"] != ALGORITHM:
            raise KeyError
        claim = _claim(
            given["X-Amz-Credential"], given["X-Amz-SignedHeaders"], given["X-Amz-Signature"],
            given["X-Amz-Date"], given.get("X-Amz-Content-Sha256", UNSIGNED),
            "&".join(f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature"),
        )  # fmt: skip
        holds_s = int(given["X-Amz-Expires"])
    except (KeyError, ValueError):
        raise S3Error(
            400, "AuthorizationQueryParametersError", "The address is not signed as it should be."
        ) from None
    began = _parsed(claim.time)
    if not 1 <= holds_s <= _LONGEST_S:
        raise S3Error(
            400, "AuthorizationQueryParametersError", "X-Amz-Expires is 1 to 604800 (seconds)."
        )
    if not began - _SKEW <= now_utc <= began + timedelta(seconds=holds_s):
        raise denied("The address does not hold any more, or not yet.")
    return claim


def _claim(
    credential: str, names: str, signature: str, time: str, payload: str, query: str
) -> _Claim:
    scope = _SCOPE.fullmatch(credential)
    if scope is None or not time.startswith(scope[2]):
        raise S3Error(
            400, "AuthorizationHeaderMalformed", "The credential is ACCESS_KEY/DAY/REGION/s3/"
            "aws4_request, of the request's day.",
        )  # fmt: skip
    return _Claim(
        scope[1], scope[2], scope[3], names.lower().split(";"), signature, time, payload, query
    )


def _parsed(time: str) -> datetime:
    try:
        return datetime.strptime(time, _TIME)
    except ValueError:
        raise denied("The time of the request (X-Amz-Date) is none.") from None


def _check_names(head: Head, claim: _Claim) -> None:
    """What is not signed could have been put in by anybody on the way."""
    needed = {"host"} | {name for name in head.headers if name.startswith("x-amz-")}
    missing = needed - set(claim.names)
    if missing:
        raise denied(f"The header {min(missing)} has to be signed.")


def _canonical(head: Head, claim: _Claim) -> str:
    values = [f"{name}:{' '.join(head.headers.get(name, '').split())}\n" for name in claim.names]
    return "\n".join([
        head.method, _encoded_path(head.path), _canonical_query(claim.query), "".join(values),
        ";".join(claim.names), claim.payload,
    ])  # fmt: skip


def _encoded_path(path: str) -> str:
    """As it came, with what may stand for itself as itself: clients write some letters either
    way."""
    return quote(_unquoted(path), safe=f"/{_SAFE}")


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = [
        (quote(_unquoted(name), safe=_SAFE), quote(_unquoted(value), safe=_SAFE))
        for name, value in pairs
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _unquoted(text: str) -> bytes:
    return unquote_to_bytes(text)
