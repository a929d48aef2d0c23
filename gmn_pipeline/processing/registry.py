"""Which processors there are: those that this and other packages name as entry points.

What belongs here: finding them, and which types of content they take. What does not: processors.
"""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points

from gmn_pipeline.processing.processor import Processor

GROUP = "gmn_pipeline.processors"

_log = logging.getLogger(__name__)


@cache
def processors() -> dict[str, Processor]:
    """All of them by name, in the order of names. One that cannot be loaded is told of in the log,
    and stops no other."""
    found: dict[str, Processor] = {}
    for entry in sorted(entry_points(group=GROUP)):
        try:
            processor: Processor = entry.load()()
            found[processor.name] = processor
        except Exception as error:
            _log.warning("The processor %s cannot be used: %s: %s", entry.value,
                         type(error).__name__, error)  # fmt: skip
    return dict(sorted(found.items()))


def takes(processor: Processor, content_type: str) -> bool:
    """Whether a processor takes objects of that type."""
    family = content_type.split("/")[0] + "/*"
    return bool({content_type, family} & set(processor.content_types))


def of_type(content_type: str) -> Sequence[Processor]:
    """Those that take it."""
    return [one for one in processors().values() if takes(one, content_type)]
