"""ex4d verify on tiny weights: everything but the weights' worth is real."""

from __future__ import annotations

import base64
import json
import re
import shutil
from html import unescape

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ex4d.engines.base import EngineOptions, GenerateSettings
from ex4d.engines.wan.golden import bundled_golden
from ex4d.errors import UsageError
from ex4d.verification.example import read_example, run_modes
from ex4d.verification.findings import Findings, compare_all
from ex4d.verification.html import table
from ex4d.verification.modes import EXACT, MODES, Mode, modes_named
from ex4d.verification.report import verdicts
from ex4d.video.writer import read_color

from .small import write_example


def figures_in(page):
    return json.loads(unescape(re.search(r'<pre id="figures">(.*?)</pre>', page, re.S)[1]))


def test_a_report_holds_all_that_was_found_and_needs_no_other_file(verify, tmp_path, models):
    code, out, err = verify()
    assert code == 0, err
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    figures = figures_in(page)
    assert {entry["problem"] for entry in figures["files"]} == {None}
    assert {len(identity) for entry in figures["files"] for identity in entry["ids"]} == {12}
    assert figures["golden"][0]["errors"]["latents"] < 1e-5
    assert [mode["name"] for mode in figures["modes"]] == [mode.name for mode in MODES]
    ran = [mode for mode in figures["modes"] if mode["problem"] is None]
    assert {"exact", "8-steps", "unfused"} <= {mode["name"] for mode in ran}
    assert all(mode["stages_s"]["denoise"] > 0 for mode in ran)
    if not torch.cuda.is_available():
        assert "the mode fp8: the precision fp8 cannot run here: there is no GPU" in out
    pairs = [(entry["what"], entry["to"]) for entry in figures["comparisons"]]
    assert ("exact", "published") in pairs
    assert ("8-steps", "exact") in pairs
    near = {pair: c["psnr/all"] for pair, c in zip(pairs, figures["comparisons"], strict=True)}
    assert near["unfused", "exact"] > 40
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert str(models) not in page
    assert str(tmp_path) not in page
    assert "exact against published: PSNR" in out


def test_pictures_and_clips_are_those_that_were_made(verify, tmp_path):
    verify("--modes=exact")
    folder = tmp_path / "report"
    assert {path.name for path in folder.iterdir()} == {
        *(".ex4d.json", "report.html", "sheet.png", "exact.mp4")
    }
    frames, fps = read_color(folder / "exact.mp4")
    assert (frames.shape, fps) == ((5, 32, 48, 3), 15)
    page = (folder / "report.html").read_text("utf-8")
    sheet, curves = (
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        for text in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    )
    alone = cv2.imread(str(folder / "sheet.png"))
    assert np.abs(sheet.astype(int) - alone).mean() < 10  # JPEG, of noise
    assert curves.shape[1] == 900


def test_the_conditions_stand_beside_the_modes_as_a_measure(verify, tmp_path):
    verify("--modes=exact")
    figures = figures_in((tmp_path / "report" / "report.html").read_text("utf-8"))
    measure, exact = figures["comparisons"]
    assert measure["psnr/seen"] > 40  # the published clip of this example has the same pixels
    assert measure["psnr/unseen"] < 20
    assert exact["psnr/seen"] < measure["psnr/seen"]


@pytest.mark.parametrize("name", ["Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth"])
def test_a_file_with_a_tensor_too_few_is_named_and_the_report_says_so(
    verify, models, tmp_path, name
):
    broken = tmp_path / "models"
    shutil.copytree(models, broken)
    path = broken / "Wan2.1-I2V-14B-480P" / name
    weights = torch.load(path)
    lost = next(reversed(weights))
    del weights[lost]
    torch.save(weights, path)
    code, _, err = verify(models=broken)
    assert (code, err.count("\n")) == (2, 1)
    assert lost in err
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert lost in page
    assert "Not run: the files are not right" in page


def test_a_golden_that_differs_is_exit_code_1(verify, tmp_path):
    changed = tmp_path / "golden.safetensors"
    write_golden(changed, lambda tensors: tensors["io.latents_fp32"].mul_(1.01))
    code, out, _ = verify("--modes=exact", f"--golden={changed}")
    assert code == 1
    assert "no        the golden model on cpu differs from the public code" in out


def write_golden(path, change):
    with safe_open(bundled_golden(), framework="pt") as file:
        facts = file.metadata()
    tensors = load_file(bundled_golden())
    change(tensors)
    save_file(tensors, path, facts)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--modes=exact,warp"], "there is no mode 'warp': choose from exact, 8-steps, "),
        (["--golden={folder}/render_180.mp4"], "is not a readable file of weights"),
        (["--example={folder}/none"], "ex4d download --example, or --example FOLDER"),
        (["--models={folder}"], "the weights of the diffusion engine wan are missing"),
        (["--checkpoint={folder}/none.ckpt"], "there is no file"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(verify, example, tmp_path, flags, words):
    code, _, err = verify(*(flag.format(folder=example) for flag in flags))
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert not (tmp_path / "report").exists()


def test_an_example_of_two_sizes_is_refused(verify, tmp_path):
    code, _, err = verify(example=write_example(tmp_path / "cut", published_size=(32, 32)))
    assert (code, err.count("\n")) == (2, 1)
    assert "do not belong together: 5 frames of 48x32 and 5 frames of 32x32" in err


def test_the_exact_mode_is_the_public_codes_and_always_comes_first():
    assert EXACT.generate_settings((512, 512)) == GenerateSettings(size=(512, 512))
    assert EXACT.engine_options(EngineOptions()) == EngineOptions()
    assert modes_named("8-steps") == (EXACT, MODES[1])
    assert modes_named(None) == MODES
    with pytest.raises(UsageError):
        modes_named("")


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_what_a_mode_changes_exists(mode):
    mode.engine_options(EngineOptions())
    mode.generate_settings((512, 512))


def test_a_mode_that_cannot_run_is_told_and_the_next_one_runs(models, example, tmp_path):
    modes = (
        EXACT,
        Mode("elsewhere", "not here", options={"checkpoint": tmp_path / "none.ckpt"}),
        Mode("2-steps", "few", settings={"num_inference_steps": 2}),
    )
    public, stages = read_example(example), []
    results = list(
        run_modes(public, modes, EngineOptions(models), lambda stage, *_: stages.append(stage))
    )
    assert [result.problem is None for result in results] == [True, False, True]
    assert {"exact: load", "exact: denoise", "2-steps: load"} <= set(stages)  # loaded anew
    compared = [(c.what, c.to) for c in compare_all(public, results)]
    assert compared[1:] == [("exact", "published"), ("2-steps", "published"), ("2-steps", "exact")]
    told = verdicts(Findings({}, [], [], public, results))
    assert [word for word, text in told if "the mode elsewhere: " in text] == ["look"]


def test_texts_in_a_table_cannot_become_html():
    assert "<td>&lt;b&gt;</td>" in table(("a",), [("<b>",)])
