"""The compose file: nobody runs it here, so at least its shape is checked."""

from pathlib import Path

import yaml

COMPOSE = Path(__file__).parents[1] / "deploy" / "compose.yaml"


def test_the_compose_file_names_only_what_it_defines() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    services = compose["services"]
    assert {"kafka", "registry", "postgres", "dagster"} == set(services)
    for name, service in services.items():
        assert ":" in service["image"], f"{name} has no fixed version"
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(".") or source in compose["volumes"]


def test_no_secret_stands_in_the_compose_file() -> None:
    assert "PASSWORD: ${" in COMPOSE.read_text()
