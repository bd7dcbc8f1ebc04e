"""The catalogue of engines tells the truth, and nobody else tells engines apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ex4d.engines.base import EngineOptions
from ex4d.engines.catalogue import ENGINES, engine_named
from ex4d.engines.choose import ENGINE_NAMES
from ex4d.errors import UsageError

ROOT = Path(__file__).parents[3]
MODULES = sorted([*(ROOT / "ex4d").rglob("*.py"), *(ROOT / "backend").rglob("*.py")])


@pytest.mark.parametrize("name", ENGINES)
def test_an_entry_says_what_its_engine_says(name):
    entry = engine_named(name)
    engine = entry.make(EngineOptions())  # loads nothing
    assert (engine.name, engine.label) == (name, entry.label)
    assert entry.licence
    assert bool(entry.needs) == bool(entry.install)
    assert name in ENGINE_NAMES


def test_an_unknown_engine_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"'magic': choose from auto, preview, wan"):
        engine_named("magic")


def compared_texts(tree: ast.AST) -> set[object]:
    """The constants that something is compared with, or matched."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.match_case)]
    return {n.value for node in nodes for n in ast.walk(node) if isinstance(n, ast.Constant)}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_compares_the_names_of_engines(module):
    assert not compared_texts(ast.parse(module.read_text("utf-8"))) & ENGINES.keys()


def test_the_check_of_comparisons_sees_them():
    code = "if e.name == 'wan':\n    pass\nmatch e:\n    case 'preview':\n        pass\n"
    assert compared_texts(ast.parse(code)) == ENGINES.keys()
