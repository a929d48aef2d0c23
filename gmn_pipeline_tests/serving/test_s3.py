"""Objects by S3, as real clients speak it with a real server: boto3, obstore, polars, DuckDB."""

import io
import json
import os
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import duckdb
import obstore
import polars as pl
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSRequest

from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import ObjectName
from gmn_pipeline.warehouse.connection import extension_path
from gmn_pipeline_tests.support.objects import PERSON
from gmn_pipeline_tests.support.s3 import REGION, Key, S3Bench, by_tls, code_of, s3_bench

PARTS = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_concurrency=3)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Bench]:
    with s3_bench(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def ada(bench: S3Bench) -> Any:
    """boto3 with the key of who may put to `cams`."""
    return bench.client(bench.ada)


# --- what is put, got, listed, copied and deleted ------------------------------------------------


def test_an_object_that_is_put_is_the_same_as_by_any_other_way(bench: S3Bench, ada: Any) -> None:
    said = json.dumps({"tags": ["moon"], "metadata": {"gain": 4.5}, "latitude_deg": 45.5,
                       "longitude_deg": 15.2})  # fmt: skip
    meta = {"who": "=?utf-8?b?xb1pZ2E=?=", "gmn-description": said}
    key = "ff/2022/a b+ü%41.txt"
    made = ada.put_object(
        Bucket="cams", Key=key, Body=b"hello", Metadata=meta, IfNoneMatch="*", Tagging="dew&n=1"
    )
    assert made["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    stored = bench.objects.catalogue.object(ObjectName("cams", "ff", "2022/a b+ü%41.txt"))
    assert stored.description.metadata == {"gain": 4.5, "who": "Žiga"}
    assert stored.description.tags == {"moon", "dew", "n=1"}
    assert stored.description.content_type == "text/plain"
    assert (stored.put_by, stored.version, stored.description.latitude_deg) == ("ada", 1, 45.5)
    got = ada.get_object(Bucket="cams", Key=key)
    assert got["Body"].read() == b"hello"
    assert got["Metadata"] == {"gain": "4.5", "who": "=?utf-8?b?xb1pZ2E=?="}
    assert "sandbox" in got["ResponseMetadata"]["HTTPHeaders"]["content-security-policy"]
    assert ada.head_object(Bucket="cams", Key=key)["ContentLength"] == 5
    assert ada.get_object(Bucket="cams", Key=key, Range="bytes=1-2")["Body"].read() == b"el"
    assert ada.get_object(Bucket="cams", Key=key, Range="bytes=-2")["ContentRange"] == "bytes 3-4/5"
    etag = made["ETag"]
    assert code_of(ada.get_object, Bucket="cams", Key=key, Range="bytes=9-") == "InvalidRange"
    assert code_of(ada.get_object, Bucket="cams", Key=key, IfNoneMatch=etag) == "304"
    assert code_of(ada.get_object, Bucket="cams", Key=key, IfMatch='"x"') == "PreconditionFailed"
    assert code_of(ada.put_object, Bucket="cams", Key=key, IfNoneMatch="*") == "PreconditionFailed"
    again = ada.put_object(Bucket="cams", Key=key, Body=b"again", IfMatch=etag)
    assert again["VersionId"] == f"{stored.object_id}.2"
    assert (
        ada.get_object(Bucket="cams", Key=key, VersionId=made["VersionId"])["Body"].read()
        == b"hello"
    )
    kinds = [o.kind.value for o in bench.objects.search.operations(object_id=stored.object_id)]
    assert set(kinds) == {"put", "get"}
    for wrong in ("noslash", "ff/", "ff/a//b", "ff/../b", "nothing/a"):
        assert code_of(ada.put_object, Bucket="cams", Key=wrong, Body=b"") in (
            "InvalidArgument", "NoSuchBucket",
        )  # fmt: skip
    assert code_of(ada.get_object, Bucket="cams", Key="ff/no") == "NoSuchKey"
    assert code_of(ada.get_object_acl, Bucket="cams", Key=key) == "NotImplemented"
    assert code_of(ada.put_object, Bucket="cams", Key=key, ContentEncoding="gzip") == (
        "NotImplemented"
    )


def test_keys_are_listed_a_page_at_a_time_by_both_lists(bench: S3Bench, ada: Any) -> None:
    bench.objects.catalogue.make_container("open", "a-b", PERSON)
    bench.objects.catalogue.make_container("open", "a", PERSON)
    owner = bench.client(bench.key("olga", "open", Role.OWNER))
    keys = ["a-b/1", "a/x/1", "a/x/2", "a/x&y", "a/ž/1", "ff/1", "ff/2"]
    for key in reversed(keys):
        owner.put_object(Bucket="open", Key=key, Body=key.encode())
    for size in (1, 2, 100):
        pages = owner.get_paginator("list_objects_v2").paginate(
            Bucket="open", PaginationConfig={"PageSize": size}
        )
        assert [one["Key"] for page in pages for one in page.get("Contents", ())] == sorted(
            keys, key=str.encode
        )
        for prefix, wanted in (
            ("", ["a-b/", "a/", "ff/"]),
            ("a/", ["a/x&y", "a/x/", "a/ž/"]),
            ("a/x/", ["a/x/1", "a/x/2"]),
            ("a", ["a-b/", "a/"]),
            ("none/", []),
        ):
            for name in ("list_objects_v2", "list_objects"):
                pages = owner.get_paginator(name).paginate(
                    Bucket="open", Prefix=prefix, Delimiter="/",
                    PaginationConfig={"PageSize": size},
                )  # fmt: skip
                found = [one["Key"] for page in pages for one in page.get("Contents", ())]
                pages = owner.get_paginator(name).paginate(
                    Bucket="open", Prefix=prefix, Delimiter="/",
                    PaginationConfig={"PageSize": size},
                )  # fmt: skip
                found += [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())]
                assert sorted(found) == wanted, (name, size, prefix)
    after = owner.list_objects_v2(Bucket="open", StartAfter="a/x/2")
    assert [one["Key"] for one in after["Contents"]] == ["a/ž/1", "ff/1", "ff/2"]
    assert after["Contents"][1]["ETag"] == owner.head_object(Bucket="open", Key="ff/1")["ETag"]
    assert {one["Name"] for one in owner.list_buckets()["Buckets"]} == {"open"}
    assert {one["Name"] for one in ada.list_buckets()["Buckets"]} == {"open", "cams"}
    assert owner.get_bucket_location(Bucket="open")["LocationConstraint"] is None
    assert owner.head_bucket(Bucket="open")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert code_of(owner.create_bucket, Bucket="open") == "BucketAlreadyOwnedByYou"
    assert code_of(owner.delete_bucket, Bucket="open") == "AccessDenied"


def test_objects_are_copied_and_deleted_and_what_is_deleted_can_come_back(
    bench: S3Bench, ada: Any
) -> None:
    ada.put_object(
        Bucket="cams", Key="ff/from", Body=b"bytes", Metadata={"gain": "1"}, Tagging="moon"
    )
    source = {"Bucket": "cams", "Key": "ff/from"}
    ada.copy_object(Bucket="cams", Key="best/to", CopySource=source)
    assert ada.head_object(Bucket="cams", Key="best/to")["Metadata"] == {"gain": "1"}
    ada.copy_object(
        Bucket="cams", Key="best/to", CopySource="cams/best/to", Metadata={"gain": "2"},
        MetadataDirective="REPLACE",
    )  # fmt: skip
    assert ada.head_object(Bucket="cams", Key="best/to")["Metadata"] == {"gain": "2"}
    assert code_of(
        ada.copy_object, Bucket="cams", Key="best/to", CopySource="cams/best/to"
    ) == "InvalidRequest"  # fmt: skip
    assert code_of(
        ada.copy_object, Bucket="cams", Key="best/x", CopySource="other/ff/x"
    ) == "AccessDenied"  # fmt: skip
    stored = bench.objects.catalogue.object(ObjectName("cams", "best", "to"))
    assert stored.description.tags == {"moon"}
    deleted = ada.delete_objects(
        Bucket="cams", Delete={"Objects": [{"Key": "best/to"}, {"Key": "best/none"}]}
    )
    assert [one["Key"] for one in deleted["Deleted"]] == ["best/to", "best/none"]
    ada.delete_object(Bucket="cams", Key="ff/from")
    ada.delete_object(Bucket="cams", Key="ff/from")
    assert code_of(ada.head_object, Bucket="cams", Key="ff/from") == "404"
    assert bench.objects.catalogue.restore(stored.object_id, PERSON).version == 2
    denied = bench.client(bench.eve).delete_object
    assert code_of(denied, Bucket="cams", Key="best/to") == "AccessDenied"


def test_a_large_file_goes_in_parts_and_is_copied_in_parts(bench: S3Bench, ada: Any) -> None:
    large = os.urandom(12 << 20)
    ada.upload_fileobj(io.BytesIO(large), "cams", "ff/large.bin", Config=PARTS)
    source = {"Bucket": "cams", "Key": "ff/large.bin"}
    ada.copy(source, "cams", "best/large.bin", Config=PARTS)
    got = io.BytesIO()
    ada.download_fileobj("cams", "best/large.bin", got, Config=PARTS)
    assert got.getvalue() == large
    assert ada.head_object(Bucket="cams", Key="ff/large.bin")["ETag"].endswith('-1"')
    made = ada.create_multipart_upload(Bucket="cams", Key="ff/parts", Metadata={"gain": "3"})
    upload = {"Bucket": "cams", "Key": "ff/parts", "UploadId": made["UploadId"]}
    first = ada.upload_part(**upload, PartNumber=1, Body=b"wrong")
    tags = [ada.upload_part(**upload, PartNumber=n, Body=part)["ETag"]
            for n, part in ((1, b"one"), (3, b"three"))]  # fmt: skip
    listed = ada.list_parts(**upload)["Parts"]
    assert [(one["PartNumber"], one["Size"], one["ETag"]) for one in listed] == [
        (1, 3, tags[0]), (3, 5, tags[1]),
    ]  # fmt: skip
    under_way = ada.list_multipart_uploads(Bucket="cams")["Uploads"]
    assert [one["Key"] for one in under_way] == ["ff/parts"]

    def parts(*of: tuple[int, str]) -> dict[str, Any]:
        return {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in of]}

    end = ada.complete_multipart_upload
    former = parts((1, first["ETag"]), (3, tags[1]))
    assert code_of(end, **upload, MultipartUpload=former) == "InvalidPart"
    turned = parts((3, tags[1]), (1, tags[0]))
    assert code_of(end, **upload, MultipartUpload=turned) == "InvalidPartOrder"
    whole = parts((1, tags[0]), (3, tags[1]))
    assert end(**upload, MultipartUpload=whole)["VersionId"].endswith(".1")
    assert end(**upload, MultipartUpload=whole)["VersionId"].endswith(".1")
    got_parts = ada.get_object(Bucket="cams", Key="ff/parts")
    assert (got_parts["Body"].read(), got_parts["Metadata"]) == (b"onethree", {"gain": "3"})
    given_up = ada.create_multipart_upload(Bucket="cams", Key="ff/given up")["UploadId"]
    ada.abort_multipart_upload(Bucket="cams", Key="ff/given up", UploadId=given_up)
    assert code_of(
        ada.list_parts, Bucket="cams", Key="ff/given up", UploadId=given_up
    ) == "NoSuchUpload"  # fmt: skip
    assert code_of(
        ada.list_parts, Bucket="cams", Key="ff/other", UploadId=made["UploadId"]
    ) == "NoSuchUpload"  # fmt: skip


