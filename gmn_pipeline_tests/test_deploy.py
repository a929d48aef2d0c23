"""The files for Docker: nobody runs them here, so at least their shape is checked."""

import re
from pathlib import Path
from typing import Any

import yaml
from dagster._core.instance.config import dagster_instance_config

from gmn_pipeline.orchestration.home import dagster_yaml
from gmn_pipeline.serving.app import ROUTES

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
