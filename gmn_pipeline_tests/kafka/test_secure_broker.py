"""Passwords and TLS, with a real broker that wants both."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from pydantic import SecretStr

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import find_java
from gmn_pipeline_tests.support.kafka import admin, need_kafka, own_broker
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.stream_bench import ROWS, StreamBench

USER, PASSWORD = "gmn", "correct horse"
_SETTINGS = """
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure},\\
  CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={security}.plain.PlainLoginModule required \\
  user_{user}="{password}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={keys}
ssl.keystore.password={password}
"""


@dataclass(frozen=True)
class Secure:
    """A broker with a listener that wants TLS and a password."""

    broker: brokers.RunningBroker
    servers: str
    certificate: Path


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    need_kafka()
    folder, port = tmp_path_factory.mktemp("secure"), free_port()
    keys = make_keys(folder)
    write = brokers._write_settings

    def with_a_secure_listener(to: Path, plain: int, controller: int) -> Path:
        path = write(to, plain, controller)
        more = _SETTINGS.format(
            port=plain, secure=port, controller=controller, keys=keys, user=USER,
            password=PASSWORD, security="org.apache.kafka.common.security",
        )  # fmt: skip
        path.write_text(path.read_text() + more)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brokers, "_write_settings", with_a_secure_listener)
        with own_broker(folder) as broker:
            scram = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)
            with admin(broker.bootstrap_servers) as client:
                client.alter_user_scram_credentials([scram])
            yield Secure(broker, f"localhost:{port}", folder / "certificate.pem")


def make_keys(folder: Path) -> Path:
    """A key with a certificate that it signed itself; `certificate.pem` is that certificate."""
    keys = folder / "keys.p12"
    keytool = [str(find_java().with_name("keytool")), "-keystore", str(keys)]
    keytool += ["-storetype", "PKCS12", "-storepass", PASSWORD, "-alias", "broker"]
    made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=broker"]
    made += ["-ext", "SAN=dns:localhost,ip:127.0.0.1"]
    subprocess.run([*keytool, *made], check=True, capture_output=True)
    shown = subprocess.run([*keytool, "-exportcert", "-rfc"], check=True, capture_output=True)
    (folder / "certificate.pem").write_bytes(shown.stdout)
    return keys


@pytest.fixture
def bench(tmp_path: Path, secure: Secure) -> StreamBench:
    return StreamBench(
        tmp_path / "one", secure.broker, kafka_bootstrap_servers=secure.servers,
        kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username=USER, kafka_sasl_password=SecretStr(PASSWORD),
        kafka_ssl_cafile=secure.certificate,
    )  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_day_goes_out_and_comes_back_over_tls_with_a_password(
    bench: StreamBench, mechanism: str
) -> None:
    bench.set(kafka_sasl_mechanism=mechanism)
    bench.load()
    assert bench.publish().sent == ROWS
    assert bench.consume().counts.own == ROWS


@pytest.mark.parametrize(
    "wrong", [{"kafka_sasl_password": SecretStr("battery staple")}, {"kafka_ssl_cafile": None}]
)
def test_a_broker_that_refuses_is_told_with_the_settings_to_look_at(
    bench: StreamBench, wrong: dict[str, object]
) -> None:
    bench.set(kafka_timeout_s=1.0, **wrong)
    with pytest.raises(BrokerUnavailable, match="wrong password, certificate or protocol") as told:
        bench.consume()
    assert not any(secret in str(told.value) for secret in (PASSWORD, "battery staple"))
