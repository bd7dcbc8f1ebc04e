"""generate from the command line, with the preview engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.reader import probe
from ex4d.video.writer import read_color, read_metadata, write_color, write_mask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def generate(ex4d, recon, out, tmp_path):
    """A function that makes conditions and finishes them with the preview engine."""

    def run(*more: object):
        recon("--save_frames")
        pair = (f"--color_video={out}/color_30.mp4", f"--mask-video={out}/mask_30.mp4")
        return ex4d("generate", *pair, f"--output-video={tmp_path}/final.mp4", *more)

    return run


def test_generate_says_its_engine_why_and_that_it_is_a_draft(generate, tmp_path):
    answer = generate()
    assert (answer.exit_code, answer.err) == (0, "")
    assert "engine    preview (" in answer.out
    assert "a draft" in answer.out
    tags = read_metadata(tmp_path / "final.mp4")
    assert "draft" in tags["title"]
    assert json.loads(tags["comment"])["engine"] == "preview"
    assert "engine    preview (as asked)" in generate("--engine=preview", "--seed=7").out
    assert json.loads(read_metadata(tmp_path / "final.mp4")["comment"])["seed"] == 7


def test_generate_fills_every_hole_and_keeps_the_rest(generate, out, tmp_path):
    generate()
    frames, fps = read_color(tmp_path / "final.mp4")
    rendered = read_npz(out / "conditions_30.npz", InputError)
    assert str(fps) == "30000/1001"
    assert frames.shape == rendered["color"].shape
    assert frames.max(axis=-1)[~rendered["mask"]].min() > 40  # nothing of the shot is that dark
    error = np.abs(frames.astype(float) - rendered["color"])[rendered["mask"]]
    assert error.mean() < 4


def test_generate_without_a_backdrop_says_so_and_fills_smoothly(generate, ex4d, out, tmp_path):
    generate()
    (out / "backdrop_30.npz").unlink()
    pair = (f"--color_video={out}/color_30.mp4", f"--mask_video={out}/mask_30.mp4")
    answer = ex4d("generate", *pair, f"--output_video={tmp_path}/smooth.mp4")
    assert "no backdrop_30.npz beside the colour video" in answer.out
    mask = read_npz(out / "conditions_30.npz", InputError)["mask"]
    assert read_color(tmp_path / "smooth.mp4")[0].max(axis=-1)[~mask].min() > 40


@pytest.mark.parametrize("name", ["color_30.mp4", "mask_30.mp4"])
def test_generate_never_writes_over_what_it_reads(generate, out, name):
    answer = generate("--output_video", out / ".." / "out" / name)
    assert answer.exit_code == 2
    assert f"{name}, which is read" in answer.err
    assert sorted(path.name for path in out.glob("[!.]*")) == [
        "backdrop_30.npz",
        "color_30.mp4",
        "conditions_30.npz",
        "mask_30.mp4",
    ]


def test_generate_refuses_a_mask_that_is_a_picture(generate, shot, tmp_path):
    answer = generate("--mask_video", shot / "clip.mp4")
    assert answer.exit_code == 2
    assert "clip.mp4 is not a mask" in answer.err
    assert not (tmp_path / "final.mp4").exists()


def test_generate_cuts_and_resizes(generate, tmp_path):
    assert generate("--num-frames=3", "--width=96", "--height", "80").exit_code == 0
    video = probe(tmp_path / "final.mp4")
    assert (video.native_size, video.n_frames) == ((96, 80), 3)
    frames = read_color(tmp_path / "final.mp4")[0]
    assert frames.max(axis=-1).min() > 40


@pytest.mark.parametrize("size", [(40, 30), (64, 40), (100, 90)])
def test_resizing_leaves_no_dark_rim_beside_a_hole(ex4d, tmp_path, size):
    mask = np.zeros((3, 48, 64), bool)
    mask[:, 5:33, 9:50] = True
    grey = np.repeat(mask[..., None] * np.uint8(200), 3, axis=-1)
    write_color(tmp_path / "color_a.mp4", grey, 24)
    write_mask(tmp_path / "mask_a.mp4", mask, 24)
    pair = (f"--color_video={tmp_path}/color_a.mp4", f"--mask_video={tmp_path}/mask_a.mp4")
    size_flags = (f"--width={size[0]}", f"--height={size[1]}")
    ex4d("generate", *pair, *size_flags, f"--output_video={tmp_path}/final.mp4")
    frames = read_color(tmp_path / "final.mp4")[0]
    assert frames.shape == (3, size[1], size[0], 3)
    np.testing.assert_allclose(frames, 200, atol=6)
