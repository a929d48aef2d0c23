"""Files for Docker and systemd: nobody runs them here, so at least their shape is checked."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from typer.main import get_command

from gmn_pipeline.cli.main import app
from gmn_pipeline.orchestration.home import dagster_yaml
from gmn_pipeline.serving.app import ROUTES
from gmn_pipeline_tests.support.absent import not_run

PROJECT = Path(__file__).parents[1]
DEPLOY = PROJECT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_the_compose_file_names_only_what_it_defines() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    assert {"kafka", "registry", "postgres", "dagster"} == set(services())
    for name, service in services().items():
        assert ":" in service["image"], f"{name} has no fixed version"
        assert set(service.get("depends_on", [])) <= set(services())
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() or source in compose["volumes"], source


def test_no_secret_stands_in_the_files() -> None:
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or value.startswith("${"), name
    assert "env: POSTGRES_PASSWORD" in (DEPLOY / "dagster.yaml").read_text()


def test_dagster_takes_the_settings_that_keep_its_runs_in_the_postgres_of_the_compose_file() -> (
    None
):
    config, _ = dagster_instance_config(str(DEPLOY))
    stored = config.pop("storage")["postgres"]["postgres_db"]
    postgres = services()["postgres"]["environment"]
    assert stored["hostname"] == "postgres"
    assert stored["username"] == postgres["POSTGRES_USER"]
    assert stored["db_name"] == postgres["POSTGRES_DB"]
    assert stored["password"] == {"env": "POSTGRES_PASSWORD"}
    assert "POSTGRES_PASSWORD" in services()["dagster"]["environment"]
    assert config == dagster_instance_config(str(PROJECT))[0], "all else is as without Docker"


def test_the_proxy_asks_the_address_that_there_is() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    (asked,) = re.findall(r"proxy_pass http://127\.0\.0\.1:8001(/\S+);", text)
    route = next(route for route in ROUTES if route.path == asked)
    assert route.name == "account_operator"
    (method,) = [one.name for one in route.parameters]
    assert f"proxy_set_header {method} $gmn_method;" in text
    dagster = text[text.index("location /dagster/ {") :]
    assert 'proxy_set_header Cookie "";' in dagster
    (back,) = re.findall(r"return 303 (\S+)\?back=", text)
    assert back in {route.path for route in ROUTES}


def test_the_storage_of_the_compose_file_is_not_mixed_with_our_event_log(tmp_path: Path) -> None:
    elsewhere = (DEPLOY / "dagster.yaml").read_text()
    assert dagster_yaml(elsewhere) == elsewhere
    assert "BatchingEventLogStorage" in dagster_yaml("telemetry:\n  enabled: false\n")


def test_the_pinned_storage_is_of_the_same_release_as_the_pinned_dagster() -> None:
    command = services()["dagster"]["command"]
    assert "requirements/postgres.txt" in command
    pinned = [
        (PROJECT / "requirements" / name).read_text() for name in ("lock.txt", "postgres.txt")
    ]
    duckdb, postgres = (
        re.search(rf"^dagster-{name}==(\S+)", text, re.MULTILINE)
        for name, text in zip(("duckdb", "postgres"), pinned, strict=True)
    )
    assert duckdb is not None
    assert postgres is not None
    assert duckdb[1] == postgres[1]


def test_the_registry_of_the_compose_file_is_the_one_that_is_tested() -> None:
    pom = (DEPLOY / "registry" / "pom.xml").read_text()
    version = re.search(r"<registry\.version>(.+)</registry\.version>", pom)
    assert version is not None
    assert services()["registry"]["image"].endswith(f":{version[1]}")


# --- units of systemd ----------------------------------------------------------------------------


def unit(path: Path) -> dict[str, list[str]]:
    """Values by their names; a name may stand more than once."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda p: p.stem
)
def test_a_unit_runs_a_command_that_there_is(path: Path) -> None:
    said = unit(path)
    (line,) = said["ExecStart"]
    program, *words = line.split()
    assert program == "/opt/gmn/.venv/bin/gmn"
    command: Any = get_command(app)
    context = command.make_context("gmn", list(words), resilient_parsing=True)
    while hasattr(command, "get_command"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, line
    # With all that it needs, and nothing that it does not know.
    command.make_context(path.stem, [w.replace("${TO}", "cams/ff") for w in words])
    assert path.stem.rstrip("@") in (PROJECT / "docs" / "deploy.md").read_text()
    assert "/etc/gmn/gmn.env" in said["EnvironmentFile"]
    is_started = "WantedBy" in said or path.with_suffix(".timer").exists()
    assert is_started, "nothing starts it"


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """But for the program, which is not where they look for it."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        not_run("systemd-analyze is not there")
    for path in (DEPLOY / "systemd").glob("gmn*.*"):
        text = path.read_text().replace("/opt/gmn/.venv/bin/gmn", "/bin/true")
        (tmp_path / path.name.replace("@.", "@a.")).write_text(text)
    units = [str(path) for path in tmp_path.iterdir() if path.suffix != ".example"]
    done = subprocess.run([verify, "verify", *units], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "gmn" in line]
    assert not told, told
