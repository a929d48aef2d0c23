"""Signing in where it cannot be: a provider that is away, settings that lack something."""

import pytest
from pydantic import ValidationError
from starlette.responses import Response

from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.serving.accounts.provider import Provider
from gmn_pipeline.serving.accounts.service import Signing
from gmn_pipeline.serving.app import build_app
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.in_process import asking
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.oidc import Person, oidc_provider, sign_in_settings
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import serving


def test_a_provider_that_is_away_is_told_of_and_attempts_are_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = settings_of(tmp_path_factory.mktemp("away"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with oidc_provider(url) as provider:
        told = sign_in_settings(
            provider, url, sign_in_name_claim="email", sign_in_makes_accounts=True,
            sign_in_per_minute=9,
        )  # fmt: skip
        with serving(settings, port=port, **told) as server:
            # With sign-in, nobody is trusted for being on this machine, accounts or not.
            assert server.get("/objects/new", method="PUT", body=b"{}").status == 401
            ada, eve = Person(server), Person(server)
            assert ada.sign_in("ada").status == 303
            assert ada.ask("/account").json["account"] == "ada@example.org"
            refused = eve.sign_in("eve")
            assert (refused.status, "not verified" in refused.json["detail"]) == (403, True)
            back = eve.consent(eve.begin(), "ben")
            provider.end()
            away = eve.ask(back, Accept="text/html")
            assert (away.status, b"cannot be reached" in away.body) == (503, True)
            assert away.headers["Retry-After"]
            assert ada.ask("/account").json["account"]  # who is there stays
            for _ in range(9):
                last = server.get("/account/sign-in", headers={"Accept": "text/html"})
            assert (last.status, b"Too many sign-ins" in last.body) == (429, True)
            assert int(last.headers["Retry-After"]) <= 60
    with pytest.raises(Problem) as away_before:  # never heard of
        Provider(Settings(**told), url).begin()  # type: ignore[arg-type]
    assert away_before.value.status == 503


def test_settings_that_cannot_be_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_of(tmp_path_factory.mktemp("unset"))
    database = open_database(settings)
    issuer = "https://id.example.org"
    with pytest.raises(SettingsError, match="GMN_SERVE_URL"):
        Signing(settings.model_copy(update={"sign_in_issuer": issuer}), database)
    given = {"sign_in_issuer": issuer, "serve_url": "https://example.org"}
    with pytest.raises(SettingsError, match="CLIENT_ID"):
        Signing(settings.model_copy(update=given), database)
    safe = Signing(settings.model_copy(update={**given, "sign_in_client_id": "gmn"}), database)
    answer = Response()
    safe.cookies.keep_session(answer, "secret", 60)
    said = answer.headers["Set-Cookie"]
    assert said.startswith("__Host-gmn_session=secret;")
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(said.split("; "))
    for bad in ("http://id.example.org", "ftp://x", "https://", "https://a@id.example.org"):
        with pytest.raises(ValidationError):
            Settings(sign_in_issuer=bad)
    with pytest.raises(ValidationError):
        Settings(sign_in_first_roles="cams:king")
    with asking(build_app(settings, is_on_loopback=True)) as ask:
        assert ask("GET", "/account/sign-in").status_code == 404
        assert ask("GET", "/account").json()["sign_in"] is None
        assert ask("GET", "/account/operator").status_code == 204  # of this machine
        assert 'name="sign-in"' not in ask("GET", "/sql").text
