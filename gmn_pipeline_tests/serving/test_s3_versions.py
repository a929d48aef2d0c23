"""Versions by S3, and what comes together there: two clients at once, once more, in odd moments."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import ObjectName
from gmn_pipeline_tests.support.objects import PERSON
from gmn_pipeline_tests.support.s3 import S3Bench, code_of, s3_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Bench]:
    with s3_bench(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def ada(bench: S3Bench) -> Any:
    """boto3 with the key of who may put to `cams`."""
    return bench.client(bench.ada)


def listed(client: Any, size: int = 1_000, **more: Any) -> list[tuple[str, str, bool]]:
    """Versions and marks as boto3's paginator has them: key, id, whether it is the latest."""
    pages = client.get_paginator("list_object_versions").paginate(
        **{"Bucket": "cams", "PaginationConfig": {"PageSize": size}, **more}
    )
    return [
        (one["Key"], one["VersionId"], one["IsLatest"])
        for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())
    ]  # fmt: skip


def test_versions_are_listed_got_copied_and_what_is_deleted_comes_back(
    bench: S3Bench, ada: Any
) -> None:
    assert ada.get_bucket_versioning(Bucket="cams")["Status"] == "Enabled"
    enable, suspend = {"Status": "Enabled"}, {"Status": "Suspended"}
    ada.put_bucket_versioning(Bucket="cams", VersioningConfiguration=enable)
    assert code_of(
        ada.put_bucket_versioning, Bucket="cams", VersioningConfiguration=suspend
    ) == "InvalidBucketState"  # fmt: skip
    at = {"Bucket": "cams", "Key": "ff/v/a ü&<%>"}
    first = ada.put_object(**at, Body=b"one", Metadata={"gain": "1"})["VersionId"]
    second = ada.put_object(**at, Body=b"two")["VersionId"]
    assert listed(ada, Prefix="ff/v/") == [(at["Key"], second, True), (at["Key"], first, False)]
    gone = ada.delete_object(**at)
    mark = gone["VersionId"]
    assert gone["DeleteMarker"] is True
    assert "VersionId" not in ada.delete_object(**at)  # there is nothing any more
    assert code_of(ada.get_object, **at) == "NoSuchKey"
    third = ada.put_object(**at, Body=b"three")["VersionId"]
    assert len({first, second, third, mark}) == 4
    whole = [(third, True), (mark, False), (second, False), (first, False)]
    for size in (1, 2, 3, 1_000):
        found = listed(ada, size, Prefix="ff/v/")
        assert sorted(found) == sorted((at["Key"], *one) for one in whole)
    # Each is got by its id, also of the object that was deleted.
    for version, body in ((first, b"one"), (second, b"two"), (third, b"three")):
        got = ada.get_object(**at, VersionId=version)
        assert (got["Body"].read(), got["VersionId"]) == (body, version)
    assert ada.head_object(**at, VersionId=first)["Metadata"] == {"gain": "1"}
    assert ada.head_object(**at)["VersionId"] == third
    with pytest.raises(ClientError) as refused:
        ada.get_object(**at, VersionId=mark)
    told: Any = refused.value.response
    assert told["Error"]["Code"] == "MethodNotAllowed"
    assert told["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    for wrong in ("1", "x", "0.1", f"{first}1", "9" * 30):
        assert code_of(ada.get_object, **at, VersionId=wrong) == "NoSuchVersion", wrong
    assert code_of(ada.get_object, Bucket="cams", Key="ff/v/b", VersionId=first) == "NoSuchVersion"
    # A former version becomes the newest by a copy onto itself, or another object.
    source = {**at, "VersionId": first}
    copied = ada.copy_object(**at, CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert ada.get_object(**at)["Body"].read() == b"one"
    assert ada.head_object(**at)["Metadata"] == {"gain": "1"}
    ada.copy_object(Bucket="cams", Key="best/v", CopySource={**at, "VersionId": second})
    assert ada.get_object(Bucket="cams", Key="best/v")["Body"].read() == b"two"
    same = {**at, "VersionId": copied["VersionId"]}
    assert code_of(ada.copy_object, **at, CopySource=same) == "InvalidRequest"
    # Versions stay. The deletion is taken back once the name is free.
    assert code_of(ada.delete_object, **at, VersionId=first) == "AccessDenied"
    assert code_of(ada.delete_object, **at, VersionId=mark) == "InvalidObjectState"
    later = ada.delete_object(**at)["VersionId"]
    assert ada.delete_object(**at, VersionId=mark)["VersionId"] == mark
    assert ada.get_object(**at)["Body"].read() == b"two"
    ada.delete_object(**at, VersionId=mark)  # it is back already
    assert ada.get_object(**at)["Body"].read() == b"two"
    assert listed(ada, Prefix="ff/v/")[0] == (at["Key"], second, True)
    wanted = [{**one, "Key": at["Key"]} for one in (
        {"VersionId": later}, {"VersionId": first}, {"VersionId": "0.1"}, {}, {},
    )]  # fmt: skip
    many = ada.delete_objects(Bucket="cams", Delete={"Objects": wanted})
    assert {(e["VersionId"], e["Code"]) for e in many["Errors"]} == {
        (later, "InvalidObjectState"), (first, "AccessDenied"),
    }  # fmt: skip
    assert [one.get("DeleteMarkerVersionId") for one in many["Deleted"]] == ["0.1", mark, None]
    kinds = [o.kind.value for o in bench.objects.search.operations(object_id=int(mark[:-8]))]
    assert kinds.count("delete") == 2
    assert kinds.count("restore") == 2


def test_deleted_bytes_are_for_who_could_bring_them_back(bench: S3Bench) -> None:
    owner = bench.client(bench.key("olga", "open", Role.CONTRIBUTOR))
    at = {"Bucket": "open", "Key": "ff/by mistake"}
    version = owner.put_object(**at, Body=b"secret")["VersionId"]
    anybody = bench.client(None)
    assert anybody.get_object(**at, VersionId=version)["Body"].read() == b"secret"
    mark = owner.delete_object(**at)["VersionId"]
    assert code_of(anybody.get_object, **at, VersionId=version) == "AccessDenied"
    assert code_of(
        anybody.copy_object, Bucket="open", Key="ff/x", CopySource={**at, "VersionId": version}
    ) == "AccessDenied"  # fmt: skip
    assert code_of(anybody.delete_object, **at, VersionId=mark) == "AccessDenied"
    reader = bench.client(bench.key("rolf", "open", Role.READER))
    assert code_of(reader.get_object, **at, VersionId=version) == "AccessDenied"
    assert owner.get_object(**at, VersionId=version)["Body"].read() == b"secret"
    assert code_of(bench.client(bench.eve).list_object_versions, Bucket="cams") == "AccessDenied"
    eve = {"Bucket": "other", "Key": "ff/by mistake", "VersionId": version}
    assert code_of(bench.client(bench.eve).get_object, **eve) == "NoSuchVersion"
    owner.delete_object(**at, VersionId=mark)
    assert anybody.get_object(**at)["Body"].read() == b"secret"


def test_lists_of_versions_are_rolled_up_and_asked_wrongly(ada: Any) -> None:
    for key in ("ff/r/a/1", "ff/r/a/2", "ff/r/b/1", "ff/r/c"):
        ada.put_object(Bucket="cams", Key=key, Body=b"")
    ada.delete_object(Bucket="cams", Key="ff/r/b/1")  # what had one is told of
    for size in (1, 2, 10):
        pages = list(ada.get_paginator("list_object_versions").paginate(
            Bucket="cams", Prefix="ff/r/", Delimiter="/", PaginationConfig={"PageSize": size}
        ))  # fmt: skip
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())] == [
            "ff/r/a/", "ff/r/b/",
        ]  # fmt: skip
        assert [v["Key"] for page in pages for v in page.get("Versions", ())] == ["ff/r/c"]
    none = ada.list_object_versions(Bucket="cams", MaxKeys=0)
    assert (none["IsTruncated"], none.get("Versions")) == (False, None)
    after = ada.list_object_versions(Bucket="cams", Prefix="ff/r/", KeyMarker="ff/r/a/2")
    assert [v["Key"] for v in after["Versions"]] == ["ff/r/b/1", "ff/r/c"]
    ask = ada.list_object_versions
    assert code_of(ask, Bucket="cams", VersionIdMarker="1.1") == "InvalidArgument"
    assert code_of(ask, Bucket="cams", KeyMarker="a", VersionIdMarker="x") == "NoSuchVersion"
    assert code_of(ask, Bucket="none") == "AccessDenied"
    # Subresources where they are none do not make something else of a request.
    for call in (ada.put_object_tagging, ada.put_object_acl):
        more = {"Tagging": {"TagSet": []}} if call == ada.put_object_tagging else {"ACL": "private"}
        assert code_of(call, Bucket="cams", Key="ff/r/c", **more) == "NotImplemented"
    at = {"Bucket": "cams", "Key": "ff/r/c"}
    assert ada.get_object(**at, PartNumber=1)["ContentLength"] == 0
    assert code_of(ada.get_object, **at, PartNumber=2) == "InvalidPartNumber"


