"""Signing in by a real provider of OpenID Connect, and what a session may and may not."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database import sign_ins as sign_ins_module
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.sign_ins import SignInStore
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.serving.accounts.provider import Provider
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.browser import chromium, visitor
from gmn_pipeline_tests.support.objects import object_bench, settings_of
from gmn_pipeline_tests.support.oidc import (
    CLIENT,
    OidcProvider,
    Person,
    oidc_provider,
    parameters,
    sign_in_settings,
)
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import Server, serving

OBJECT = "/objects/cams/ff/a"


@dataclass
class Signing:
    server: Server
    provider: OidcProvider
    settings: Settings

    @property
    def accounts(self) -> AccountStore:
        return AccountStore(open_database(self.settings))

    def person(self) -> Person:
        return Person(self.server)

    def log(self, kind: str) -> list[str]:
        return [f"{e.account} {e.detail}".strip() for e in self.accounts.events(1_000)
                if e.kind == kind]  # fmt: skip


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    settings = settings_of(tmp_path_factory.mktemp("signing"))
    object_bench(settings).put("a", b"x")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with oidc_provider(url) as provider:
        told = sign_in_settings(
            provider, url, sign_in_operator="olga", sign_in_first_roles="cams:reader",
            sign_in_per_minute=1_000,
        )  # fmt: skip
        with serving(settings, port=port, **told) as server:
            yield Signing(server, provider, settings)


def test_somebody_signs_in_acts_and_signs_out(signing: Signing) -> None:
    ada, url = signing.person(), signing.server.url
    assert ada.ask("/account").json["account"] is None
    assert ada.ask(OBJECT).status == 401
    back = ada.sign_in("Ada", "/objects?x=1#y")
    assert (back.status, back.headers["Location"]) == (303, "/objects?x=1#y")
    session = ada.session
    assert set(ada.cookies) == {"gmn_session", "gmn_id_token"}
    cookie = next(c for c in back.headers.get_all("Set-Cookie") or [] if session in c)
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert back.headers["Cache-Control"] == "no-store"
    said = ada.ask("/account").json
    assert (said["account"], said["roles"]) == ("ada", {"cams": "reader"})
    assert session not in str(said)
    assert ada.ask(OBJECT).body == b"x"
    assert ada.ask(OBJECT, "PUT", b"y").status == 403  # a reader
    signing.accounts.set_role("ada", "cams", Role.CONTRIBUTOR, "test")
    put = ada.ask(OBJECT, "PUT", b"y")
    assert put.status in (200, 201)
    assert ada.ask("/objects/_operations/cams/ff/a").json["operations"][0]["by"] == "ada"
    # Once more, in the same browser: the session before is over.
    first = {"gmn_session": session}
    ada.at_provider.cookies.clear()
    assert ada.sign_in("Ada").status == 303
    assert Person(signing.server, first).ask(OBJECT).status == 401
    other = Person(signing.server, dict(ada.cookies))
    assert other.ask(OBJECT).body == b"y"
    out = ada.ask("/account/sign-out", "POST")
    assert (out.status, out.headers["Cache-Control"]) == (200, "no-store")
    assert not ada.cookies
    at_provider = parameters(out.json["at_provider"])
    assert at_provider["client_id"] == CLIENT
    assert at_provider["post_logout_redirect_uri"] == f"{url}/"
    assert at_provider["id_token_hint"].count(".") == 2
    assert other.ask(OBJECT).status == 401
    assert other.ask("/account").json["account"] is None
    assert not other.cookies  # the browser is told that its session is none
    assert other.ask("/account/sign-out", "POST").status == 204  # nobody was signed in
    assert signing.log("signed in")[0] == "ada"
    assert signing.log("signed out")[0] == "ada"
    assert signing.log("linked")[0] == f"ada Ada of {signing.provider.issuer}"
    assert "ada PUT /objects/cams/ff/a" in signing.log("denied")
    folder = signing.settings.data_dir
    kept = b"".join(p.read_bytes() for p in folder.glob("ledger.sqlite*"))
    assert session.encode() not in kept
    assert url not in said["sign_in"]


def test_a_cookie_alone_changes_nothing(signing: Signing) -> None:
    bob = signing.person()
    bob.sign_in("bob")
    signing.accounts.set_role("bob", "cams", Role.OWNER, "test")
    own = signing.server.url
    ways: list[dict[str, str]] = [
        {"Origin": "https://example.org"}, {"Origin": "null"}, {"Origin": ""},
        {"Origin": own, "Sec_Fetch_Site": "cross-site"},
        {"Origin": own, "Sec_Fetch_Site": "same-site"},
        {"Origin": own, "Sec_Fetch_Site": "none"},
        {"Origin": f"http://127.0.0.1:{signing.server.port + 1}"},
        {"Origin": own.replace("http:", "https:")},
        # Going there by a link or form of another site.
        {"Origin": "https://example.org", "Sec_Fetch_Site": "cross-site",
         "Sec_Fetch_Mode": "navigate"},
    ]  # fmt: skip
    before = bob.ask(OBJECT).body
    for way in ways:
        refused = bob.ask(OBJECT, "PUT", b"bad", **way)
        assert (refused.status, refused.json["type"][16:]) == (403, "of-another-site"), way
        assert bob.ask("/account/sign-out", "POST", **way).status == 403, way
    headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in bob.cookies.items())}
    bare = signing.server.get(OBJECT, method="PUT", headers=headers, body=b"bad")
    assert bare.status == 403  # nothing says where it comes from
    assert bob.ask(OBJECT).body == before
    for way in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://example.org"}):
        assert bob.ask(OBJECT, **way).status == 403, way
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert bob.ask(OBJECT, **followed).status == 200
    for way in ({"Sec_Fetch_Site": "same-origin"}, {}):
        assert bob.ask(OBJECT, "PUT", b"good", **way).status in (200, 201), way
    # A token is not sent by browsers by themselves, so it may come from anywhere.
    secret = signing.accounts.make_token("bob", "test", timedelta(days=1))
    token = {"Authorization": f"Bearer {secret}", "Origin": "https://example.org"}
    assert signing.server.get(OBJECT, headers=token).status == 200


def test_what_is_no_answer_to_this_sign_in_is_refused(signing: Signing) -> None:
    def refused(person: Person, address: str) -> str:
        reply = person.ask(address, Accept="application/json")
        assert reply.status == 403, reply.body
        assert not any("session" in name for name in person.cookies)
        return str(reply.json["detail"])

    carl = signing.person()
    back = carl.consent(carl.begin(), "carl")
    assert "no sign-in" in refused(signing.person(), back)  # another browser
    kept = dict(carl.cookies)
    assert "another sign-in" in refused(carl, back.replace("state=", "state=x"))
    assert "no sign-in" in refused(carl, back)  # that was the one attempt
    carl.cookies = dict(kept)
    assert "service than" in refused(carl, back.replace("iss=", "iss=x"))
    carl.cookies = dict(kept)
    assert "service than" in refused(carl, back[: back.index("&iss=")])
    carl.cookies = dict(kept)
    assert carl.ask(back).status == 303
    again = Person(signing.server, dict(kept))
    assert "does not take the code" in refused(again, back)  # replayed

    # The code of one sign-in with the verifier (PKCE) or the nonce of another.
    for part, said in (("verifier", "does not take the code"), ("nonce", "nonce")):
        dora = signing.person()
        back = dora.consent(dora.begin(), "dora")
        text = json.loads(base64.urlsafe_b64decode(dora.cookies["gmn_sign_in"]))
        text[part] = "x" * 43
        dora.cookies["gmn_sign_in"] = base64.urlsafe_b64encode(json.dumps(text).encode()).decode()
        assert said in refused(dora, back), part

    erin = signing.person()
    state = parameters(erin.begin())["state"]
    gone = f"/account/signed-in?state={state}&iss={signing.provider.issuer}"
    kept = dict(erin.cookies)
    denied = f"{gone}&error=access_denied&error_description=%3Cb%3ENo"
    page = erin.ask(denied, Accept="text/html")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"&lt;b&gt;No" in page.body
    assert b"<b>" not in page.body
    erin.cookies = dict(kept)
    assert "no code" in refused(erin, gone)
    for junk in ("", "!", "e30=", "bnVsbA=="):
        erin.cookies = {"gmn_sign_in": junk}
        assert "no sign-in" in refused(erin, gone)
    assert len(signing.log("sign-in refused")) > 9
    # A redirect elsewhere is none that the provider takes.
    address = carl.begin()
    wrong = carl.at_provider.get(address.replace("signed-in", "elsewhere"))
    assert wrong.status_code == 400


def test_one_comes_back_to_this_server_only(signing: Signing) -> None:
    for bad in ("//example.org", "/\\example.org", "https://example.org", "x", "/a\nb", "/" * 9):
        fay = signing.person()
        assert fay.sign_in("fay", bad).headers["Location"] == "/", bad


def test_who_has_a_name_is_not_who_has_the_account(signing: Signing) -> None:
    signing.accounts.make("gil", "test", is_operator=True)
    gil = signing.person()
    refused = gil.sign_in("gil")
    assert refused.status == 403
    assert "gmn accounts link gil gil" in refused.json["detail"]
    store = SignInStore(open_database(signing.settings))
    store.link("gil", signing.provider.issuer, "gil", "test")
    gil.at_provider.cookies.clear()
    assert gil.sign_in("gil").status == 303
    assert gil.ask("/account").json["is_operator"]
    # What a proxy asks before it lets somebody through.
    may = gil.ask("/account/operator")
    assert (may.status, may.headers["GMN-Account"]) == (204, "gil")
    post = {"X_Original_Method": "POST"}
    assert gil.ask("/account/operator", **post).status == 403  # not known to be of our page
    assert gil.ask("/account/operator", Sec_Fetch_Site="same-origin", **post).status == 204
    assert gil.ask("/account/operator", Origin="https://example.org").status == 403
    hal = signing.person()
    assert hal.ask("/account/operator").status == 401
    hal.sign_in("hal")
    assert hal.ask("/account/operator").status == 403
    assert "hal what only operators may" in signing.log("denied")
    # There is an operator: who has the name that becomes one becomes none.
    olga = signing.person()
    olga.sign_in("olga")
    assert not olga.ask("/account").json["is_operator"]
    signing.accounts.disable("olga", "test")
    assert olga.ask("/account").json["account"] is None
    olga.at_provider.cookies.clear()
    assert "disabled" in olga.sign_in("olga").json["detail"]


def test_a_session_ends(signing: Signing) -> None:
    ivy = signing.person()
    ivy.sign_in("ivy")
    store = SignInStore(open_database(signing.settings))
    secret = ivy.session
    assert store.session(secret) is not None
    later = utc_now() + timedelta(hours=12, seconds=1)
    with patch.object(sign_ins_module, "utc_now", return_value=later):
        assert store.session(secret) is None
    assert store.end_all("ivy", "test") == 1
    assert ivy.ask("/account").json["account"] is None
    assert store.session("") is None


def test_a_person_signs_in_and_out_in_the_portal(signing: Signing) -> None:
    with chromium() as browser, visitor(browser, signing.server.url) as guest:
        page = guest.page
        page.route("https://fonts.googleapis.com/**", lambda route: route.abort())  # the provider's
        guest.open("/objects/cams/ff?folder=")
        page.get_by_role("alert").wait_for()  # it is not public
        page.get_by_role("link", name="Sign in").click()
        page.get_by_placeholder("Enter any login").fill("jo")
        page.get_by_placeholder("and password").fill("any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{signing.server.url}/objects/cams/ff?folder=")
        page.locator("header").get_by_text("jo", exact=True).wait_for()
        page.get_by_role("link", name="a", exact=True).wait_for()
        assert page.evaluate("document.cookie") == ""
        signing.accounts.set_role("jo", "cams", Role.CONTRIBUTOR, "test")
        guest.open("/objects/cams/ff?object=a")
        page.get_by_role("button", name="Delete").wait_for()
        # What is shared with one person.
        for name, said in (("jo", "jo, by jo"), ("nobody", "There is no account 'nobody'.")):
            page.get_by_label("Account").fill(name)
            page.get_by_role("button", name="Share", exact=True).click()
            page.get_by_text(said).wait_for()
        assert not guest.barriers()
        signing.accounts.set_role("jo", "cams", None, "test")
        guest.open("/objects")
        page.get_by_role("link", name="a", exact=True).click()
        page.get_by_role("link", name="Download").wait_for()
        assert not page.get_by_role("alert").count()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Yes, sign me out").click()  # the provider asks
        page.wait_for_url(f"{signing.server.url}/")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_placeholder("Enter any login").wait_for()  # it does not know who it was


def test_where_one_signs_out_at_the_provider(signing: Signing) -> None:
    url = signing.server.url

    def address(told: dict[str, object] | None, id_token: str | None = "t", **more: object) -> str:
        said: Any = sign_in_settings(signing.provider, url, **more)
        provider = Provider(Settings(**said), url)
        away = None if told is not None else Problem(503, "sign-in-unavailable", "")
        with patch.object(provider, "_metadata", return_value=told, side_effect=away):
            return provider.end_address(id_token) or ""

    there: dict[str, object] = {"end_session_endpoint": "http://127.0.0.1/end?a=b"}
    assert parameters(address(there)) == {
        "a": "b", "id_token_hint": "t", "client_id": CLIENT, "post_logout_redirect_uri": f"{url}/",
    }  # fmt: skip
    assert "id_token_hint" not in address(there, None)  # it was longer than a cookie
    assert address(there, sign_in_ends_at_provider=False) == ""
    assert address({}) == ""  # it has none
    assert address(None) == ""  # it is away: signed out here all the same
    assert address({"end_session_endpoint": 1}) == ""


def test_only_what_the_provider_signed_for_us_now_is_believed(signing: Signing) -> None:
    url, key = signing.server.url, signing.provider.key
    told = sign_in_settings(signing.provider, url)
    provider = Provider(Settings(**told), url)  # type: ignore[arg-type]
    now = int(time.time())
    right: dict[str, Any] = {
        "iss": signing.provider.issuer, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 60,
        "nonce": "n",
    }  # fmt: skip

    def says(key: Any = key, algorithm: str = "RS256", **more: Any) -> str:
        claims = {n: v for n, v in (right | more).items() if v is not None}
        header = {"alg": algorithm, "kid": "of-the-tests"}
        token = jwt.encode(header, claims, key, algorithms=[algorithm])
        try:
            provider.believed({"id_token": token}, "n")
        except Problem as problem:
            return f"{problem.status} {problem.detail}"
        return ""

    assert says() == ""
    assert says(aud=[CLIENT, "another"], azp=CLIENT) == ""
    wrong: list[dict[str, Any]] = [
        {"aud": "another"}, {"aud": None}, {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://example.org"}, {"iss": None}, {"sub": None}, {"sub": ""}, {"sub": 1},
        {"nonce": "m"}, {"nonce": None}, {"exp": None}, {"iat": None},
    ]  # fmt: skip
    for one in wrong:
        assert says(**one).startswith("403 "), one
    for clock_s in (-50, 50):  # of the provider's clock against ours
        assert says(iat=now + clock_s, exp=now + clock_s + 5) == "", clock_s
    assert says(exp=now - 70, iat=now - 80)
    assert says(iat=now + 70, exp=now + 90)
    assert says(nbf=now + 70)
    other = RSAKey.generate_key(2048, {"kid": "of-the-tests"})
    assert says(key=other)
    # What is signed by a secret that is none (its public key), and what is not signed at all.
    for algorithm in ("HS256", "none"):
        parts = [{"alg": algorithm, "kid": "of-the-tests"}, right]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        secret = key.as_pem(private=False)
        proof = hmac.digest(secret, text.encode(), "sha256") if algorithm == "HS256" else b""
        with pytest.raises(Problem):
            provider.believed({"id_token": f"{text}.{_base64(proof)}"}, "n")
    with pytest.raises(Problem) as refused:
        provider.believed({}, "n")
    assert "no ID token" in refused.value.detail


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
