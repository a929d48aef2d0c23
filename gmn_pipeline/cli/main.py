"""The command `gmn` itself: which commands there are, and what a person sees of an error."""

import os
import sys
from pathlib import Path
from typing import Any

import typer

from gmn_pipeline.cli.console import errors
from gmn_pipeline.cli.lazy import Commands
from gmn_pipeline.errors import GmnError

_INTERRUPTED = 130
"""What a shell takes for "ended by Ctrl-C"."""

_COMMANDS = {
    "run": ("run", "run"),
    "sql": ("sql", "sql"),
    "query": ("query", "query"),
    "status": ("status", "status"),
    "stream": ("stream", "stream"),
    "maintain": ("maintain", "maintain_warehouse"),
    "verify": ("verify", "verify_warehouse"),
    "iceberg": ("iceberg", "export_iceberg"),
    "settings": ("settings", "show_settings"),
    "sample": ("sample", "sample"),
    "serve": ("serve", "serve"),
    "dev": ("dev", "dev"),
    "kafka": ("kafka", "app"),
    "stations": ("stations", "app"),
    "objects": ("objects", "app"),
    "accounts": ("accounts", "app"),
}


class _Commands(Commands):
    modules = _COMMANDS

    def invoke(self, ctx: Any) -> Any:
        """The library would end on Ctrl-C by itself, with a bare "Aborted."."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Exit(_tell(error)) from None


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _gmn() -> None:
    """The data platform of the Global Meteor Network."""


def main() -> None:
    """Entry point: whatever goes wrong, a person sees a sentence and no traceback."""
    code = _run()
    if sys.argv[1:2] in (["sql"], ["query"]):
        # Nothing is left to do, and while the interpreter goes down under DuckDB's and Arrow's
        # threads it has ended in "Fatal Python error: PyGILState_Release".
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    """Run the command; its exit code, once all that it printed is written."""
    try:
        app()
        sys.stdout.flush()  # here and not at the interpreter's end, where nobody can answer for it
    except SystemExit as end:
        _close_output()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        return _tell(error)
    return 0


def _tell(error: BaseException) -> int:
    """Tell a person of an error; the exit code."""
    if isinstance(error, BrokenPipeError):
        # Whoever reads has had enough (`gmn sql ... | head`): there is nobody to tell.
        _close_output()
        return 1
    # Not before there is something to tell: it takes a third of the time of a query to import.
    from gmn_pipeline.storage.problems import is_interruption, sentence

    if is_interruption(error):
        errors.print("Interrupted. What was committed stays; the same command goes on from there.")
        return _INTERRUPTED
    errors.print(sentence(error, _data_dir()), style="red", markup=False, soft_wrap=True)
    return 1


def _data_dir() -> Path:
    """The data folder, even if other settings are what is wrong."""
    from gmn_pipeline.settings import load_settings

    try:
        return load_settings().data_dir
    except (GmnError, OSError):
        return Path(os.environ.get("GMN_DATA_DIR", "data")).absolute()


def _close_output() -> None:
    """Write out what is left; where nobody reads it any more, drop it in silence."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
