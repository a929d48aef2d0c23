"""`gmn sql`: ask the warehouse.

What belongs here: the command itself, and only what is quick to import. What does not: printing
(`answers.py`).
"""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from gmn_pipeline.imports import without
from gmn_pipeline.queries.start import start_worker

CONTEXT = {"ignore_unknown_options": True}  # a query may begin with `--`, a comment


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[
        str, typer.Argument(help="One SELECT in DuckDB's SQL; without it, or '-': from the input.")
    ] = "-",
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Ask the warehouse. Reads only; works while a load runs."""
    if query == "-":
        if sys.stdin.isatty():
            raise typer.BadParameter("give a query, or let the input be a file with one")
        query = sys.stdin.read()
    worker = start_worker()  # at once: it gets ready while this process imports the rest
    with without("numpy"):
        from gmn_pipeline.cli.answers import print_answer

    print_answer(worker, query, output.value)
