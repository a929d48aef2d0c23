"""Who reads a dashboard: everybody or not, one account, whoever has a link.

What belongs here: the answers of these addresses, and what a link proves. What does not: the rule
of who may (`rights.py`), how shares are kept (`database/shares.py`), and what links are signed with
(`serving/objects/sharing_key.py`).
"""

from datetime import timedelta

from starlette.responses import Response

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import DashboardRefused
from gmn_pipeline.schemas.dashboards import SavedDashboard
from gmn_pipeline.serving.dashboards.callers import Body, Caller
from gmn_pipeline.serving.dashboards.rights import Wish
from gmn_pipeline.serving.objects.shares import told_share, whom_and_until
from gmn_pipeline.serving.objects.sharing import answered_address, check_end, held
from gmn_pipeline.serving.objects.visits import answered_json
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Parameter

LINK = Parameter("link", "what a link to a private dashboard has: it proves that it was made here")
SECONDS = Parameter("seconds", "how long the link holds, 3,600 without it", 3_600, minimum=1)
WITH = Parameter("with", "the account")
_LONGEST_TIME = 12


def read_by(caller: Caller, _: Body) -> Response:
    """Who reads it."""
    return _told(caller, caller.must_be_changeable(Wish.SHARE))


def checked_access(found: object) -> Body:
    """What is said of who reads it. Raises DashboardRefused."""
    if not isinstance(found, dict) or set(found) != {"is_private"}:
        raise DashboardRefused("What is wanted is is_private.")
    if not isinstance(found["is_private"], bool):
        raise DashboardRefused("is_private is true or false.")
    return found


def set_private(caller: Caller, said: Body) -> Response:
    """Whether it is private."""
    caller.must_be_changeable(Wish.SHARE)
    is_private = bool(said["is_private"])
    changed = caller.store.set_private(caller.identifier, caller.who, is_private=is_private)
    return _told(caller, changed)


def checked_share(found: object) -> Body:
    """Whom it is to be shared with; any object of JSON. Raises DashboardRefused."""
    if not isinstance(found, dict):
        raise DashboardRefused("What is wanted is an object of JSON.")
    return found


def share(caller: Caller, said: Body) -> Response:
    """Let one account read it."""
    one = caller.must_be_changeable(Wish.SHARE)
    account, until_utc = whom_and_until(said)
    caller.shares.share(one, account, caller.asker.by, until_utc)
    return _told(caller, one)


def withdraw(caller: Caller, _: Body) -> Response:
    """Share it no more."""
    one, account = caller.must_be_changeable(Wish.SHARE), caller.asked.text(WITH.name)
    if not account:
        raise bad_request("with says which account.")
    caller.shares.withdraw(one, account, caller.asker.by)
    return _told(caller, one)


def make_link(caller: Caller, _: Body) -> Response:
    """An address that lets whoever has it read the newest version, for a time."""
    one, objects = caller.must_be_changeable(Wish.SHARE), caller.asked.work.objects
    seconds, until = held(objects.settings, caller.asked.number(SECONDS.name))
    signature = objects.key.signature(*_said_of(one, until))
    until_utc = utc_now() + timedelta(seconds=seconds)
    caller.store.log_link(one.dashboard_id, caller.who, until_utc)
    return answered_address(f"/dashboards/{one.dashboard_id}?link={until}-{signature}", seconds)


def end_links(caller: Caller, _: Body) -> Response:
    """No link that was made so far holds any more."""
    caller.must_be_changeable(Wish.SHARE)
    return _told(caller, caller.store.end_links(caller.identifier, caller.who))


def is_by_link(caller: Caller, one: SavedDashboard) -> bool:
    """Whether who asks reads its newest version by a link only. Raises Problem (410) if they did
    until it ended."""
    until, _, signature = (caller.asked.text(LINK.name) or "").partition("-")
    is_one = until.isascii() and until.isdigit() and len(until) <= _LONGEST_TIME
    if not is_one or one.version != one.newest_version or caller.may_read(one):
        return False
    said = _said_of(one, int(until))
    if not caller.asked.work.objects.key.is_signature(signature, *said):
        return False
    check_end(int(until))
    return True


def _said_of(one: SavedDashboard, until: int) -> tuple[object, ...]:
    return ("dashboard", one.dashboard_id, one.links_ended, until)


def _told(caller: Caller, one: SavedDashboard) -> Response:
    shares = [told_share(share) for share in caller.shares.with_whom(one)]
    return answered_json({
        "is_private": one.is_private, "made_by": one.made_by, "shares": shares,
        "is_to_sign_in": caller.asker.is_to_sign_in,
    })  # fmt: skip
