"""--hdr and --deinterlace: the same for every command that opens a clip from outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from ex4d.video.writer import read_color, write_color
from tests.ex4d.training.scenes import write_clip

from .test_bad_input import one_line

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"width": 64, "height": 64, "num_frames": 5, "workers": 1, "masks": "rendering=1"}


def as_hlg(path: Path) -> np.ndarray:
    """Let a file have a phone's tags; its code values [T, H, W, 3], 0..255."""
    frames, fps = read_color(path)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = (
            frames.shape[2],
            frames.shape[1],
            "yuv444p10le",
        )
        stream.colorspace, stream.color_primaries, stream.color_trc = 9, 9, 18
        stream.color_range = 1
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture)
            container.mux(
                stream.encode(
                    frame.reformat(
                        format="yuv444p10le", dst_colorspace="BT2020", dst_color_range="MPEG"
                    )
                )
            )
        container.mux(stream.encode())
    return frames


def as_woven(path: Path) -> np.ndarray:
    """Let every second line of a file's frames come from the next one; the frames before that."""
    frames, fps = read_color(path)
    woven = frames.copy()
    woven[:-1, 1::2] = frames[1:, 1::2]
    write_color(path, woven, fps)
    return frames


@pytest.fixture
def walk(tmp_path) -> Path:
    write_clip(tmp_path / "videos", "walk", size=(64, 64), n_frames=5, box_step=(-6, 0))
    return tmp_path / "videos" / "walk.mp4"


@pytest.fixture
def masks(ex4d, tmp_path):
    def run(output_dir: str = "out", *more: str):
        flags = {"input_dir": tmp_path / "videos", "output_dir": tmp_path / output_dir, **SMALL}
        return ex4d("masks", *(f"--{name}={value}" for name, value in flags.items()), *more)

    return run


def made_in(folder: Path) -> np.ndarray:
    (clip,) = (folder / "clips").iterdir()
    return read_color(clip / "gt.mp4")[0]


@pytest.mark.parametrize("command", ["recon", "submit", "masks", "evaluate"])
def test_commands_that_open_a_clip_from_outside_have_both_flags(ex4d, command):
    answer = ex4d(command, "--help")
    assert "--hdr {tonemap,keep}" in answer.out
    assert "--deinterlace" in answer.out


def test_masks_tone_maps_hdr_and_says_so_or_keeps_it(masks, walk, tmp_path):
    codes = as_hlg(walk)
    answer = masks()
    assert answer.exit_code == 0
    assert f"{walk} is HDR (HLG): it is tone mapped to sRGB" in answer.err
    assert masks("kept", "--hdr", "keep").exit_code == 0
    assert np.abs(made_in(tmp_path / "kept").astype(float) - codes).mean() < 2
    assert np.abs(made_in(tmp_path / "out").astype(float) - codes).mean() > 10
    settings = json.loads((tmp_path / "kept" / "dataset.json").read_text())
    assert (settings["hdr"], settings["deinterlace"]) == ("keep", False)
    one_line(masks("kept"), "hdr is keep there, and tonemap was asked for")


def test_masks_deinterlaces_when_that_is_asked(masks, walk, tmp_path):
    truth = as_woven(walk)
    assert masks("woven").exit_code == 0
    assert masks("out", "--deinterlace").exit_code == 0
    woven, mended = (
        np.abs(made_in(tmp_path / name)[1:-1].astype(float) - truth[1:-1]).mean()
        for name in ("woven", "out")
    )
    assert mended < woven / 2


def test_a_dataset_of_before_these_flags_is_continued(masks, walk, tmp_path):
    assert masks().exit_code == 0
    path = tmp_path / "out" / "dataset.json"
    settings = json.loads(path.read_text())
    del settings["hdr"], settings["deinterlace"]
    path.write_text(json.dumps(settings))
    assert "0 made, 1 were there" in masks().out


def test_evaluate_reads_the_truth_as_recon_read_the_clip(ex4d, walk, tmp_path):
    codes = as_hlg(walk)
    write_color(tmp_path / "result.mp4", codes, 24)
    flags = [f"--truth_video={walk}", f"--result_video={tmp_path / 'result.mp4'}"]
    psnr = {}
    for hdr in ("keep", "tonemap"):
        folder = tmp_path / hdr
        answer = ex4d("evaluate", *flags, f"--output_dir={folder}", f"--hdr={hdr}")
        assert "is HDR (HLG)" in answer.err
        psnr[hdr] = json.loads((folder / "scores.json").read_text())["means"]["result"]["psnr/all"]
    assert psnr["keep"] > 40
    assert psnr["tonemap"] < 30


def test_generate_says_what_it_makes_of_a_colour_video_that_is_not_recons(ex4d, walk, tmp_path):
    as_hlg(walk)
    mask = tmp_path / "mask.mp4"
    write_color(mask, np.full((5, 64, 64, 3), 255, np.uint8), 24)
    flags = [f"--color_video={walk}", f"--mask_video={mask}", "--engine=preview"]
    answer = ex4d("generate", *flags, f"--output_video={tmp_path / 'out.mp4'}")
    assert answer.exit_code == 0
    assert f"{walk} is HDR (HLG): it is tone mapped" in answer.err
