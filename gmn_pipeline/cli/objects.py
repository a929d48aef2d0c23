"""`gmn objects`: the lake of objects. A module for each family of commands."""

import typer

from gmn_pipeline.cli import objects_process

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _objects() -> None:
    """Files of any kind, with what is said of them and what is read out of them."""


app.command("process")(objects_process.process)
app.command("reprocess")(objects_process.reprocess_again)
app.command("accept")(objects_process.accept_table)
app.command("rules")(objects_process.rules)
app.command("runs")(objects_process.show_runs)
