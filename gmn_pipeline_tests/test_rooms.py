"""What holds for every module, beside the imports that `make check` looks at (pyproject.toml)."""

import ast
from pathlib import Path

import pytest

import gmn_pipeline

ROOT = Path(gmn_pipeline.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 400


def name_of(module: Path) -> str:
    return module.relative_to(ROOT.parent).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_module_imports_what_is_private_to_another(module: Path) -> None:
    private = [
        f"line {node.lineno}: {alias.name} of {node.module}"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gmn_pipeline")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert private == []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_can_be_read_at_one_sitting(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: cut it where its concerns part"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))
