"""staged_folder replaces what this program wrote, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ex4d.errors import OutputError
from ex4d.files.manifest import MANIFEST, Run
from ex4d.files.outputs import check_names, staged_file
from tests.ex4d.result_folders import contents, write

if TYPE_CHECKING:
    from pathlib import Path


def test_an_earlier_longer_run_leaves_no_frames(tmp_path):
    write(tmp_path, {f"depth/{i}.exr": "long" for i in range(4)} | {"camera.npz": "long"})
    write(tmp_path, {f"depth/{i}.exr": "short" for i in range(2)})
    assert contents(tmp_path) == {"depth/0.exr": "short", "depth/1.exr": "short"}


def test_runs_of_other_names_stay_side_by_side(tmp_path, caplog):
    write(tmp_path, {"a.mp4": "a"}, Run("recon", "30", {"fov": "40"}))
    write(tmp_path, {"b.mp4": "b"}, Run("recon", "180", {"fov": "50"}))
    assert contents(tmp_path) == {"a.mp4": "a", "b.mp4": "b"}
    assert "also holds results of other settings (fov was 40): a.mp4" in caplog.text


def test_a_sequence_is_never_mixed_with_one_that_is_not_ours(tmp_path):
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "plate_0001.exr").write_text("mine")
    with pytest.raises(OutputError, match=r"plate_0001.exr cannot be written: it is there already"):
        write(tmp_path, {"depth/0.exr": "new"})
    with pytest.raises(OutputError, match="plate_0001"):
        check_names(tmp_path, Run("recon"), ["depth/"])


def test_what_a_file_manager_leaves_in_a_sequence_does_not_count(tmp_path):
    write(tmp_path, {"depth/0.exr": "old"})
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "depth" / name).write_text("junk")
    write(tmp_path, {"depth/0.exr": "new"})
    assert contents(tmp_path)["depth/0.exr"] == "new"


def test_a_listed_file_that_was_changed_is_kept(tmp_path):
    write(tmp_path, {"a.mp4": "old"})
    times = (tmp_path / "a.mp4").stat()
    (tmp_path / "a.mp4").write_text("own")
    os.utime(tmp_path / "a.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(OutputError, match=r"a.mp4 cannot be written: it is there already"):
        write(tmp_path, {"a.mp4": "new"})
    write(tmp_path, {"b.mp4": "new"})  # nor is it removed as stale
    assert contents(tmp_path) == {"a.mp4": "own", "b.mp4": "new"}


def test_a_copied_folder_of_results_is_still_ours(tmp_path):
    write(tmp_path / "one", {"a.mp4": "old"})
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    write(tmp_path / "two", {"a.mp4": "new"})
    assert contents(tmp_path) == {"one/a.mp4": "old", "two/a.mp4": "new"}


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "parent link", "spelling"])
def test_a_file_that_is_read_stays_under_whatever_name(tmp_path, way):
    out = tmp_path / "out"
    write(out, {"a.mp4": "old"})
    read = {
        "itself": out / "a.mp4",
        "link": tmp_path / "link.mp4",
        "hard link": tmp_path / "hard.mp4",
        "parent link": tmp_path / "folder" / "a.mp4",
        "spelling": out / ".." / "out" / "." / "a.mp4",
    }[way]
    (tmp_path / "link.mp4").symlink_to(out / "a.mp4")
    (tmp_path / "hard.mp4").hardlink_to(out / "a.mp4")
    (tmp_path / "folder").symlink_to(out)
    with pytest.raises(OutputError, match=r"replace .*a.mp4, which is read"):
        write(out, {"a.mp4": "new"}, Run("recon", "30", {}, (read,)))
    write(out, {"b.mp4": "new"}, Run("recon", "30", {}, (read,)))  # nor does it go as stale
    assert (out / "a.mp4").read_text() == "old"


def test_a_sequence_that_is_read_stays(tmp_path):
    write(tmp_path, {"depth/0.exr": "old", "depth/1.exr": "old"})
    with pytest.raises(OutputError, match="which is read"):
        write(tmp_path, {"depth/2.exr": "new"}, Run("recon", "30", {}, (tmp_path / "depth",)))
    assert contents(tmp_path) == {"depth/0.exr": "old", "depth/1.exr": "old"}


def test_a_link_in_the_place_of_a_subfolder_is_not_followed(tmp_path):
    (tmp_path / "plates").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "depth").symlink_to(tmp_path / "plates")
    with pytest.raises(OutputError, match="it is a link to another folder"):
        write(tmp_path / "out", {"depth/0.exr": "new"})
    assert list((tmp_path / "plates").iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2, "runs": []}', "[" * 5000])
def test_a_manifest_of_somebody_else_is_refused_and_kept(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match=r".ex4d.json is not a list of results"):
        write(tmp_path, {"a.mp4": "new"})
    assert (tmp_path / MANIFEST).read_text() == text


def test_a_manifest_that_lists_files_elsewhere_takes_nothing_there(tmp_path):
    write(tmp_path / "out", {"a.mp4": "old"})
    path = tmp_path / "out" / MANIFEST
    (tmp_path / "b.mp4").write_text("old")  # as a.mp4, so of the same fingerprint
    content = json.loads(path.read_text())
    files = content["runs"][0]["files"]
    files |= {"../b.mp4": files["a.mp4"], str(tmp_path / "b.mp4"): files["a.mp4"]}
    path.write_text(json.dumps(content))
    write(tmp_path / "out", {"c.mp4": "new"})
    assert contents(tmp_path) == {"b.mp4": "old", "out/c.mp4": "new"}


def test_a_run_that_was_killed_while_it_moved_leaves_nothing_without_an_owner(
    tmp_path, monkeypatch
):
    write(tmp_path, {"a.mp4": "old", "b.mp4": "old"})
    moved, replace_ = [], os.replace

    def killed(source: Path, target: Path) -> None:
        replace_(source, target)
        moved.append(target)
        if len(moved) == 2:  # the manifest, and one of two files
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, {"a.mp4": "new", "b.mp4": "new"})
    monkeypatch.undo()
    assert contents(tmp_path) == {"a.mp4": "new", "b.mp4": "old"}
    write(tmp_path, {"a.mp4": "newer", "b.mp4": "newer"})
    assert contents(tmp_path) == {"a.mp4": "newer", "b.mp4": "newer"}


def test_staged_file_replaces_its_own_only(tmp_path):
    run = Run("generate", "final.mp4")
    for text in ("one", "two"):
        with staged_file(tmp_path / "final.mp4", run) as path:
            path.write_text(text)
    (tmp_path / "plate.mp4").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"plate.mp4 cannot be written: it is there already"),
        staged_file(tmp_path / "plate.mp4", Run("generate", "plate.mp4")),
    ):
        pytest.fail("the block ran")
    assert contents(tmp_path) == {"final.mp4": "two", "plate.mp4": "mine"}
