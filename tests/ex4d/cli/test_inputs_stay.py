"""No command writes over what it reads, or over what is the artist's."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.depth.exr import write_exr
from ex4d.files.manifest import MANIFEST
from ex4d.video.writer import write_color, write_mask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plate(shot, tmp_path) -> Path:
    """A folder of the artist's, with names that our results have too."""
    folder = tmp_path / "plate"
    folder.mkdir()
    shutil.copy(shot / "clip.mp4", folder / "color_30.mp4")
    depth = np.load(shot / "depth.npz")["depth"]
    np.savez(folder / "depth.npz", depth=depth, conf=np.ones_like(depth))
    (folder / "depth").mkdir()
    for number, frame in enumerate(depth):
        write_exr(folder / "depth" / f"depth_{number:04d}.exr", frame)
    for name in ("DW-Mesh.ply", "final.mp4", "scores.csv", "contact_sheet.png", "rejected.jsonl"):
        (folder / name).write_text("mine")
    return folder


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): (path.stat().st_ino, path.read_bytes()) for path in files}


@pytest.fixture
def refused(plate):
    """A check that an answer refuses, naming a file, and that nothing of the artist's changed."""
    before = state(plate)

    def check(answer, name: str) -> None:
        assert answer.exit_code == 2
        assert answer.err.count("\n") == 1
        assert name in answer.err
        assert state(plate) == before

    return check


# -- recon


def test_recon_beside_the_plate_keeps_it(recon, plate, refused):
    answer = recon(input_video=plate / "color_30.mp4", output_dir=plate)
    refused(answer, "color_30.mp4, which is read")
    assert "clip" not in answer.out  # before any work


@pytest.mark.parametrize("flag", ["--save_depth", "--save_depth=exr", "--save_mesh"])
def test_recon_keeps_what_the_artist_has_beside_the_plate(recon, plate, refused, flag):
    name = {"--save_depth": "depth.npz", "--save_mesh": "DW-Mesh.ply"}.get(flag, "depth_0000.exr")
    refused(recon(flag, cam=10, output_dir=plate), f"{name} cannot be written: it is there already")


@pytest.mark.parametrize("name", ["depth.npz", "depth"])
def test_recon_keeps_the_depth_that_it_reads(recon, plate, refused, name):
    kind = "exr" if name == "depth" else "npz"
    answer = recon(f"--save_depth={kind}", cam=10, depth=plate / name, output_dir=plate)
    refused(answer, ", which is read")


@pytest.mark.parametrize("way", ["link", "hard link", "parent link", "spelling"])
def test_recon_keeps_its_own_results_when_it_reads_them(recon, tmp_path, way):
    out = tmp_path / "out"
    assert recon("--save_depth", cam=10).exit_code == 0
    before = state(out)
    (tmp_path / "elsewhere").symlink_to(out)
    if way == "link":
        (tmp_path / "d.npz").symlink_to(out / "depth.npz")
    else:
        os.link(out / "depth.npz", tmp_path / "d.npz")
    read = {"parent link": tmp_path / "elsewhere" / "depth.npz",
            "spelling": f"{out}/../out//depth.npz"}.get(way, tmp_path / "d.npz")  # fmt: skip
    answer = recon("--save_depth", cam=10, depth=read)
    assert (answer.exit_code, "depth.npz, which is read" in answer.err) == (2, True)
    assert state(out) == before
    assert recon(cam=10, depth=read).exit_code == 0  # nor does it go as a file of an earlier run
    assert state(out)[str(out / "depth.npz")] == before[str(out / "depth.npz")]


def test_frames_of_an_earlier_longer_run_are_not_left(recon, tmp_path):
    assert recon(save_depth="exr").exit_code == 0
    assert recon(save_depth="exr", num_frames=3).exit_code == 0
    frames = sorted(path.name for path in (tmp_path / "out" / "depth").iterdir())
    assert frames == [f"depth_{number:04d}.exr" for number in range(3)]
    answer = recon(depth=tmp_path / "out" / "depth", num_frames=3, output_dir=tmp_path / "again")
    assert answer.exit_code == 0, answer.err


