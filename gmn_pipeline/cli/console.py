"""Where commands print: what was asked for to the output, what went wrong to the error output."""

import logging
from collections.abc import Sequence

from rich.console import Console

console = Console()
errors = Console(stderr=True)
_SHOWN = 10


def print_some(lines: Sequence[str], *, style: str) -> None:
    """The first of the lines, and how many more there are."""
    for line in lines[:_SHOWN]:
        console.print(line, style=style, markup=False, soft_wrap=True)
    if len(lines) > _SHOWN:
        console.print(f"... and {len(lines) - _SHOWN} more like these.", style=style)


def tell_of_work() -> None:
    """Let a command that goes on print what it logs, with the time."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("gmn_pipeline").setLevel(logging.INFO)
    # A broker that is away is told of once by the service, and by the client at each try.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