def test_obstore_polars_and_duckdb_read_and_write(bench: S3Bench, tmp_path: Path) -> None:
    store = bench.store(bench.ada, "cams")
    large = os.urandom(11 << 20)
    obstore.put(store, "ff/store/large.bin", large, chunk_size=5 << 20)
    assert bytes(obstore.get(store, "ff/store/large.bin").bytes()) == large
    ranges = obstore.get_ranges(store, "ff/store/large.bin", starts=[0, 7 << 20], lengths=[10, 20])
    assert [bytes(one) for one in ranges] == [large[:10], large[7 << 20 : (7 << 20) + 20]]
    obstore.put(store, "ff/store/once", b"x", mode="create")
    with pytest.raises(Exception, match="exists"):
        obstore.put(store, "ff/store/once", b"y", mode="create")
    names = [one["path"] for some in store.list("ff/store") for one in some]
    assert sorted(names) == ["ff/store/large.bin", "ff/store/once"]
    obstore.put(store, "ff/2022/beside", b"")
    assert obstore.list_with_delimiter(store, "ff")["common_prefixes"] == ["ff/2022", "ff/store"]

    frame = pl.DataFrame({"number": range(1_000), "text": ["a", "b"] * 500})
    file = io.BytesIO()
    frame.write_parquet(file)
    obstore.put(store, "best/t/table.parquet", file.getvalue())
    options = {name: str(value).lower() if isinstance(value, bool) else value
               for name, value in bench.options(bench.ada).items()}  # fmt: skip
    scanned = pl.scan_parquet(
        "s3://cams/best/t/*.parquet", storage_options={**options, "allow_http": "true"}
    )
    assert scanned.filter(pl.col("number") >= 990).collect().height == 10

    with duckdb.connect(config={"allow_unsigned_extensions": "false"}) as connection:
        connection.execute(f"LOAD '{extension_path('httpfs')}'")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{bench.ada.id}', SECRET '{bench.ada.secret}', "
            f"ENDPOINT '127.0.0.1:{bench.port}', URL_STYLE path, USE_SSL false, REGION '{REGION}')"
        )
        asked = "SELECT sum(number) FROM read_parquet('s3://cams/best/t/*.parquet')"
        assert connection.execute(asked).fetchone() == (499_500,)
        connection.execute(
            "COPY (SELECT 1 AS one) TO 's3://cams/best/from duckdb.parquet' (FORMAT parquet)"
        )
    assert bench.objects.catalogue.object(ObjectName("cams", "best", "from duckdb.parquet"))


