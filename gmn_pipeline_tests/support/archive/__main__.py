"""The command line of the synthetic data directories.

    python -m gmn_pipeline_tests.support.archive --rows 1000000 --out /data/first
    python -m gmn_pipeline_tests.support.archive next --source /data/first --out /data/second

What belongs here: options and what is told about the result. What does not: anything that makes
a file (`directory.py`, `generation.py`).
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline_tests.support.archive import CHANGES, KINDS, Shares, generate, next_generation

app = typer.Typer(help="Synthetic GMN data directories.", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _generate(
    context: typer.Context,
    rows: Annotated[int, typer.Option(help="How many rows in all.")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="A directory that has no daily/ yet.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
    from_: Annotated[datetime, typer.Option("--from")] = datetime(2018, 12, 9),
    to: Annotated[datetime, typer.Option()] = datetime(2026, 11, 20),
    kinds: Annotated[str, typer.Option(help=f"Of {','.join(KINDS)}.")] = "daily,monthly,all",
) -> None:
    """Generate a directory."""
    if context.invoked_subcommand:
        return
    if out is None:
        raise typer.BadParameter("--out is needed")
    made = generate(out, rows, seed, from_.date(), to.date(), kinds.split(","))
    typer.echo(f"{made.rows} rows in {made.daily_files} bins, as of {made.generated_on}")


@app.command("next")
def _next(
    source: Annotated[Path, typer.Option()],
    out: Annotated[Path, typer.Option()],
    seed: Annotated[int, typer.Option()] = 2,
    resolved: Annotated[float, typer.Option()] = Shares.resolved,
    reidentified: Annotated[float, typer.Option()] = Shares.reidentified,
    withdrawn: Annotated[float, typer.Option()] = Shares.withdrawn,
    duplicated: Annotated[float, typer.Option()] = Shares.duplicated,
    corrupted: Annotated[float, typer.Option()] = Shares.corrupted,
    added: Annotated[float, typer.Option()] = Shares.added,
    last_bins: Annotated[int | None, typer.Option(help="Change only so many bins.")] = None,
) -> None:
    """Write the next generation of a directory, with shares of its rows changed."""
    shares = Shares(resolved, reidentified, withdrawn, duplicated, corrupted, added)
    truth = next_generation(source, out, seed, shares, last_bins)
    for change in (*CHANGES, "added"):
        typer.echo(f"{change}: {truth.total(change)}")


if __name__ == "__main__":
    app()
