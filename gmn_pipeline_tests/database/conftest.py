"""An empty operational database of either kind."""

from pathlib import Path

import pytest

from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Of an empty data folder, with either database."""
    made = load_settings(data_dir=tmp_path / "data %20?x=1#")
    if request.param == "sqlite":
        return made
    return with_postgres(made, request.getfixturevalue("postgres"))


def with_postgres(settings: Settings, server: PostgresServer) -> Settings:
    return load_settings(
        data_dir=settings.data_dir, database_url=server.new_database(),
        database_password=server.password,
    )  # fmt: skip
