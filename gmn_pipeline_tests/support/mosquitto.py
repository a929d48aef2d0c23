"""Mosquitto, a broker of MQTT: a program that only Debian packages."""

import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gmn_pipeline_tests.support.absent import not_run
from gmn_pipeline_tests.support.listener import wait_for
from gmn_pipeline_tests.support.registry import free_port

USER, PASSWORD = "gmn", "correct horse"


class Mosquitto:
    """A broker with a password, which keeps sessions on disk and comes back on the same port."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        passwords = shutil.which("mosquitto_passwd")
        if program is None or passwords is None:
            not_run("there is no mosquitto to test with ('make system-packages' installs it)")
        self._program, self._folder, self.port = program, folder, free_port()
        subprocess.run(
            [passwords, "-b", "-c", str(folder / "passwords"), USER, PASSWORD], check=True
        )
        self.certificate = folder / "certificate.pem"
        secure = self._make_keys() if tls else ""
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\n{secure}password_file {folder}/passwords\n"
            f"allow_anonymous false\npersistence true\npersistence_location {folder}/\n"
            "max_inflight_messages 1000\nmax_queued_messages 0\nuser root\n"
        )
        self.start()

    def _make_keys(self) -> str:
        """A key with a certificate that it signed itself; the settings that name them."""
        key = self._folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-keyout", str(key), "-out", str(self.certificate), "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        return f"certfile {self.certificate}\nkeyfile {key}\n"

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._folder / "mosquitto.conf")],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def stop(self) -> None:
        """End it; it writes its sessions to disk."""
        self._process.terminate()
        self._process.wait(20)

    def publish(self, *messages: tuple[str, bytes]) -> None:
        """Send as stations do; return when the broker has acknowledged all."""
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(USER, PASSWORD)
        client.max_inflight_messages_set(100)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            for one in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
                one.wait_for_publish(30)
                assert one.is_published()
        finally:
            client.disconnect()
            client.loop_stop()
