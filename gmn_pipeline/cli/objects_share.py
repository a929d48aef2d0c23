"""`gmn objects share`: let one account read an object.

What belongs here: the command. What does not: what a share is (`database/shares.py`).
"""

from datetime import timedelta
from typing import Annotated

import typer

from gmn_pipeline.cli.objects_find import print_done
from gmn_pipeline.cli.objects_said import by, opened
from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.shares import ShareStore
from gmn_pipeline.schemas.objects import ObjectName


def share(
    what: Annotated[str, typer.Argument(metavar="PROJECT/CONTAINER/NAME", help="The object.")],
    *,
    account: Annotated[
        str | None, typer.Option("--with", metavar="ACCOUNT", help="Whom; without it, lists.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.001, max=3650, help="Days that it holds.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Not any more.")] = False,
) -> None:
    """Let one account read an object, of whose project it is no reader; or say whom it is shared
    with."""
    if account is None and (days is not None or withdraw):
        raise typer.BadParameter("Whom? --with ACCOUNT")
    lake = opened()
    stored, shares = lake.catalogue.object(ObjectName.parse(what)), ShareStore(lake.database)
    if account is None:
        for one in shares.with_whom(stored):
            until = f"until {one.expires_at_utc:%Y-%m-%d %H:%M}" if one.expires_at_utc else ""
            print_done(f"{one.account}  by {one.shared_by} {until}".rstrip())
    elif withdraw:
        shares.withdraw(stored, account, by())
        print_done(f"{stored.name} is not shared with {account} any more.")
    else:
        until_utc = utc_now() + timedelta(days=days) if days else None
        shares.share(stored, account, by(), until_utc)
        print_done(f"{account} may read {stored.name}.")
