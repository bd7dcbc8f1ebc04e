"""What the server tells its clients has no words of a command line, but for flags that the panel of
the add-on knows by names of its own."""

from __future__ import annotations

import ast
import importlib.util
import logging
import re
from pathlib import Path

import pytest

from backend.offers import engines_of, estimators_of
from backend.worker.failures import text_of
from ex4d.cli.main import _COMMANDS
from ex4d.engines.base import EngineOptions
from ex4d.errors import Ex4dError, MissingPartError

ROOT = Path(__file__).parents[1]
COMMANDS = re.compile(rf"pip install|\bex4d (?:{'|'.join(_COMMANDS)}|serve|keys|check)\b")
FLAG = re.compile(r"(?<![\w-])--([a-z]\w*)")
# They speak to who runs the server, or to other programs.
NOT_FOR_CLIENTS = {
    "backend/devices.py",
    "backend/settings.py",
    "backend/settings_text.py",
    "backend/worker/worker.py",
    "ex4d/health.py",
    "ex4d/runtime/nvidia.py",  # flags of nvidia-smi
}
NOR_FOLDERS = {"cli", "training"}


def panel_flags() -> dict[str, str]:
    """The flags that the panel has words for; its module needs no Blender."""
    path = ROOT / "blender_addon" / "words.py"
    spec = importlib.util.spec_from_file_location("panel_words", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._FIELDS


def texts(tree: ast.AST) -> list[ast.Constant]:
    """All texts of a module but docstrings, advice and the constants that advice is made of."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            skipped |= {id(n.value) for n in node.body[:1] if isinstance(n, ast.Expr)}
        is_advice = isinstance(node, ast.keyword) and node.arg == "advice"
        is_install = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INSTALL"
        if is_advice or is_install:
            skipped |= {id(part) for part in ast.walk(node)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [n for n in constants if isinstance(n.value, str) and id(n) not in skipped]


def modules() -> list[Path]:
    paths = (p.relative_to(ROOT) for top in ("ex4d", "backend") for p in (ROOT / top).rglob("*.py"))
    return sorted(
        path
        for path in paths
        if path.as_posix() not in NOT_FOR_CLIENTS and not NOR_FOLDERS & set(path.parts)
    )


@pytest.mark.parametrize("path", modules(), ids=str)
def test_14_what_a_job_can_say_has_no_words_of_a_command_line(path):
    known = panel_flags()
    for text in texts(ast.parse((ROOT / path).read_text("utf-8"))):
        assert not COMMANDS.search(text.value), f"{path}:{text.lineno}: {text.value!r}"
        unknown = [flag for flag in FLAG.findall(text.value) if flag not in known]
        assert not unknown, f"{path}:{text.lineno}: the panel has no name for {unknown}"


def test_14_flags_in_texts_are_seen():
    """The rule above must be able to fail."""
    said = texts(ast.parse('"""--a"""\nraise E(f"x {1}: --b or pip install", advice=f"--c {2}")'))
    assert FLAG.findall("".join(text.value for text in said)) == ["b"]
    assert COMMANDS.search("".join(text.value for text in said))


def test_14_an_error_has_a_text_for_the_command_line_and_a_reason_for_clients():
    error = MissingPartError("no torch", advice='pip install "ex4d[wan]"')
    assert str(error) == 'no torch: pip install "ex4d[wan]"'
    assert text_of(error) == error.reason == "no torch"
    assert str(Ex4dError("plain")) == Ex4dError("plain").reason == "plain"


def test_14_clients_hear_why_an_engine_cannot_run_and_the_log_what_to_do(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="ex4d.server"):
        engines = {engine.name: engine for engine in engines_of(EngineOptions(tmp_path))}
        estimators = estimators_of(tmp_path)
    assert engines["preview"].available
    assert not engines["wan"].available
    told = [engines["wan"].reason, *(estimator.reason for estimator in estimators)]
    assert told[0].startswith("the weights of the diffusion engine wan are missing (")
    assert [text for text in told if COMMANDS.search(text) or FLAG.search(text)] == []
    assert str(tmp_path) not in told[0]
    assert "ex4d download, or --engine preview" in caplog.text
