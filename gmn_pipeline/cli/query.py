"""`gmn query`: ask the warehouse a question that others have asked before.

What belongs here: the command, and telling which questions there are. What does not: the questions
(`queries/canned/`), and printing answers (`answers.py`).
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from gmn_pipeline.cli.sql import Format
from gmn_pipeline.imports import without
from gmn_pipeline.queries.canned.catalogue import OBJECTS, CannedQuery, all_queries, canned_query
from gmn_pipeline.queries.start import start_worker

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}  # a query's own parameters


def query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which; without it, they are listed.")] = "",
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    about: Annotated[
        bool, typer.Option("--about", help="Tell what it asks and which parameters it takes.")
    ] = False,
) -> None:
    """Ask a ready question of the warehouse: gmn query NAME --parameter value ..."""
    if not name:
        _list()
        return
    wanted = canned_query(name)
    if about:
        _tell(wanted)
        return
    values = wanted.values(given(context.args))
    worker = start_worker()
    with without("numpy"):
        from gmn_pipeline.cli.answers import print_answer

    print_answer(worker, wanted.sql, output.value, values)


def given(arguments: Sequence[str]) -> dict[str, str]:
    """`--name value` and `--name=value`, by name; a hyphen in a name stands for an underscore."""
    values: dict[str, str] = {}
    left = list(arguments)
    while left:
        option = left.pop(0)
        if not option.startswith("--") or option == "--":
            raise typer.BadParameter(f"'{option}' is no parameter: write --name value")
        name, has_value, value = option.removeprefix("--").partition("=")
        if not has_value:
            if not left:
                raise typer.BadParameter(f"{option} needs a value")
            value = left.pop(0)
        name = name.replace("-", "_")
        if name in values:
            raise typer.BadParameter(f"--{name} is given twice")
        values[name] = value
    return values


def _list() -> None:
    found = all_queries(OBJECTS)
    width = max(len(one.name) for one in found)
    for one in found:
        typer.echo(f"{one.name:<{width}}  {one.title}")
    typer.echo("\n'gmn query NAME --about' tells which parameters one takes.")


def _tell(wanted: CannedQuery) -> None:
    needs = f" It asks the lake of {wanted.needs}." if wanted.needs else ""
    typer.echo(f"{wanted.title}\n\n{wanted.description}{needs}\n")
    for one in wanted.parameters:
        default = "required" if one.is_required else f"default {one.default or 'none'}"
        unit = f"{one.unit}, " if one.unit else ""
        kind = " or ".join(one.choices) or one.type
        typer.echo(f"--{one.name} ({kind}, {unit}{default}): {one.meaning}")