def test_results_of_other_settings_are_told_apart(recon):
    assert recon(cam=10, fov=40).exit_code == 0
    answer = recon(cam=20, fov=50)
    assert answer.exit_code == 0
    assert "also holds results of other settings (fov was 40.0): backdrop_10.npz" in answer.err
    assert recon(cam=10, fov=50).exit_code == 0
    assert "other settings" not in recon(cam=20, fov=50).err


# -- the others


@pytest.fixture
def pair(tmp_path) -> dict[str, Path]:
    picture = np.full((3, 32, 48, 3), 90, np.uint8)
    write_color(tmp_path / "color_a.mp4", picture, 24)
    write_mask(tmp_path / "mask_a.mp4", picture[..., 0] > 0, 24)
    return {"color_video": tmp_path / "color_a.mp4", "mask_video": tmp_path / "mask_a.mp4"}


def flags(given: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in given.items()]


def test_generate_keeps_a_file_that_it_did_not_write(ex4d, pair, plate, refused):
    refused(ex4d("generate", *flags(pair | {"output_video": plate / "final.mp4"})), "final.mp4")


def test_generate_replaces_what_it_wrote(ex4d, pair, tmp_path):
    out = {"output_video": tmp_path / "final.mp4"}
    for _ in range(2):
        assert ex4d("generate", *flags(pair | out)).exit_code == 0


@pytest.mark.parametrize("way", ["hard link", "link", "case"])
def test_generate_keeps_its_input_under_another_name(ex4d, pair, tmp_path, way):
    target = tmp_path / ("COLOR_A.mp4" if way == "case" else "final.mp4")
    if way == "link":
        target.symlink_to(pair["color_video"])
    else:  # in place of a file system that knows no case: two names of one file
        os.link(pair["color_video"], target)
    before = state(tmp_path)
    answer = ex4d("generate", *flags(pair | {"output_video": target}))
    assert (answer.exit_code, ", which is read" in answer.err) == (2, True)
    assert state(tmp_path) == before


def test_evaluate_keeps_a_file_that_it_did_not_write(ex4d, pair, plate, refused):
    video = pair["color_video"]
    given = {"result_video": video, "truth_video": video, "output_dir": plate}
    refused(ex4d("evaluate", *flags(given)), "scores.csv")


def test_masks_keeps_what_is_in_the_folder(ex4d, plate, refused):
    given = {"input_dir": plate, "output_dir": plate, "masks": "rendering=1"}
    refused(ex4d("masks", *flags(given)), "rejected.jsonl")


def test_train_keeps_a_config_that_it_did_not_write(ex4d, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("# mine\nsteps = 5\n")
    answer = ex4d("train", f"--output_dir={tmp_path}", f"--config={config}", "--cache=nowhere")
    assert answer.exit_code == 2
    assert "config.toml cannot be written: it is there already" in answer.err
    assert config.read_text() == "# mine\nsteps = 5\n"


def test_train_keeps_the_checkpoint_that_it_starts_from(ex4d, tmp_path):
    for name in ("config.toml", "ex4d.ckpt"):
        (tmp_path / name).touch()
    start = tmp_path / ".." / tmp_path.name / "ex4d.ckpt"
    answer = ex4d("train", f"--output_dir={tmp_path}", f"--start_from={start}", "--cache=nowhere")
    assert (answer.exit_code, "ex4d.ckpt, which is read" in answer.err) == (2, True)


def test_demo_keeps_a_file_that_it_did_not_write(ex4d, plate, shot, refused, tmp_path):
    folder = tmp_path / "sample"
    shutil.copytree(shot, folder)
    shutil.move(folder / "clip.mp4", folder / "input.mp4")
    np.savez(
        folder / "camera.npz",
        extrinsics=np.tile(np.eye(4), (6, 1, 1)),
        intrinsics=np.array([[60, 0, 32], [0, 60, 24], [0, 0, 1.0]]),
        size=(64, 48),
    )
    answer = ex4d("demo", f"--shot={folder}", f"--output_dir={plate}")
    refused(answer, "contact_sheet.png")


def test_a_manifest_lists_what_was_written_and_with_which_settings(recon, tmp_path):
    recon(cam=10)
    text = (tmp_path / "out" / MANIFEST).read_text()
    assert "color_10.mp4" in text
    assert '"num_frames": "49"' in text