def test_checksums_behind_the_body_are_compared(bench: S3Bench, tmp_path: Path) -> None:
    with by_tls(tmp_path, bench.port) as (url, certificate):
        client = bench.client(bench.ada, url, verify=str(certificate))
        for algorithm in ("CRC32", "CRC64NVME", "SHA256", "CRC32C"):
            # Over TLS boto3 sends it behind the body, in pieces.
            made = client.put_object(
                Bucket="cams", Key=f"ff/by/{algorithm}", Body=io.BytesIO(b"bytes"),
                ChecksumAlgorithm=algorithm,
            )  # fmt: skip
            assert made[f"Checksum{algorithm}"]
        client.upload_fileobj(io.BytesIO(b"x" * (7 << 20)), "cams", "ff/by/parts", Config=PARTS)
        assert client.head_object(Bucket="cams", Key="ff/by/parts")["ContentLength"] == 7 << 20
        client.close()
    name = ObjectName("cams", "ff", "by/CRC64NVME")
    assert bench.objects.catalogue.object(name).content.size_bytes == 5


# --- killed --------------------------------------------------------------------------------------


def test_an_upload_in_parts_goes_on_after_the_server_was_killed(bench: S3Bench, ada: Any) -> None:
    made = ada.create_multipart_upload(Bucket="cams", Key="ff/killed")
    upload = {"Bucket": "cams", "Key": "ff/killed", "UploadId": made["UploadId"]}
    ada.upload_part(**upload, PartNumber=1, Body=b"one")
    half = bench.signed(
        "PUT", f"/cams/ff/killed?partNumber=2&uploadId={made['UploadId']}", bench.ada, b"two"
    )
    with socket.create_connection(("127.0.0.1", bench.port)) as line:
        head = "".join(f"{name}: {value}\r\n" for name, value in half.headers.items())
        path = half.url.removeprefix(bench.url)
        line.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{bench.port}\r\n{head}\r\nt".encode())
        folder = bench.settings.data_dir / "objects" / "s3-uploads" / made["UploadId"]
        while not list(folder.glob("new-*")):
            assert bench.process is not None
            assert bench.process.poll() is None
        bench.kill()
    bench.start()
    here = ada.list_parts(**upload)["Parts"]
    assert [one["PartNumber"] for one in here] == [1]
    ada.upload_part(**upload, PartNumber=2, Body=b"two")
    parts = [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]}
             for p in ada.list_parts(**upload)["Parts"]]  # fmt: skip
    ada.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    # As if it had been killed between the naming and the note of it.
    note = folder / "upload.json"
    told = json.loads(note.read_text())
    assert told["object_id"]
    assert told["is_finishing"]
    note.write_text(json.dumps(told | {"object_id": None, "version": None}))
    again = ada.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert again["VersionId"].endswith(".1")
    assert ada.get_object(Bucket="cams", Key="ff/killed")["Body"].read() == b"onetwo"
    assert not list(folder.glob("[0-9n]*"))


