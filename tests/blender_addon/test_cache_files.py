"""The files beside the scene: written whole, checked in words."""

from __future__ import annotations

import numpy as np
import pytest
from extension.blender_addon.errors import CacheError
from extension.blender_addon.jobs.cache_files import check_cache, write_cache
from extension.blender_addon.jobs.reconstruction import STRIDES


@pytest.mark.parametrize("stride", STRIDES)
def test_positions_are_the_vertices(random_reconstruction, tmp_path, stride):
    clip = random_reconstruction()
    steps = []
    files = write_cache(
        clip, tmp_path / "a", "clip", stride=stride, progress=lambda *step: steps.append(step)
    )
    check_cache(files)
    stored = np.fromfile(files.positions, "<f4", offset=32).reshape(clip.n_frames, -1, 3)
    for frame in range(clip.n_frames):
        np.testing.assert_array_equal(stored[frame], clip.vertices(frame, files.grid))
    assert steps == [(frame + 1, 5) for frame in range(5)]
    assert not list(tmp_path.rglob("*.part"))


def test_masks_are_the_hole_blocks(random_reconstruction, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="reads the PNG back")
    clip = random_reconstruction((27, 16))
    files = write_cache(clip, tmp_path, "clip")
    for frame, path in enumerate(files.masks):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0
        np.testing.assert_array_equal(mask, clip.hole_cells(frame, files.grid))


def test_what_fails_half_way_leaves_nothing(random_reconstruction, tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cache(random_reconstruction(), tmp_path, "clip", progress=stop)
    assert not list(tmp_path.glob("clip.pc2*"))


@pytest.mark.parametrize("damage", ["missing", "short", "long", "other", "mask"])
def test_a_damaged_cache_is_named(random_reconstruction, tmp_path, damage):
    files = write_cache(random_reconstruction(), tmp_path, "clip")
    content = files.positions.read_bytes()
    if damage == "missing":
        files.positions.unlink()
    elif damage == "mask":
        files.masks[2].unlink()
    else:
        changed = {"short": content[:-12], "long": content + b"\0", "other": b"x" + content[1:]}
        files.positions.write_bytes(changed[damage])
    with pytest.raises(CacheError, match="Import the shot again") as error:
        check_cache(files)
    assert "clip" in str(error.value)


def test_a_folder_that_is_a_file_is_refused_in_words(random_reconstruction, tmp_path):
    (tmp_path / "clip.pc2.part").mkdir()
    with pytest.raises(CacheError, match="could not be written"):
        write_cache(random_reconstruction(), tmp_path, "clip")
