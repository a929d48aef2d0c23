"""Who may do what with dashboards: one function.

What belongs here: the rule. What does not: who asks (`serving/objects/rights.py`).

A dashboard is read by everybody: it says what is asked, and what is answered is asked with the
rights of who looks. A private one is read by who made it, by operators, and by those whom they
share it with or give a link; to all others it is as if there were none. Making one takes a role by
which one may write somewhere; changing one, and saying who reads it, is for who made it, and for
operators. Without accounts the people of this machine may all, and nobody else may change anything.

A token for one project stands for its account there. Private dashboards are in no project: it
neither reads nor makes them.
"""

from enum import Enum

from gmn_pipeline.schemas.accounts import Caller, Right
from gmn_pipeline.schemas.dashboards import SavedDashboard
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
    SHARE = "share"
    """Say who reads it."""


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
    if wish is Wish.SHARE and caller.only_project is not None:
        return Problem(403, "not-permitted", "A token for one project says nothing of who reads "
                       "dashboards: they are in none.")  # fmt: skip
    if wish in (Wish.CHANGE, Wish.SHARE) and not (caller.is_operator or caller.account == made_by):
        return Problem(403, "not-permitted", "Whoever made a dashboard may change it, and "
                       f"operators: {caller.account} can save it as another one.")  # fmt: skip
    return None


def is_own(asker: Asker, one: SavedDashboard) -> bool:
    """Whether somebody reads a private dashboard without its being shared with them."""
    caller = asker.caller
    return caller.only_project is None and (caller.is_operator or caller.account == one.made_by)


def _may_write_somewhere(caller: Caller) -> bool:
    places = [caller.only_project or ""] if caller.is_operator else list(caller.roles)
    return any(caller.may(Right.WRITE, place) for place in places)
