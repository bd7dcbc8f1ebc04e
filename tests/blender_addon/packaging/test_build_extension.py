"""What the build lays out for Blender's tool, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from blender_addon.packaging.build_extension import FOLDERS, SHARED, stage, with_wheels
from blender_addon.packaging.wheels import Wheel
from ex4d.version import __version__

ROOT = Path(__file__).parents[3]
MANIFEST = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
WHEELS = [Wheel("a-1-cp311-cp311-win_amd64.whl", ""), Wheel("b-2-cp312-abi3-any.whl", "")]


@pytest.fixture
def staged(tmp_path):
    for wheel in WHEELS:
        (tmp_path / wheel.filename).write_bytes(wheel.filename.encode())
    stage(ROOT, tmp_path / "staged", WHEELS, tmp_path)
    return tmp_path / "staged"


def test_the_wheels_join_the_manifest_and_nothing_else_changes():
    paths = [f"./wheels/{wheel.filename}" for wheel in WHEELS]
    assert tomllib.loads(with_wheels(MANIFEST, WHEELS)) == {
        **tomllib.loads(MANIFEST),
        "wheels": paths,
    }


def test_the_clients_half_is_complete_without_the_rest(staged):
    """In a Python without bpy: the protocol's client, from the laid out files alone."""
    assert not list(staged.rglob("testing")) + list(staged.rglob("server"))
    code = "import protocol.background as b; print(b.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=staged, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == str(staged / "protocol" / "background.py"), run.stderr


def test_every_source_but_the_left_out_ones_is_laid_out(staged):
    left_out = {"packaging", "server", "testing"}
    sources = {
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not left_out & set(path.relative_to(ROOT).parts)
    }
    assert {path.relative_to(staged) for path in staged.rglob("*.py")} == {
        *sources,
        *map(Path, SHARED),
        Path("__init__.py"),
    }


def test_the_extension_has_the_version_of_the_library():
    assert tomllib.loads(MANIFEST)["version"] == __version__


@pytest.mark.skipif(importlib.util.find_spec("bpy") is not None, reason="this Python has bpy")
def test_without_bpy_it_says_so_in_one_line_and_exits_with_2():
    run = subprocess.run(
        [sys.executable, "-m", "blender_addon.packaging.build_extension"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("No extension zip: ")
    assert run.stderr.count("\n") == 1
