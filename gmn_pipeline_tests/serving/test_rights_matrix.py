"""Every address by everybody: what the OpenAPI document says that it needs is what happens.

Generated: an address that does not say what it needs fails here, and so does a need without a rule.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.dashboards import DashboardStore
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.sign_ins import FirstSignIn, Identity, SignInStore
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.serving.app import build_app
from gmn_pipeline.serving.dashboards.rights import WRITES_SOMEWHERE
from gmn_pipeline.serving.portal.routes import FOR_BROWSERS
from gmn_pipeline_tests.support.dashboards import document
from gmn_pipeline_tests.support.in_process import Ask, asking
from gmn_pipeline_tests.support.objects import object_bench, settings_of

DAY = timedelta(days=1)
URL = "http://127.0.0.1:8001"
ALL = {role.name.lower() for role in Role} | {"operator"}
MAY: Mapping[str, set[str]] = {
    "read": ALL, "write": ALL - {"reader"}, "process": {"processor", "owner", "operator"},
    "manage": {"owner", "operator"}, "make_projects": {"operator"},
    "somewhere": ALL - {"reader"},  # what is changed by these addresses here is of `cams`
}  # fmt: skip
"""What is needed -> who may, of those that have a role in the project."""
OPEN = {"nothing", "list", "link"}
"""What everybody may: the answer depends on who asks, or on the address."""
WRITTEN_BY_ALL = {
    "tap_sync_POST", "tap_jobs_POST", "tap_job_POST", "tap_job_DELETE", "tap_job_phase_POST",
    "tap_job_executionduration_POST", "tap_job_destruction_POST", "tap_job_parameters_POST",
    "account_sign_out",
}  # fmt: skip
"""Addresses that take something from everybody: jobs of the Virtual Observatory belong to who knows
their number."""
REFUSALS = {"token-wanted", "not-permitted", "of-another-site"}


@dataclass(frozen=True)
class Asker:
    """Who asks. `is`: what they are in `cams`, as far as they show it; empty for nobody."""

    name: str
    role: str
    headers: Mapping[str, str]
    is_known: bool = True
    writes_elsewhere: bool = False
    is_operator: bool = False
    """Without a limit to one project."""

    def may(self, needs: str) -> bool:
        if needs == WRITES_SOMEWHERE:
            return self.writes_elsewhere or self.may("write")
        return self.role in MAY[needs]


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    needs: str | None


@dataclass(frozen=True)
class Matrix:
    app: Starlette
    database: Database
    ask: Ask
    operations: list[Operation]
    askers: list[Asker]

    def request(self, operation: Operation, asker: Asker, project: str, upload: str) -> Any:
        values = {"project": project, "container": "ff", "name": "a", "object_id": "1",
                  "version": "1", "upload": upload}  # fmt: skip
        path = re.sub(r"{(\w+)}", lambda found: values.get(found[1], "a"), operation.path)
        return self.ask(operation.method, path, headers={**TUS, **asker.headers})

    def upload(self) -> str:
        """One that nobody has gone on with."""
        (operator,) = (one for one in self.askers if one.name == "token of operator")
        answer = self.ask("POST", "/objects/_uploads", headers={**TUS, **operator.headers})
        return str(answer.headers["location"]).rpartition("/")[2]


TUS = {
    "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0",
    "X-HTTP-Method-Override": "PATCH",
    "Tus-Resumable": "1.0.0", "Upload-Length": "1",
    "Upload-Metadata": f"name {base64.b64encode(b'cams/ff/u').decode()}",
}  # fmt: skip


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    settings = settings_of(
        tmp_path_factory.mktemp("matrix"), serve_url=URL, sign_in_client_id="gmn",
        sign_in_issuer="https://id.example.org", serve_requests_per_minute=1_000_000,
    )  # fmt: skip
    bench = object_bench(settings)
    bench.put("a", b"x")
    for project, is_public in (("open", True), ("other", False)):
        bench.catalogue.make_project(project, By("test"), is_public=is_public)
        bench.catalogue.make_container(project, "ff", By("test"))
    app = build_app(settings)
    with asking(app, URL) as ask:
        paths: dict[str, Any] = ask("GET", "/openapi.json").json()["paths"]
        operations = [
            Operation(told["operationId"], method.upper(), path, told.get("x-gmn-needs"))
            for path, methods in paths.items()
            for method, told in methods.items()
        ]
        yield Matrix(app, bench.database, ask, operations, list(askers(bench.database)))


def askers(database: Any) -> Iterator[Asker]:
    """Everybody, by token and by browser."""
    accounts, sign_ins = AccountStore(database), SignInStore(database)

    def session(account: str) -> str:
        return sign_ins.sign_in(Identity("https://id", account, account), FirstSignIn(), DAY)

    def token(account: str, **more: Any) -> dict[str, str]:
        secret = accounts.make_token(account, "test", DAY, **more)
        return {"Authorization": f"Bearer {secret}"}

    def browser(secret: str, site: str = "same-origin") -> dict[str, str]:
        return {"Cookie": f"gmn_session={secret}", "Sec-Fetch-Site": site}

    yield Asker("nobody", "", {}, is_known=False)
    yield Asker("a token that is none", "", {"Authorization": "Bearer gmn_x"}, is_known=False)
    yield Asker("a session that is none", "", browser("x"), is_known=False)
    for name in (*(role.name.lower() for role in Role), "operator", "of-another", "new"):
        sessions = session(name)
        if name.upper() in Role.__members__:
            accounts.set_role(name, "cams", Role.parse(name), "test")
        if name == "operator":
            accounts.set_operator(name, "test", is_operator=True)
        if name == "of-another":
            accounts.set_role(name, "other", Role.OWNER, "test")
        role = name if name in ALL else ""
        more = {"writes_elsewhere": name == "of-another", "is_operator": name == "operator"}
        yield Asker(f"token of {name}", role, token(name), **more)
        yield Asker(f"browser of {name}", role, browser(sessions), **more)
    yield Asker("owner as reader", "reader", token("owner", most=Role.READER))
    yield Asker("owner in another project", "", token("owner", project="other"))
    # Who may do all in one project makes no others.
    yield Asker("operator in cams", "owner", token("operator", project="cams"))
    contributor = token("operator", most=Role.CONTRIBUTOR)
    yield Asker("operator as contributor", "contributor", contributor, is_operator=True)
    gone = session("gone")
    accounts.disable("gone", "test")
    yield Asker("session of one who is gone", "", browser(gone), is_known=False)
    yield Asker("another site's page", "", browser(session("owner"), "cross-site"))


def test_every_address_says_what_it_needs(matrix: Matrix) -> None:
    unsaid = {
        one.id
        for one in matrix.operations
        if one.needs not in MAY.keys() | OPEN | {WRITES_SOMEWHERE}
    }
    assert not unsaid, "say what these need (Route.needs), and here who may"
    writing = {
        one.id for one in matrix.operations
        if one.needs in OPEN and one.method not in ("GET", "HEAD")
    }  # fmt: skip
    assert writing == WRITTEN_BY_ALL, "these take something from everybody"


def test_the_document_names_every_address(matrix: Matrix) -> None:
    told = {one.path for one in matrix.operations}
    pages = {route.address for route in FOR_BROWSERS}
    for route in matrix.app.routes:
        assert isinstance(route, StarletteRoute | WebSocketRoute)
        address = route.path.replace(":path}", "}")
        is_live = isinstance(route, WebSocketRoute) and address.endswith("/events.ws")
        assert address in told | pages or is_live, address


def test_who_may_do_what_is_what_happens(matrix: Matrix) -> None:
    wrong: list[str] = []
    for operation in matrix.operations:
        if operation.needs in OPEN:
            continue
        needs = operation.needs or ""
        upload = matrix.upload() if "{upload}" in operation.path else ""
        # Those that may not come first: what others delete cannot be refused.
        for asker in sorted(matrix.askers, key=lambda one: one.may(needs)):
            answer = matrix.request(operation, asker, "cams", upload)
            refused = 403 if asker.is_known else 401
            is_right = (
                answer.status_code not in (401, 403, 500)
                if asker.may(needs)
                else answer.status_code == refused
            )
            if not is_right:
                wrong.append(f"{operation.id}: {asker.name}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


def test_a_private_dashboard_is_to_others_as_if_there_were_none(matrix: Matrix) -> None:
    """Every address of one, also those that are still to come."""
    store = DashboardStore(matrix.database)
    private = store.make(document(), "operator", is_private=True).dashboard_id
    nothing = private[:-1] + ("a" if private[-1] != "a" else "b")
    told = {"dashboard_set_access": {"is_private": False}, "dashboard_share": {"with": "new"}}
    wrong: list[str] = []
    for operation in matrix.operations:
        if "{dashboard}" not in operation.path or operation.id == "portal_dashboard":
            continue
        body = json.dumps(told.get(operation.id, document()))
        for asker in (one for one in matrix.askers if not one.is_operator):
            answers = []
            for one in (private, nothing):
                path = operation.path.replace("{dashboard}", one)
                headers = {**asker.headers, "Content-Type": "application/json"}
                answer = matrix.ask(operation.method, path, headers=headers, content=body)
                answers.append((answer.status_code, answer.text.replace(one, "it")))
            if answers[0] != answers[1]:
                wrong.append(f"{operation.id}: {asker.name}: {answers}")
    assert not wrong, "\n".join(wrong)
    for asker in (one for one in matrix.askers if one.is_operator):
        answer = matrix.ask("GET", f"/dashboards/{private}.json", headers=asker.headers)
        assert answer.json()["is_private"] is True, asker.name


def test_what_is_public_is_read_by_all_and_changed_by_none_of_them(matrix: Matrix) -> None:
    strangers = [one for one in matrix.askers if not one.role and "none" not in one.name]
    wrong: list[str] = []
    for operation in matrix.operations:
        if operation.needs in ("list", "read"):
            for asker in strangers:
                answer = matrix.request(operation, asker, "open", "")
                if answer.status_code in (401, 403, 500):
                    wrong.append(f"{operation.id}: {asker.name}: {answer.status_code}")
        elif operation.needs in ("write", "manage", "process"):
            for asker in strangers:
                answer = matrix.request(operation, asker, "open", "")
                if answer.status_code != (403 if asker.is_known else 401):
                    wrong.append(f"{operation.id}: {asker.name}: {answer.status_code}")
        elif operation.needs == "nothing" and operation.method == "GET":
            if operation.path.endswith("/events"):
                continue  # has no end
            answer = matrix.request(operation, strangers[0], "open", "")
            kind = answer.headers.get("content-type", "")
            told = answer.json().get("type", "") if "problem" in kind else ""
            if answer.status_code == 500 or told.rpartition(":")[2] in REFUSALS:
                wrong.append(f"{operation.id}: {answer.status_code} {told}")
    assert not wrong
