"""Objects by S3: a server, real clients of it, and a line that speaks TLS.

What belongs here: starting and asking. What does not: what is expected.
"""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from obstore.store import S3Store

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.serving.s3.access_keys import AccessKeys, access_key
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.ports import free_port

SECRET = "of the tests, and of nothing else: nobody guesses it"
REGION = "us-east-1"


@dataclass
class Key:
    """An access key with its secret, and the number of its token."""

    id: str
    secret: str
    token_id: int


class S3Bench:
    """A lake of objects with accounts, and `gmn objects s3` at work on it.

    `ada` may put to `cams`, `eve` to `other`; `open` is public.
    """

    def __init__(self, folder: Path, *, has_accounts: bool = True) -> None:
        self.objects: ObjectBench = object_bench(settings_of(folder))
        catalogue = self.objects.catalogue
        for project, is_public in (("other", False), ("open", True)):
            catalogue.make_project(project, PERSON, is_public=is_public)
            catalogue.make_container(project, "ff", PERSON)
        catalogue.make_container("cams", "best", PERSON)
        self.accounts = AccountStore(self.objects.database)
        self.command = Command(GMN_DATA_DIR=str(self.settings.data_dir), GMN_S3_SECRET=SECRET)
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        if has_accounts:
            self.ada, self.eve = self.key("ada", "cams"), self.key("eve", "other")

    @property
    def settings(self) -> Settings:
        return self.objects.settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key(self, account: str, project: str, role: Role = Role.CONTRIBUTOR) -> Key:
        """An account with a role in a project, and an access key of its own."""
        self.accounts.make(account, "root")
        self.accounts.set_role(account, project, role, "root")
        self.accounts.make_token(account, "root", timedelta(days=1))
        token_id = self.accounts.tokens(account)[-1].token_id
        keys = AccessKeys(load_settings(s3_secret=SECRET), self.accounts)
        found = keys.find(access_key(token_id))
        assert found is not None
        return Key(access_key(token_id), found[1], token_id)

    def start(self) -> None:
        self.process = self.command.start("objects", "s3", "--port", str(self.port))
        assert self.process.stdout is not None
        assert "S3 at" in self.process.stdout.readline()
        while True:  # it says so before it listens, so that who waits knows where
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            assert self.process.poll() is None, self.process.communicate()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        out, err = self.process.communicate(timeout=30)
        assert "Traceback" not in err, out + err

    def client(self, key: Key | None, url: str | None = None, **more: Any) -> Any:
        """boto3's; without a key it signs nothing."""
        config = Config(
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path"},
            signature_version="s3v4",
        )  # fmt: skip
        if key is None:
            config = config.merge(Config(signature_version=UNSIGNED))
        return boto3.client(
            "s3", endpoint_url=url or self.url, region_name=REGION, config=config,
            aws_access_key_id=key.id if key else None,
            aws_secret_access_key=key.secret if key else None, **more,
        )  # fmt: skip

    def store(self, key: Key, bucket: str) -> S3Store:
        """obstore's."""
        config: Any = self.options(key)
        return S3Store(bucket, config=config, client_options={"allow_http": True})

    def options(self, key: Key) -> dict[str, Any]:
        """As object_store wants them, which polars reads by."""
        return {
            "endpoint": self.url, "region": REGION, "access_key_id": key.id,
            "secret_access_key": key.secret, "virtual_hosted_style_request": False,
        }  # fmt: skip

    def signed(self, method: str, path: str, key: Key, body: bytes = b"", **headers: str) -> Any:
        """A request as botocore signs it, to be changed before it is sent."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, self.url + path, data=body, headers=named)
        S3SigV4Auth(Credentials(key.id, key.secret), "s3", REGION).add_auth(request)
        return request.prepare()

    def send(self, prepared: Any, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and body of the answer to a request that may be changed on its way."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            path = prepared.url.removeprefix(self.url)
            named = {
                **dict(prepared.headers),
                **{k.replace("_", "-"): v for k, v in headers.items()},
            }
            connection.request(
                prepared.method, path, prepared.body if body is None else body, named
            )
            answer: HTTPResponse = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def s3_bench(folder: Path, *, has_accounts: bool = True) -> Iterator[S3Bench]:
    bench = S3Bench(folder, has_accounts=has_accounts)
    bench.start()
    try:
        yield bench
    finally:
        bench.end()


@contextmanager
def by_tls(folder: Path, to: int) -> Iterator[tuple[str, Path]]:
    """A port that speaks TLS and passes on to another, as a proxy does; with its certificate."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            secure = context.wrap_socket(taken, server_side=True)
            plain = socket.create_connection(("127.0.0.1", to))
            for one, other in ((secure, plain), (plain, secure)):
                thread = threading.Thread(target=_pump, args=(one, other), daemon=True)
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", certificate
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(timeout=10)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(65_536):
            other.sendall(piece)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def code_of(call: Any, **arguments: Any) -> str:
    """The code that a request is refused with."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response: Any = refused.value.response
    assert response["ResponseMetadata"]["RequestId"] or not response["Error"].get("Message")
    return str(response["Error"]["Code"])
