"""Signatures of S3: the examples of its reference, and bodies in pieces, however they come."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import Message

from gmn_pipeline.serving.s3.chunks import SIGNED, Chunks
from gmn_pipeline.serving.s3.errors import S3Error, answered_error
from gmn_pipeline.serving.s3.patience import Patient
from gmn_pipeline.serving.s3.signatures import Head, Signed, checked
from gmn_pipeline.serving.s3.xml import parsed

# As in "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AT = datetime(2013, 5, 24)
SCOPE = f"{KEY}/20130524/us-east-1/s3/aws4_request"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def check(head: Head, now_utc: datetime = AT) -> Signed:
    return checked(head, {KEY: SECRET}.get, now_utc)


def header(names: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={names},Signature={signature}"


GET = Head(
    "GET", "/test.txt", "",
    {
        "host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY, "x-amz-date": "20130524T000000Z",
        "authorization": header(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    },
)  # fmt: skip
LIFECYCLE = Head(
    "GET", "/", "lifecycle=",
    {
        "host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
        "authorization": header(
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
    },
)  # fmt: skip
PRESIGNED = Head(
    "GET", "/test.txt",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
    "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": "examplebucket.s3.amazonaws.com"},
)  # fmt: skip
CHUNKED = Head(
    "PUT", "/examplebucket/chunkObject.txt", "",
    {
        "host": "s3.amazonaws.com", "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY", "x-amz-content-sha256": SIGNED,
        "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
        "authorization": header(
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-decoded-content-length;x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
    },
)  # fmt: skip
PIECES = (
    (b"a" * 65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)


@pytest.mark.parametrize("head", [GET, LIFECYCLE, PRESIGNED, CHUNKED])
def test_the_reference_s_examples_are_right_and_nothing_else_of_theirs(head: Head) -> None:
    assert check(head).access_key == KEY
    changed: list[tuple[Head, timedelta]] = [
        (head._replace(method="DELETE"), timedelta()),
        (head._replace(path="/test.txt/"), timedelta()),
        (head._replace(query=f"{head.query}&acl"), timedelta()),
        (head._replace(headers={**head.headers, "host": "other"}), timedelta()),
        (head._replace(headers={**head.headers, "x-amz-acl": "public-read"}), timedelta()),
        (head, timedelta(days=2)),
        (head, timedelta(days=-1)),
    ]
    for other, later in changed:
        with pytest.raises(S3Error) as refused:
            check(other, AT + later)
        assert refused.value.status == 403


@given(st.dictionaries(st.sampled_from(sorted(GET.headers)), st.text(max_size=60)), st.text())
def test_whatever_is_said_of_a_signature_is_refused_as_such(
    said: Mapping[str, str], query: str
) -> None:
    head = GET._replace(headers={"authorization": "", **said}, query=query)
    with pytest.raises(S3Error):
        check(head)


def chunked(pieces: tuple[tuple[bytes, str], ...]) -> bytes:
    return b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), signature.encode(), piece)
        for piece, signature in pieces
    )


def test_pieces_that_are_signed_are_compared_with_their_signatures() -> None:
    body = chunked(PIECES)
    assert len(body) == 66_824
    chunks = Chunks(check(CHUNKED))
    assert b"".join(chunks.feed(body)) == b"a" * 66_560
    assert chunks.is_over
    for wrong in (
        body.replace(b"a\r\n", b"b\r\n", 1),
        body.replace(b"ad80", b"bd80"),
        chunked((PIECES[1], PIECES[0], PIECES[2])),
        chunked((PIECES[0], PIECES[2])),
    ):
        with pytest.raises(S3Error):
            list(Chunks(check(CHUNKED)).feed(wrong))


@settings(deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.lists(st.integers(1, 30), min_size=1, max_size=30),
    st.dictionaries(st.sampled_from(["x-amz-checksum-crc32", "x-b"]), st.text("ab=", max_size=9)),
)  # fmt: skip
def test_a_body_in_pieces_is_what_is_in_them_however_it_comes(
    pieces: list[bytes], cuts: list[int], trailers: Mapping[str, str]
) -> None:
    body = b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
    body += "".join(f"{name}:{value}\r\n" for name, value in trailers.items()).encode() + b"\r\n"
    chunks, found, at = Chunks(None), b"", 0
    for size in [*cuts, len(body)]:
        assert not chunks.is_over or at >= len(body)
        found += b"".join(chunks.feed(body[at : at + size]))
        at += size
    assert found == b"".join(pieces)
    assert chunks.is_over
    assert chunks.trailers == {name: value.strip() for name, value in trailers.items()}


def test_who_waits_long_is_kept_waiting_and_told_what_came_of_it() -> None:
    sent: list[Message] = []
    is_told = anyio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body") == b" ":
            is_told.set()

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def work() -> Response:
        await is_told.wait()
        return answered_error(S3Error(404, "NoSuchUpload", "gone"), "/a", "1", has_body=True)

    async def answer() -> None:
        patient = Patient(work, soon_s=0, every_s=0)
        await patient({"type": "http", "method": "POST"}, nothing, send)

    anyio.run(answer)
    assert sent[0]["status"] == 200
    body = b"".join(message["body"] for message in sent[1:])
    assert body.startswith(b"<?xml")
    assert parsed(body).findtext("Code") == "NoSuchUpload"
    assert not sent[-1]["more_body"]


@given(st.binary(max_size=200))
def test_what_is_no_body_in_pieces_is_refused_or_not_over(body: bytes) -> None:
    chunks = Chunks(None)
    try:
        list(chunks.feed(body))
    except S3Error:
        return
    assert not chunks.is_over or body
