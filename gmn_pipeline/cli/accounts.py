"""`gmn accounts`: who may do what in the lake of objects.

What belongs here: commands and sentences. What does not: what rights there are
(`schemas/accounts.py`). Whoever may write the data folder may run these.
"""

import getpass
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gmn_pipeline.cli.console import console
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.sign_ins import SignInStore
from gmn_pipeline.errors import AccountRefused, SettingsError
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import checked_place
from gmn_pipeline.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Who may do what with objects."
)

_Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name of the account.")]
_Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]


def _store() -> AccountStore:
    return AccountStore(open_database(load_settings()))


@app.command()
def add(
    account: _Name,
    *,
    operator: Annotated[bool, typer.Option(help="It may do everything, in all projects.")] = False,
) -> None:
    """Make an account. With the first one, who asks over HTTP has to say who it is."""
    _store().make(account, getpass.getuser(), is_operator=operator)
    console.print(f"Made {account}. It needs a token: 'gmn accounts token {account}'.")


@app.command()
def disable(account: _Name) -> None:
    """Let an account do nothing any more; its tokens stay, of no use."""
    _store().disable(account, getpass.getuser())
    console.print(f"{account} may do nothing any more.")


@app.command()
def enable(account: _Name) -> None:
    """Let an account do again what it may."""
    _store().enable(account, getpass.getuser())
    console.print(f"{account} may do again what it may.")


@app.command()
def operator(
    account: _Name,
    *,
    no: Annotated[bool, typer.Option("--no", help="Not any more.")] = False,
) -> None:
    """Let an account do everything, in all projects."""
    _store().set_operator(account, getpass.getuser(), is_operator=not no)
    console.print(f"{account} is {'no' if no else 'an'} operator.")


@app.command()
def link(
    account: _Name,
    subject: Annotated[str, typer.Argument(help="Who it is there: the claim 'sub'.")],
    *,
    issuer: Annotated[
        str | None, typer.Option(help="The provider; without it the one of GMN_SIGN_IN_ISSUER.")
    ] = None,
) -> None:
    """Let somebody who signs in by a provider be this account."""
    settings = load_settings()
    provider = issuer or settings.sign_in_issuer
    if not provider:
        raise SettingsError(
            "It is not known which provider is meant.",
            remedy="Set GMN_SIGN_IN_ISSUER, or give --issuer.",
        )
    store = SignInStore(open_database(settings))
    store.link(account, provider, subject, getpass.getuser())
    console.print(f"Who signs in as {subject} is {account}.", markup=False)


@app.command("sign-out")
def sign_out(account: _Name) -> None:
    """End all sessions of an account, in whatever browsers they are; its tokens stay."""
    ended = SignInStore(open_database(load_settings())).end_all(account, getpass.getuser())
    console.print(f"Ended {ended:,} sessions of {account}.")


@app.command()
def grant(
    account: _Name,
    project: _Project,
    role: Annotated[str, typer.Argument(help="reader, contributor, processor or owner.")],
) -> None:
    """Give an account a role in a project, instead of the one that it has."""
    given = Role.parse(role)
    _store().set_role(account, checked_place(project, "project"), given, getpass.getuser())
    console.print(f"{account} is {given.name.lower()} of {project}.")


@app.command()
def revoke(account: _Name, project: _Project) -> None:
    """Take an account's role in a project."""
    _store().set_role(account, project, None, getpass.getuser())
    console.print(f"{account} has no role in {project}.")


@app.command()
def token(
    account: _Name,
    *,
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="Days that it is valid.")] = 90,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    project: Annotated[str | None, typer.Option(help="The only project it is for.")] = None,
    role: Annotated[str, typer.Option(help="The highest role that it stands for.")] = "owner",
) -> None:
    """Make a token for an account, and show it this once."""
    secret = _store().make_token(
        account, getpass.getuser(), timedelta(days=days), label=label,
        project=checked_place(project, "project") if project else None, most=Role.parse(role),
    )  # fmt: skip
    console.print(secret, markup=False, highlight=False, soft_wrap=True)


@app.command()
def tokens(
    account: Annotated[str | None, typer.Argument(help="Of one account only.")] = None,
) -> None:
    """List tokens, without what makes them work."""
    rows = [
        (
            str(one.token_id), one.account, one.label, one.project or "all",
            one.most.name.lower(), f"{one.expires_at_utc:%Y-%m-%d %H:%M}",
            "revoked" if one.revoked_at_utc else "",
            f"{one.last_used_on_utc:%Y-%m-%d %H:%M}" if one.last_used_on_utc else "never",
        )
        for one in _store().tokens(account)
    ]  # fmt: skip
    _show(("token", "account", "label", "project", "role", "expires", "", "last used"), rows)


@app.command("s3-key")
def s3_key(
    number: Annotated[int, typer.Argument(help="A token, by 'gmn accounts tokens'.")],
) -> None:
    """Show a token as an access key of S3, for 'gmn objects s3': what it may, and for how long, is
    what the token may."""
    from gmn_pipeline.serving.s3.access_keys import AccessKeys, access_key

    settings = load_settings()
    key = access_key(number)
    found = AccessKeys(settings, _store()).find(key)
    if settings.s3_secret is None:
        raise SettingsError(
            "Secrets of access keys are made of GMN_S3_SECRET, which is not set.",
            remedy="Set it to what nobody can guess, here and for 'gmn objects s3': 'openssl rand "
            "-base64 33' makes such.",
        )
    if found is None:
        raise AccountRefused(
            f"There is no token {number} that holds.", remedy="'gmn accounts tokens' lists them."
        )
    for name, value in (("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", found[1])):
        console.print(f"{name}={value}", markup=False, highlight=False, soft_wrap=True)


@app.command("revoke-token")
def revoke_token(
    number: Annotated[int, typer.Argument(help="Its number, by 'gmn accounts tokens'.")],
) -> None:
    """Let a token be of no use any more."""
    _store().revoke_token(number, getpass.getuser())
    console.print(f"Token {number} is of no use any more.")


@app.command("ls")
def list_accounts(
    project: Annotated[str | None, typer.Argument(help="Roles in this project.")] = None,
) -> None:
    """List accounts, or who has a role in a project."""
    store = _store()
    if project is not None:
        roles = store.roles(project)
        _show(("account", "role"), [(name, role.name.lower()) for name, role in roles.items()])
        return
    rows = [
        (
            one.name, "operator" if one.is_operator else "",
            "disabled" if one.disabled_at_utc else "",
        )
        for one in store.accounts()
    ]  # fmt: skip
    _show(("account", "", ""), rows)


@app.command()
def log(
    most: Annotated[int, typer.Option(min=1, help="So many, the newest first.")] = 50,
) -> None:
    """What was changed of rights, and what was denied."""
    rows = [
        (f"{e.at_utc:%Y-%m-%d %H:%M:%S}", e.kind, e.account, e.project, e.detail, e.by)
        for e in _store().events(most)
    ]
    _show(("UTC", "what", "account", "project", "", "by"), rows)


def _show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*heads, box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