# --- who may -------------------------------------------------------------------------------------


def test_who_has_no_right_or_no_key_is_refused(bench: S3Bench, ada: Any) -> None:
    ada.put_object(Bucket="cams", Key="ff/mine", Body=b"x")
    shown = bench.command.says("accounts", "s3-key", str(bench.ada.token_id))
    assert shown.split() == [f"AWS_ACCESS_KEY_ID={bench.ada.id}",
                             f"AWS_SECRET_ACCESS_KEY={bench.ada.secret}"]  # fmt: skip
    wrong = bench.client(Key(bench.ada.id, "wrong", 0))
    assert code_of(wrong.get_object, Bucket="cams", Key="ff/mine") == "SignatureDoesNotMatch"
    unknown = bench.client(Key(f"GMN{99:017d}", bench.ada.secret, 0))
    assert code_of(unknown.list_buckets) == "InvalidAccessKeyId"
    eve = bench.client(bench.eve)
    for call, more in (
        (eve.get_object, {"Key": "ff/mine"}), (eve.put_object, {"Key": "ff/mine"}),
        (eve.list_objects_v2, {}), (eve.delete_object, {"Key": "ff/mine"}),
        (eve.create_multipart_upload, {"Key": "ff/mine"}),
        (eve.delete_objects, {"Delete": {"Objects": [{"Key": "ff/mine"}]}}),
    ):  # fmt: skip
        assert code_of(call, Bucket="cams", **more) == "AccessDenied"
    assert code_of(eve.get_object, Bucket="no-such", Key="ff/mine") == "AccessDenied"
    assert any(one.kind == "denied" and one.account == "eve" for one in bench.accounts.events())
    reader = bench.key("rita", "cams", Role.READER)
    assert bench.client(reader).get_object(Bucket="cams", Key="ff/mine")["Body"].read() == b"x"
    assert code_of(bench.client(reader).put_object, Bucket="cams", Key="ff/y") == "AccessDenied"
    anybody = bench.client(None)
    bench.client(bench.key("otto", "open")).put_object(Bucket="open", Key="ff/free", Body=b"free")
    assert anybody.get_object(Bucket="open", Key="ff/free")["Body"].read() == b"free"
    assert code_of(anybody.get_object, Bucket="cams", Key="ff/mine") == "AccessDenied"
    assert code_of(anybody.put_object, Bucket="open", Key="ff/free") == "AccessDenied"
    bench.accounts.revoke_token(reader.token_id, "root")
    assert code_of(bench.client(reader).list_buckets) == "InvalidAccessKeyId"
    assert bench.accounts.tokens("ada")[0].last_used_on_utc is not None


