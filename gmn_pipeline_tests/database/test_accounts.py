"""Accounts: who may do what, by which token, and what is known of it afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from gmn_pipeline.cli.accounts import app
from gmn_pipeline.clock import utc_now
from gmn_pipeline.database import accounts as module
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.sign_ins import FirstSignIn, Identity, SignInStore
from gmn_pipeline.database.tables import TOKENS
from gmn_pipeline.errors import AccountRefused, Denied
from gmn_pipeline.schemas.accounts import NOBODY, Right, Role
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.postgres import PostgresServer

DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Settings(
        data_dir=tmp_path, database_url=server.new_database(),
        database_password=server.password,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def store(settings: Settings) -> AccountStore:
    return AccountStore(open_database(settings))


@pytest.fixture
def in_file(tmp_path: Path) -> AccountStore:
    return AccountStore(open_database(Settings(data_dir=tmp_path)))


def rights(store: AccountStore, secret: str, project: str = "cams") -> set[Right]:
    caller = store.caller(secret)
    return {right for right in Right if caller.may(right, project)}


def test_a_role_has_its_rights_and_those_below_and_none_elsewhere(store: AccountStore) -> None:
    assert not store.has_accounts()
    store.make("ada", "root")
    assert store.has_accounts()
    secret = store.make_token("ada", "root", DAY)
    assert rights(store, secret) == set()
    expected: set[Right] = set()
    for role, right in zip(Role, Right, strict=True):
        store.set_role("ada", "cams", role, "root")
        expected.add(right)
        assert rights(store, secret) == expected
        assert rights(store, secret, "other") == set()
        assert store.roles("cams") == {"ada": role}
    assert store.caller(secret).may(Right.READ, "other", is_public=True)
    assert not store.caller(secret).may(Right.WRITE, "other", is_public=True)
    store.set_role("ada", "cams", None, "root")
    assert rights(store, secret) == set()
    assert [e.detail for e in store.events() if e.kind == "role"] == [
        "none", "owner", "processor", "contributor", "reader",
    ]  # fmt: skip


def test_an_operator_may_do_everything_but_not_by_a_token_for_less(store: AccountStore) -> None:
    store.make("op", "root", is_operator=True)
    assert rights(store, store.make_token("op", "root", DAY)) == set(Right)
    assert store.caller(store.make_token("op", "root", DAY)).may_make_projects()
    narrow = store.make_token("op", "root", DAY, project="cams", most=Role.CONTRIBUTOR)
    assert rights(store, narrow) == {Right.READ, Right.WRITE}
    assert rights(store, narrow, "other") == set()
    assert not store.caller(narrow).may_make_projects()


def test_a_token_is_known_to_its_holder_only_and_ends(store: AccountStore) -> None:
    store.make("ada", "root", is_operator=True)
    secret = store.make_token("ada", "root", DAY, label="camera")
    (token,) = store.tokens("ada")
    assert (token.label, token.last_used_on_utc) == ("camera", None)
    with store._database.reading() as connection:
        assert connection is not None
        assert secret not in str(connection.execute(select(TOKENS)).all())
    assert store.caller(secret).account == "ada"
    assert store.tokens()[0].last_used_on_utc is not None
    for wrong in ("", "gmn_", secret[:-1], secret + "x", secret.upper()):
        assert store.caller(wrong) == NOBODY
    with patch.object(module, "utc_now", lambda: utc_now() + DAY):
        assert store.caller(secret) == NOBODY
    store.disable("ada", "root")
    assert store.caller(secret) == NOBODY
    store.enable("ada", "root")
    assert store.caller(secret).account == "ada"
    store.revoke_token(token.token_id, "root")
    assert store.caller(secret) == NOBODY
    assert [event.kind for event in store.events()] == [
        "token revoked", "enabled", "disabled", "token", "made",
    ]  # fmt: skip


def test_what_there_is_not_is_told(store: AccountStore) -> None:
    store.make("ada", "root")
    with pytest.raises(AccountRefused, match="already"):
        store.make("ada", "root")
    with pytest.raises(AccountRefused, match="no account 'bob'"):
        store.set_role("bob", "cams", Role.READER, "root")
    with pytest.raises(AccountRefused, match="no token 7"):
        store.revoke_token(7, "root")
    with pytest.raises(AccountRefused, match="no name of an account"):
        store.make("Ada Lovelace", "root")
    with pytest.raises(AccountRefused, match="Roles are reader"):
        Role.parse("boss")


def test_what_was_denied_is_in_the_log(in_file: AccountStore) -> None:
    in_file.log_denial(NOBODY, "cams", "PUT /objects/cams/ff/a")
    (event,) = in_file.events()
    assert (event.kind, event.project) == ("denied", "cams")


def test_who_signs_in_twice_at_once_gets_one_account(settings: Settings) -> None:
    sign_ins, accounts = (kind(open_database(settings)) for kind in (SignInStore, AccountStore))
    ada = Identity("https://id.example.org", "1", "ada")
    first = FirstSignIn(operator="ada", roles={"cams": Role.READER})
    accounts.has_accounts()
    with ThreadPoolExecutor(4) as threads:
        secrets = list(threads.map(lambda _: sign_ins.sign_in(ada, first, DAY), range(4)))
    sessions = [sign_ins.session(secret) for secret in secrets]
    assert {session.caller.account for session in sessions if session} == {"ada"}
    assert all(s is not None and s.caller.is_operator and s.caller.roles for s in sessions)
    assert [one.name for one in accounts.accounts()] == ["ada"]
    # Renamed at the provider, it is the same one; the second that wants to be operator is none.
    again = sign_ins.sign_in(Identity(ada.issuer, "1", "eve"), first, DAY)
    told = sign_ins.session(again)
    assert told is not None
    assert told.caller.account == "ada"
    eve = Identity(ada.issuer, "2", "eve")
    assert sign_ins.session(sign_ins.sign_in(eve, FirstSignIn(operator="eve"), DAY)) is not None
    assert [one.is_operator for one in accounts.accounts()] == [True, False]
    for who, rule in (
        (Identity(ada.issuer, "3", "ada"), first), (Identity(ada.issuer, "3", "Fi X"), first),
        (Identity("https://other.example.org", "1", "ada"), first),
        (Identity(ada.issuer, "3", "new"), FirstSignIn(makes_accounts=False)),
    ):  # fmt: skip
        with pytest.raises(Denied):
            sign_ins.sign_in(who, rule, DAY)
    sign_ins.end(again)
    assert sign_ins.session(again) is None
    accounts.set_operator("ada", "root", is_operator=False)
    told = sign_ins.session(secrets[0])
    assert told is not None
    assert not told.caller.is_operator
    assert sign_ins.end_all("ada", "root") == 4
    with pytest.raises(AccountRefused, match="is the account eve already"):
        sign_ins.link("ada", ada.issuer, "2", "root")
    with pytest.raises(AccountRefused, match="no account 'bob'"):
        sign_ins.link("bob", ada.issuer, "9", "root")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("GMN_DATA_DIR", str(tmp_path))
    return CliRunner()


def test_the_commands_do_it(command: CliRunner, in_file: AccountStore) -> None:
    def says(*arguments: str) -> str:
        done = command.invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    says("add", "ada")
    says("grant", "ada", "cams", "contributor")
    secret = says("token", "ada", "--label", "[red]camera", "--role", "reader").strip()
    assert rights(in_file, secret) == {Right.READ}
    assert "[red]camera" in says("tokens")
    assert "contributor" in says("ls", "cams")
    says("revoke-token", "1")
    says("revoke", "ada", "cams")
    says("operator", "ada")
    assert "operator" in says("ls")
    says("operator", "ada", "--no")
    assert "operator" not in says("ls")
    says("link", "ada", "subject 1", "--issuer", "https://id.example.org")
    assert "Ended 0 sessions" in says("sign-out", "ada")
    says("disable", "ada")
    assert "disabled" in says("ls")
    assert "token revoked" in says("log")
    assert secret not in says("log") + says("tokens")
