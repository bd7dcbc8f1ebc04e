"""`ex4d evaluate`, of one result and of a dataset's held-out clips."""

from __future__ import annotations

import csv
import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from ex4d.training.dataset import read_dataset
from ex4d.training.evaluation.curves import draw_curves
from ex4d.training.held_out import split_clips
from ex4d.video.writer import write_color, write_mask


@pytest.fixture
def shot(tmp_path):
    """A result that is too bright where nothing was seen, the truth, and the mask."""
    truth = np.random.default_rng(0).integers(40, 200, (6, 4, 6, 3), dtype=np.uint8)
    truth = truth.repeat(8, axis=1).repeat(8, axis=2)
    mask = np.ones(truth.shape[:3], np.bool_)
    mask[1:, :, 24:] = False
    result = np.where(mask[..., None], truth, truth + 20).astype(np.uint8)
    for name, frames in (("result", result), ("truth", truth)):
        write_color(tmp_path / f"{name}.mp4", frames, Fraction(24))
    write_mask(tmp_path / "mask.mp4", mask, Fraction(24))
    return tmp_path


def flags_of(shot):
    return [f"--{name}_video={shot / name}.mp4" for name in ("result", "truth", "mask")]


def test_one_result_is_measured_where_it_was_seen_and_where_not(ex4d, shot):
    code, out, err = ex4d("evaluate", *flags_of(shot), f"--output_dir={shot / 'out'}")
    assert (code, err) == (0, "")
    with (shot / "out" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["result"] == "result"
    assert float(row["psnr/unseen"]) == pytest.approx(10 * np.log10(255**2 / 400), abs=0.3)
    assert float(row["psnr/seen"]) > 44
    assert "psnr/unseen" in out
    assert f"{float(row['ssim/all']):.4f}" in out
    content = json.loads((shot / "out" / "scores.json").read_text())
    assert content["frames"]["result"]["psnr/unseen"][0] is None
    assert len(content["frames"]["result"]["flicker/all"]) == 6
    picture = cv2.imread(str(shot / "out" / "curves.png"))
    assert picture.shape == (3 * 230, 900, 3)


def test_metrics_that_need_weights_come_with_them(ex4d, shot, weights):
    more = [f"--{name}={path}" for name, path in weights.items()]
    code, out, _ = ex4d("evaluate", *flags_of(shot), f"--output_dir={shot / 'out'}", *more)
    assert code == 0
    assert "lpips/all" in out
    assert "fvd  needs at least two clips" in out
    content = json.loads((shot / "out" / "scores.json").read_text())
    assert content["together"]["fid"] > 0
    assert content["means"]["result"]["lpips/all"] > 0


def test_held_out_clips_are_generated_once_and_measured(ex4d, dataset, models, tmp_path):
    flags = [f"--dataset={dataset}", f"--models={models}", f"--output_dir={tmp_path / 'out'}"]
    flags += ["--engine=wan", "--held_out=1", "--num_inference_steps=2"]
    assert ex4d("evaluate", *flags)[0] == 0
    _, held_out = split_clips(read_dataset(dataset).clips, 1)
    expected = {f"{c.name}.{m.file}" for c in held_out for m in c.masks}
    results = tmp_path / "out" / "results"
    assert {path.name for path in results.glob("*.mp4")} == expected
    content = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert set(content["means"]) == {name.removesuffix(".mp4") for name in expected} | {"mean"}
    stamps = {path: path.stat().st_mtime_ns for path in results.glob("*.mp4")}
    assert ex4d("evaluate", *flags)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in results.glob("*.mp4")} == stamps
    assert ex4d("evaluate", *flags, "--seed=1")[0] == 0  # made in another way: made again
    assert not {path.stat().st_mtime_ns for path in results.glob("*.mp4")} & set(stamps.values())


def test_the_draft_engine_can_be_measured_too(ex4d, dataset, tmp_path):
    flags = [f"--dataset={dataset}", "--engine=preview", f"--output_dir={tmp_path / 'out'}"]
    code, out, _ = ex4d("evaluate", *flags, "--held_out=1")
    assert code == 0
    assert "mean" in out


def test_bad_input_is_one_sentence(ex4d, shot, weights, dataset):
    out = f"--output_dir={shot / 'out'}"
    single = flags_of(shot)
    cases = {
        "give --result_video and --truth_video, or --dataset": [*single, f"--dataset={dataset}"],
        "or --dataset": single[:1],
        "LPIPS needs both files": [*single, f"--lpips_heads={weights['lpips_heads']}"],
        "no file": [*single, f"--fid_weights={shot / 'none.pth'}"],
        "none.mp4": [single[0], f"--truth_video={shot / 'none.mp4'}"],
        "is not a dataset": [f"--dataset={shot}"],
        "there is no file": [f"--dataset={dataset}", "--engine=wan", "--checkpoint=none.ckpt"],
    }
    for word, flags in cases.items():
        code, _, err = ex4d("evaluate", out, *flags)
        assert (code, err.count("\n")) == (2, 1), err
        assert word in err


def test_curves_are_drawn_where_there_are_values():
    curves = {f"{m}/all": np.full(9, np.nan) for m in ("psnr", "ssim", "flicker")}
    blank = draw_curves(curves)
    curves["ssim/all"] = np.linspace(0.2, 0.9, 9)
    changed = (draw_curves(curves) != blank).any(axis=(1, 2))
    assert not changed[:230].any()
    assert changed[230:460].any()
    assert not changed[460:].any()
