"""`gmn objects s3`: the lake of objects by the protocol of S3.

What belongs here: the command itself. What does not: the server (`serving/s3/`).
"""

from importlib.util import find_spec
from typing import Annotated

import typer

from gmn_pipeline.cli.addresses import must_be_free
from gmn_pipeline.cli.objects_find import print_done
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.settings import load_settings
from gmn_pipeline.storage.problems import explaining


def s3(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8003,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Give and take objects for tools that speak S3, until Ctrl-C or SIGTERM: a project is a
    bucket, its containers are the first folders."""
    if find_spec("defusedxml") is None:
        raise SettingsError(
            "The package defusedxml is not installed.",
            remedy="Install the extra: pip install 'gmn-pipeline[s3]'.",
        )
    from gmn_pipeline.serving.s3.app import run

    settings = load_settings()
    with explaining(settings.data_dir):
        must_be_free(host, port)
        print_done(f"S3 at http://{host}:{port}, of the objects of {settings.data_dir}.")
        run(settings, host, port)
