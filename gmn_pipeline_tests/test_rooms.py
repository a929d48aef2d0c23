"""What holds for every module, beside the imports that `make check` looks at (pyproject.toml)."""

import ast
import re
from pathlib import Path

import pytest

import gmn_pipeline
from gmn_pipeline_tests.conftest import SLOW_FILES

ROOT = Path(gmn_pipeline.__file__).parent
CLIENT = ROOT.parent / "client" / "gmn_client"
MODULES = sorted([*ROOT.rglob("*.py"), *CLIENT.rglob("*.py")])
MAX_LINES = 400
OF_TABLES = ("meteors.py", "text.py")
"""Of the synthetic archive: showers, stations and columns, and what is drawn of them."""


def name_of(module: Path) -> str:
    return module.relative_to(ROOT.parent).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_module_imports_what_is_private_to_another(module: Path) -> None:
    private = [
        f"line {node.lineno}: {alias.name} of {node.module}"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("gmn_pipeline", "gmn_client"))
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert private == []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_can_be_read_at_one_sitting(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: cut it where its concerns part"


def test_no_file_of_the_tests_is_longer_either() -> None:
    tests = Path(__file__).parent
    files = set(tests.rglob("*.py")) - {tests / "support" / "archive" / name for name in OF_TABLES}
    assert {f.name: n for f in files if (n := len(f.read_text().splitlines())) > MAX_LINES} == {}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))


def test_the_page_of_the_rooms_names_them_all_and_none_that_is_not() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text()
    for room in (path.parent for path in ROOT.glob("*/__init__.py")):
        assert room.name in page
    places = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py)?)`", page)
    assert places
    for place in places:
        missing = [where for where in (ROOT, ROOT.parent) if not (where / place).exists()]
        assert len(missing) < 2 or place == "serving/", place


def test_the_contributors_page_names_make_targets_that_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT.parent / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"`make ([a-z-]+)", (ROOT.parent / "CONTRIBUTING.md").read_text())
    assert named
    assert set(named) <= set(targets)


def test_the_slow_files_are_there() -> None:
    assert {
        path.stem.removeprefix("test_") for path in Path(__file__).parent.rglob("test_*.py")
    } >= SLOW_FILES
