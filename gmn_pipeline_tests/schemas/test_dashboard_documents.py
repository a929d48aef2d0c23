"""Documents of dashboards: which are taken, and what is said of those that are not."""

import json
from typing import Any

import pytest

from gmn_pipeline.database.object_use import QUERIES
from gmn_pipeline.errors import DashboardRefused
from gmn_pipeline.schemas.dashboards import OPERATORS, USES, checked_document
from gmn_pipeline.serving.dashboards.canned.catalogue import canned
from gmn_pipeline.serving.tables.filters import OPERATORS as OF_TABLES
from gmn_pipeline_tests.support.dashboards import document

FILTER = {"name": "shower", "label": "Shower", "kind": "shower", "operator": "exact",
          "columns": ["iau_shower_code"]}  # fmt: skip
TEXT = {"id": "b", "mark": "text", "width": 12, "text": "A text with \\u0000 typed, and é."}


def panel(**more: Any) -> dict[str, Any]:
    of: dict[str, Any] = document()["panels"][0]
    return of | more


def test_what_is_right_is_taken_as_it_is() -> None:
    made = document(filters=[FILTER], description="d", panels=[panel(), TEXT])
    assert checked_document(made) == made
    assert set(OPERATORS) == set(OF_TABLES)
    assert set(USES) == set(QUERIES)
    assert list(canned()) == ["network-overview", "shower-campaign", "station-health", "lake-use"]
    for one in canned().values():
        assert checked_document(json.loads(json.dumps(one))) == one


WRONG: dict[str, tuple[object, str]] = {
    "no object": ([], "object of JSON"),
    "no title": ({"version": 1, "panels": []}, "title"),
    "blank title": (document(" "), "title"),
    "later form": (document(version=2), "form 2.*newer version"),
    "more keys": (document(more=1), "more"),
    "mark": (document(panels=[panel(mark="pie")]), r"panels\[0\].mark.*pie"),
    "no question": (document(panels=[{"id": "a", "mark": "line", "width": 6}]), "question"),
    "no text": (document(panels=[{"id": "a", "mark": "text", "width": 6}]), "text"),
    "table": (document(panels=[panel(question={"from": "table", "table": "x; DROP"})]), "table"),
    "step": (document(panels=[panel(step=0)]), "step"),
    "no number": (document(panels=[panel(step=float("nan"))]), "numbers"),
    "half a letter": (document("\ud800"), "letters"),
    "NUL": (document("a\0b"), "NUL"),
    "two of one id": (document(panels=[panel(), panel()]), "'a' is there more than once"),
    "two filters": (document(filters=[FILTER, FILTER]), "'shower' is there more than once"),
    "a filter of the page": (document(filters=[FILTER | {"name": "embed"}]), "page's own"),
    "too large": (document(panels=[TEXT | {"id": f"p{n}", "text": "x" * 10_000}
                                   for n in range(30)]), "200,000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_is_told_with_its_place(name: str) -> None:
    found, said = WRONG[name]
    with pytest.raises(DashboardRefused, match=said):
        checked_document(found)
