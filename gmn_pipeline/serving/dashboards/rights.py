"""Who may do what with dashboards: one function.

What belongs here: the rule. What does not: who asks (`serving/objects/rights.py`).

A dashboard is read by whoever has its address: it says what is asked, and what is answered is
asked with the rights of who looks. Making one takes a role by which one may write somewhere;
changing one is for who made it, and for operators. Without accounts the people of this machine may
all, and nobody else may change anything.
"""

from enum import Enum

from gmn_pipeline.schemas.accounts import Caller, Right
from gmn_pipeline.serving.objects.rights import Asker, Need, SignIn
from gmn_pipeline.serving.objects.rights import refusal as refusal_of_objects
from gmn_pipeline.serving.problems import Problem

WRITES_SOMEWHERE = "writes_somewhere"
"""What the addresses that change something need: a role of contributor or more in any project."""


class Wish(Enum):
    """What somebody wants to do."""

    READ = "read"
    MAKE = "make"
    CHANGE = "change"


def refusal(asker: Asker, wish: Wish, made_by: str = "") -> Problem | None:
    """Why somebody may not; None if they may. `made_by`: whose the dashboard is."""
    if wish is Wish.READ and asker.sign_in is not SignIn.UNKNOWN:
        return None
    unknown = refusal_of_objects(asker, Need.SOMEWHERE, "", lambda: False)
    if unknown is not None:
        return unknown
    caller = asker.caller
    if not _may_write_somewhere(caller):
        return Problem(403, "not-permitted", f"{caller.account} may not save dashboards: that "
                       "takes a role of contributor or more in some project.")  # fmt: skip
    if wish is Wish.CHANGE and not (caller.is_operator or caller.account == made_by):
        return Problem(403, "not-permitted", "Whoever made a dashboard may change it, and "
                       f"operators: {caller.account} can save it as another one.")  # fmt: skip
    return None


def _may_write_somewhere(caller: Caller) -> bool:
    places = [caller.only_project or ""] if caller.is_operator else list(caller.roles)
    return any(caller.may(Right.WRITE, place) for place in places)