def test_what_was_changed_on_its_way_or_is_old_is_refused(bench: S3Bench, ada: Any) -> None:
    sent = bench.signed("PUT", "/cams/ff/whole", bench.ada, b"bytes")
    assert "XAmzContentSHA256Mismatch" in bench.send(sent, b"other")[1]
    assert "SignatureDoesNotMatch" in bench.send(sent, X_Amz_Content_SHA256="UNSIGNED-PAYLOAD")[1]
    assert "has to be signed" in bench.send(sent, x_amz_meta_gain="9")[1]
    old = bench.send(sent, X_Amz_Date="20200101T000000Z")
    assert (old[0], "Malformed" in old[1]) == (400, True)
    assert code_of(ada.head_object, Bucket="cams", Key="ff/whole") == "404"
    assert bench.send(sent)[0] == 200
    wrong_sum = bench.signed("PUT", "/cams/ff/sum", bench.ada, b"bytes",
                             x_amz_checksum_crc32="AAAAAA==")  # fmt: skip
    assert "BadDigest" in bench.send(wrong_sum)[1]
    no_xml = b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>'
    assert "MalformedXML" in bench.send(bench.signed("POST", "/cams?delete", bench.ada, no_xml))[1]

    shared = ada.generate_presigned_url(
        "get_object", Params={"Bucket": "cams", "Key": "ff/whole"}, ExpiresIn=60
    )

    def asked(url: str, method: str = "GET") -> tuple[int, str]:
        return bench.send(AWSRequest(method, url).prepare())

    assert asked(shared) == (200, "bytes")
    assert "SignatureDoesNotMatch" in asked(shared.replace("whole", "mine"))[1]
    assert "SignatureDoesNotMatch" in asked(shared, "DELETE")[1]
    late = shared.replace("X-Amz-Expires=60", "X-Amz-Expires=700000")
    assert "AuthorizationQueryParametersError" in asked(late)[1]
    assert "InvalidRequest" in asked(f"{bench.url}/cams/ff/whole?AWSAccessKeyId=x&Signature=y")[1]


def test_on_a_machine_of_ones_own_any_key_will_do_or_none(tmp_path: Path) -> None:
    with s3_bench(tmp_path, has_accounts=False) as alone:
        for client in (alone.client(Key("any", "any", 0)), alone.client(None)):
            client.put_object(Bucket="cams", Key="ff/a", Body=b"x")
            assert client.get_object(Bucket="cams", Key="ff/a")["Body"].read() == b"x"
        by_a_name = bench_request(alone, "other.example.org")
        assert by_a_name == 403


def bench_request(alone: S3Bench, host: str) -> int:
    """The status of a request to a name that another site could have."""
    connection = HTTPConnection("127.0.0.1", alone.port)
    try:
        connection.request("GET", "/cams/ff/a", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()
