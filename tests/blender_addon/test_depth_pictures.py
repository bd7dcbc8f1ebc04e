"""The add-on sends the pictures that the commands read: the rule is the same file's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("OpenEXR", reason="compares with the library's reader of depth")
from ex4d.depth.sequence import find_pictures

ROOT = Path(__file__).parents[2]


@pytest.fixture
def addon():
    """The add-on's modules as inside of the extension, beside those of the library."""
    spec = importlib.util.spec_from_file_location(
        "extension", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    before = set(sys.modules)
    sys.modules["extension"] = importlib.util.module_from_spec(spec)
    yield lambda name: importlib.import_module(f"extension.blender_addon.{name}")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "extension":
            del sys.modules[name]


def test_the_same_pictures_are_sent_as_are_read(addon, tmp_path):
    names = [f"shot_{number:04d}_{v}.exr" for number in (-2, -1, 0, 1) for v in ("v01", "v02")]
    for name in names:
        (tmp_path / name).touch()
    chosen = tmp_path / "shot_0001_v02.exr"
    files = addon("depth_pictures").depth_files(chosen)
    assert [path.name for path in files] == names[1::2]
    assert files == find_pictures(chosen)


def test_a_gap_and_a_lost_file_are_named(addon, tmp_path):
    for number in (1, 2, 4):
        (tmp_path / f"z.{number}.png").touch()
    depth_files = addon("depth_pictures").depth_files
    error = addon("errors").SettingsError
    with pytest.raises(error, match=r"frame 3 is missing before .*z\.4\.png"):
        depth_files(tmp_path / "z.1.png")
    with pytest.raises(error, match="no depth file"):
        depth_files(tmp_path / "z.3.png")
    (tmp_path / "depth.npz").touch()
    assert depth_files(tmp_path / "depth.npz") == [tmp_path / "depth.npz"]