# --- at once, twice, in odd moments --------------------------------------------------------------


def at_once(calls: list[Any]) -> list[str]:
    """What each comes to, all begun together: "" or the code of its error."""
    begin = threading.Barrier(len(calls))

    def outcome(call: Any) -> str:
        begin.wait()
        try:
            call()
        except ClientError as error:
            return str(error.response.get("Error", {}).get("Code"))
        return ""

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_many_clients_at_one_key(bench: S3Bench, ada: Any) -> None:
    at = {"Bucket": "cams", "Key": "ff/c/once"}
    bodies = [bytes([n]) * 1_000 for n in range(4)]
    once = [lambda b=body: ada.put_object(**at, Body=b, IfNoneMatch="*") for body in bodies]
    assert sorted(at_once(once)) == ["", *["PreconditionFailed"] * 3]
    tag = ada.head_object(**at)["ETag"]
    matched = [lambda b=body: ada.put_object(**at, Body=b + b"x", IfMatch=tag) for body in bodies]
    assert sorted(at_once(matched)) == ["", *["PreconditionFailed"] * 3]
    assert at_once([lambda b=body: ada.put_object(**at, Body=b) for body in bodies]) == [""] * 4
    assert ada.get_object(**at)["Body"].read() in bodies
    assert len(listed(ada, Prefix="ff/c/once")) == 6
    # Deleted by all of them while it is put: there is no such thing as a conflict for S3.
    for n in range(4):
        mixed = [lambda: ada.delete_object(**at)] * 3 + [
            lambda body=f"{n}": ada.put_object(**at, Body=body)
        ]
        assert at_once(mixed) == [""] * 4, n
    assert sum(is_latest for _, _, is_latest in listed(ada, Prefix="ff/c/once")) == 1
    # The same bytes by two names at once, one of which is deleted and swept.
    same = [lambda k=key: ada.put_object(Bucket="cams", Key=k, Body=b"the same")
            for key in ("ff/c/x", "ff/c/y", "best/c/x")]  # fmt: skip
    assert at_once(same) == [""] * 3
    ada.delete_object(Bucket="cams", Key="ff/c/x")
    for key in ("ff/c/y", "best/c/x"):
        assert ada.get_object(Bucket="cams", Key=key)["Body"].read() == b"the same"


