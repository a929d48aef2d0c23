"""Where commands print: what was asked for to the output, what went wrong to the error output."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)
