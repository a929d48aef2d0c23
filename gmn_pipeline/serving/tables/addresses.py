"""What the addresses of tables, ready questions and changes have in common.

What belongs here: parts of a path, and what is said of formats. What does not: what is answered.
"""

from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.routes import Answers, Parameter

STORE = Parameter(
    "store", "gmn, or gmn_data_store as the old platform called it",
    choices=("gmn", "gmn_data_store"), is_required=True, is_in_path=True, example="gmn",
)  # fmt: skip
PROBLEMS = (404, 410, 503)
EXPORT_PROBLEMS = (*PROBLEMS, 505)


def suffix(choices: tuple[str, ...]) -> Parameter:
    """What an address ends in."""
    meaning = "the format: " + "; ".join(
        f"{name}: {FORMATS[name].name}, {FORMATS[name].description}" for name in choices
    )
    return Parameter(
        "suffix", meaning, choices=choices, is_required=True, is_in_path=True,
        example="csv" if "csv" in choices else choices[0],
    )  # fmt: skip


def in_formats(choices: tuple[str, ...]) -> tuple[Answers, ...]:
    """What they answer, each media type once."""
    kinds = {FORMATS[name].media_type.split(";")[0]: FORMATS[name] for name in reversed(choices)}
    return tuple(Answers(kind, one.name) for kind, one in reversed(kinds.items()))
