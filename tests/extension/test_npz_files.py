"""A file of arrays that is none, or another, is refused in one sentence that names it."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytestmark = pytest.mark.blender

READERS = ("path", "solved", "reconstruction")


def reader_of(addon, name):
    """A reader of the add-on and the error that it raises."""
    errors = addon.part("errors")
    if name == "path":
        return addon.part("jobs.flows").read_path, errors.SettingsError
    if name == "solved":
        return addon.part("camera.source_camera").SolvedCamera.read, errors.SettingsError
    return addon.part("jobs.results").read_reconstruction, errors.ReconstructionError


def cut(path):
    np.savez(path, size=np.arange(1000))
    path.write_bytes(path.read_bytes()[:300])


BROKEN = {
    "missing": (lambda path: None, "There is no"),
    "text": (lambda path: path.write_text("text"), "is no .npz file that can be read"),
    "cut": (cut, "is no .npz file that can be read"),
    "others": (lambda path: np.savez(path, other=np.zeros(3)), "there is no '"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("reader", READERS)
def test_a_broken_file_is_named_with_what_is_wrong(addon, tmp_path, reader, fault):
    path = tmp_path / "file.npz"
    (write, words), (read, error) = BROKEN[fault], reader_of(addon, reader)
    write(path)
    with pytest.raises(error, match=re.escape(words)) as caught:
        read(path)
    assert "file.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_solved_camera_whose_parts_do_not_fit_is_refused(addon, tmp_path):
    read, error = reader_of(addon, "solved")
    path = tmp_path / "source_camera.npz"
    arrays = {"camera_to_world": np.eye(4)[None], "intrinsics": np.eye(3), "size": [4, 3]}
    np.savez(path, **arrays)
    with pytest.raises(error, match="do not fit together"):
        read(path)
    np.savez(path, **{**arrays, "intrinsics": np.array([["a"]])})
    with pytest.raises(error, match="intrinsics must be numbers"):
        read(path)
