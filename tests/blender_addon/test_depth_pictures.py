"""The add-on sends the pictures that the commands read: the rule is the same file's."""

from __future__ import annotations

import pytest

pytest.importorskip("OpenEXR", reason="compares with the library's reader of depth")
from extension.blender_addon.errors import SettingsError
from extension.blender_addon.jobs.depth_pictures import depth_files

from ex4d.depth.sequence import find_pictures


def test_the_same_pictures_are_sent_as_are_read(tmp_path):
    names = [f"shot_{number:04d}_{v}.exr" for number in (-2, -1, 0, 1) for v in ("v01", "v02")]
    for name in names:
        (tmp_path / name).touch()
    chosen = tmp_path / "shot_0001_v02.exr"
    files = depth_files(chosen)
    assert [path.name for path in files] == names[1::2]
    assert files == find_pictures(chosen)


def test_a_gap_and_a_lost_file_are_named(tmp_path):
    for number in (1, 2, 4):
        (tmp_path / f"z.{number}.png").touch()
    with pytest.raises(SettingsError, match=r"frame 3 is missing before .*z\.4\.png"):
        depth_files(tmp_path / "z.1.png")
    with pytest.raises(SettingsError, match="no depth file"):
        depth_files(tmp_path / "z.3.png")
    (tmp_path / "depth.npz").touch()
    assert depth_files(tmp_path / "depth.npz") == [tmp_path / "depth.npz"]