def begun(ada: Any, key: str, *bodies: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """An upload in parts that lacks its end: which it is, and what ends it."""
    made = ada.create_multipart_upload(Bucket="cams", Key=key)
    upload = {"Bucket": "cams", "Key": key, "UploadId": made["UploadId"]}
    parts = [
        {"PartNumber": n, "ETag": ada.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in enumerate(bodies, 1)
    ]
    return upload, {"MultipartUpload": {"Parts": parts}}


def test_uploads_in_parts_that_are_ended_by_several(bench: S3Bench, ada: Any) -> None:
    upload, whole = begun(ada, "ff/m/a", b"one", b"two")
    end = [lambda: ada.complete_multipart_upload(**upload, **whole)] * 3
    assert set(at_once(end)) <= {"", "SlowDown"}
    assert len(listed(ada, Prefix="ff/m/a")) == 1
    ada.complete_multipart_upload(**upload, **whole)
    # What was completed is not to be given up, nor gone on with.
    assert code_of(ada.upload_part, **upload, PartNumber=3, Body=b"x") == "NoSuchUpload"
    assert code_of(ada.list_parts, **upload) == "NoSuchUpload"
    assert code_of(ada.abort_multipart_upload, **upload) == "NoSuchUpload"
    assert ada.complete_multipart_upload(**upload, **whole)["VersionId"].endswith(".1")
    assert ada.get_object(Bucket="cams", Key="ff/m/a")["Body"].read() == b"onetwo"
    # Deleted meanwhile: asked once more, the end is told, and nothing comes back.
    ada.delete_object(Bucket="cams", Key="ff/m/a")
    ada.complete_multipart_upload(**upload, **whole)
    assert code_of(ada.head_object, Bucket="cams", Key="ff/m/a") == "404"
    upload, whole = begun(ada, "ff/m/b", b"one")
    ada.abort_multipart_upload(**upload)
    assert code_of(ada.abort_multipart_upload, **upload) == "NoSuchUpload"
    assert code_of(ada.complete_multipart_upload, **upload, **whole) == "NoSuchUpload"
    # Completed and given up in one moment: it is one of both, and nothing stays.
    for n in range(4):
        upload, whole = begun(ada, f"ff/m/c{n}", b"one")
        ended, given_up = at_once([
            lambda u=upload, w=whole: ada.complete_multipart_upload(**u, **w),
            lambda u=upload: ada.abort_multipart_upload(**u),
        ])  # fmt: skip
        assert (ended == "") != (given_up == ""), (ended, given_up)
        assert len(listed(ada, Prefix=f"ff/m/c{n}")) == (ended == "")
    assert not ada.list_multipart_uploads(Bucket="cams").get("Uploads")
    # Only if there is none yet: of two uploads one.
    both = [begun(ada, "ff/m/d", body) for body in (b"1", b"2")]
    outcomes = at_once([
        lambda u=u, w=w: ada.complete_multipart_upload(**u, **w, IfNoneMatch="*") for u, w in both
    ])  # fmt: skip
    assert sorted(outcomes) == ["", "PreconditionFailed"]


def test_a_server_that_is_killed_while_it_completes(bench: S3Bench, ada: Any) -> None:
    part = b"x" * (5 << 20)
    upload, whole = begun(ada, "ff/k/large", *[part] * 8)
    folder = bench.settings.data_dir / "objects" / "s3-uploads" / upload["UploadId"]

    def staged() -> list[Path]:
        return [p for p in bench.settings.data_dir.rglob("new") if p.is_file()]

    thread = threading.Thread(
        target=lambda: at_once([lambda: ada.complete_multipart_upload(**upload, **whole)]),
        daemon=True,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading, "excepthook", lambda _: None)  # its line is cut
        thread.start()
        while not staged() and thread.is_alive():
            pass
        bench.kill()
        thread.join(timeout=30)
    bench.start()
    assert len(list(folder.glob("0*"))) in (0, 8)
    done = ada.complete_multipart_upload(**upload, **whole)
    assert done["VersionId"].endswith(".1")
    assert ada.get_object(Bucket="cams", Key="ff/k/large")["ContentLength"] == 8 * len(part)
    assert len(listed(ada, Prefix="ff/k/")) == 1


def test_odd_names_and_what_another_way_does_to_them(bench: S3Bench, ada: Any) -> None:
    odd = [" ", "a\tb", "a+b%2B", "?versionId=1", "#&=;:@,", "x" * 200, "\u202eabc", "a\\b", ".hid",
           "\ud7ff\U0001f320", "_versions", "con", "*[?]", "\u00e9", "a ", "'\"<>|"]  # fmt: skip
    kept = {}
    for name in odd:
        key = f"ff/o/{name}"
        refused = at_once([lambda k=key: ada.put_object(Bucket="cams", Key=k, Body=k.encode())])
        assert refused in ([""], ["InvalidArgument"]), name
        if refused == [""]:
            kept[key] = ada.head_object(Bucket="cams", Key=key)["VersionId"]
    assert len(kept) >= 10
    # A name is the same one however its letters are put together.
    assert ada.get_object(Bucket="cams", Key="ff/o/e\u0301", VersionId=kept["ff/o/\u00e9"])
    for key, version in kept.items():
        at = {"Bucket": "cams", "Key": key}
        assert ada.get_object(**at)["Body"].read() == key.encode(), key
        assert ada.get_object(**at, VersionId=version)["Body"].read() == key.encode(), key
        ada.copy_object(Bucket="cams", Key="best/o", CopySource={**at, "VersionId": version})
    for size in (1, 4):
        assert {key for key, _, _ in listed(ada, size, Prefix="ff/o/")} == set(kept)
    wanted = [{"Key": key} for key in kept]
    many = ada.delete_objects(Bucket="cams", Delete={"Objects": wanted})
    assert "Errors" not in many
    assert not ada.list_objects_v2(Bucket="cams", Prefix="ff/o/").get("Contents")
    # Moved by another way: its versions go along.
    version = ada.put_object(Bucket="cams", Key="ff/n/a", Body=b"x")["VersionId"]
    stored = bench.objects.catalogue.object(ObjectName("cams", "ff", "n/a"))
    bench.objects.catalogue.move(stored, ObjectName("cams", "best", "n/b"), PERSON)
    assert listed(ada, Prefix="ff/n/") == []
    assert listed(ada, Prefix="best/n/") == [("best/n/b", version, True)]
    assert code_of(ada.get_object, Bucket="cams", Key="ff/n/a", VersionId=version) == (
        "NoSuchVersion"
    )
