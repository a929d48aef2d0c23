"""Warehouses whose catalogue or data are elsewhere."""

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAY, Bench

SECRETS = {"AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS", "AWS_SECRET_ACCESS_KEY": "s3cr3t'of the tests"}


def load(settings: Settings) -> None:
    report = load_days([DAY], settings)
    assert not report.failed, report.failed[0].error


def placed(bench: Bench, environment: dict[str, str]) -> Settings:
    """Settings of a bench as the environment would make them."""
    variables = {name.lower().removeprefix("gmn_"): v for name, v in environment.items()}
    fields = {n.replace("aws_", "s3_"): v for n, v in variables.items()}
    given = {"source_url": str(bench.site), "data_dir": bench.settings.data_dir}
    return load_settings(**given, **fields)


def catalog_of(server: PostgresServer) -> dict[str, str]:
    return {
        "GMN_WAREHOUSE_CATALOG_URL": server.new_database(),
        "GMN_WAREHOUSE_CATALOG_PASSWORD": server.password,
    }
