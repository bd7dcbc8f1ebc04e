"""`ex4d generate --engine wan`, from condition files to an mp4."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ex4d.cli.main import main
from ex4d.cli.precision_comparison import Comparison, comparison_files
from ex4d.conditions.files import write_conditions
from ex4d.engines.base import EngineOptions, Watcher
from ex4d.engines.wan.engine import WanEngine
from ex4d.engines.wan.folder import STEPS_LORA_FILE, STEPS_LORA_FOLDER, find_models
from ex4d.engines.wan.load import load_models
from ex4d.training.evaluation.metrics import compare_frames
from ex4d.video.writer import read_color, read_metadata

from . import tiny
from .conftest import FAST, make_conditions

ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path):
    write_conditions(tmp_path, "a", make_conditions(6, (64, 48)), Fraction(24))
    return tmp_path


@pytest.fixture
def command(folder, models, capsys):
    """A function that runs the command and returns its exit code and what it printed."""

    def run(*more, models=models, out="result.mp4", steps=("--num_inference_steps=2",)):
        flags = [f"--color_video={folder}/color_a.mp4", f"--mask_video={folder}/mask_a.mp4"]
        flags += [f"--output_video={folder / out}", "--engine=wan", f"--models={models}"]
        capsys.readouterr()
        try:
            code = main(["generate", *flags, *steps, *more])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


def test_conditions_become_a_clip_with_its_settings_in_it(command, folder):
    code, out, err = command("--seed=5", "--prompt=a red room", "--guidance-scale=3")
    assert (code, err) == (0, "note: memory: all blocks on the GPU\n")
    assert "engine    wan (as asked)" in out
    assert "Wan2.1-I2V-14B-480P with EX-4D's adapter" in out
    frames, fps = read_color(folder / "result.mp4")
    assert (frames.shape, fps) == ((6, 48, 64, 3), 24)
    tags = read_metadata(folder / "result.mp4")
    made = json.loads(tags["comment"])
    assert (made["engine"], made["seed"]) == ("wan", 5)
    assert made["settings"]["prompt"] == "a red room"
    assert made["settings"]["guidance_scale"] == 3


@pytest.mark.parametrize("vram", [80, 48, 24, 16])
def test_every_memory_profile_writes_the_same_bytes_twice(command, folder, vram):
    for name in ("one.mp4", "two.mp4"):
        assert command(f"--vram={vram}", out=name)[0] == 0
    assert (folder / "one.mp4").read_bytes() == (folder / "two.mp4").read_bytes()


def test_size_length_and_the_source_can_be_asked_for(command, folder):
    assert command("--width=48", "--height=32", "--num_frames=3", "--lora=unfused")[0] == 0
    assert read_color(folder / "result.mp4")[0].shape == (3, 32, 48, 3)
    assert command("--width=48", "--height=32", "--keep-source")[0] == 0
    kept = read_color(folder / "result.mp4")[0]
    assert kept.shape == (6, 48, 64, 3)
    conditions = make_conditions(6, (64, 48))
    assert np.abs(kept[0].astype(int) - conditions.color[0]).mean() < 4


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_inference_steps=0", "0 inference steps"),
        ("--guidance_scale=-1", "guidance scale is -1"),
        ("--guidance_until=1.5", "until 1.5 of the steps"),
        ("--step_cache=nan", "step cache is nan"),
        ("--shift=nan", "shift is nan"),
        ("--vram=32", "invalid choice"),
        ("--width=8", "sides must be 16 to 8192"),
        ("--seed=-1", "--seed is -1"),
        ("--precision=fp4", "invalid choice"),
        ("--compare_precision", "compares with bf16: give another --precision"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(command, folder, flag, message):
    code, _, err = command(flag)
    assert code == 2
    assert message in err
    assert not (folder / "result.mp4").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may multiply fp8")
def test_a_tier_that_cannot_run_here_is_one_sentence(command, folder):
    code, _, err = command("--precision=fp8")
    assert code == 2
    assert err == "ex4d generate: the precision fp8 cannot run here: there is no GPU; choose bf16\n"
    assert not (folder / "result.mp4").exists()


def test_a_clip_in_a_tier_is_compared_with_itself_in_bf16(models, tmp_path):
    """On a CPU, where the tier is emulated: so not by the command, which refuses it."""
    files, options = find_models(models), EngineOptions(models)
    engine = WanEngine(
        lambda report, precision: load_models(
            files, options, torch.device("cpu"), report, precision
        )
    )
    settings = replace(FAST, precision="fp8-all")
    comparison = Comparison(engine, settings, 7)

    def make(chosen):
        return engine.generate(make_conditions(), seed=7, settings=chosen, watcher=Watcher())

    frames, words = comparison.write(tmp_path / "clip.mp4", make, Fraction(24))
    exact_video, sheet, figures = comparison_files(tmp_path / "clip.mp4")
    facts = json.loads(figures.read_text())
    exact = make(replace(settings, precision="bf16"))
    assert not np.array_equal(frames, exact)
    assert facts["psnr_db"] == pytest.approx(compare_frames(frames, exact)["psnr/all"].mean())
    assert 25 < facts["lowest_psnr_db"] <= facts["psnr_db"] < 100
    assert 0.8 < facts["ssim"] < 1
    assert f"PSNR {facts['psnr_db']:.2f} dB" in words
    assert read_color(exact_video)[0].shape == frames.shape
    assert cv2.imread(str(sheet)).shape[1] > 1000
    assert json.loads(read_metadata(exact_video)["comment"])["settings"]["precision"] == "bf16"


@pytest.mark.parametrize("damage", ["cut", "missing", "other"])
def test_wrong_weights_are_named_in_one_sentence_and_nothing_is_left(
    command, folder, models, damage
):
    copy = shutil.copytree(models, folder / "copy")
    path = copy / "EX-4D" / "ex4d.ckpt"
    if damage == "missing":
        path.unlink()
    else:
        other = models / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth"
        path.write_bytes((path if damage == "cut" else other).read_bytes()[:-2000])
        if damage == "other":
            path.write_bytes(other.read_bytes())
    before = sorted(folder.iterdir())
    code, _, err = command(models=copy)
    assert code == 2
    assert err.count("\n") == 1
    assert "ex4d.ckpt" in err
    assert sorted(folder.iterdir()) == before


def test_the_checkpoint_of_a_training_run_can_be_taken(command, folder):
    torch.save(tiny.make_checkpoint(strength=0), folder / "untrained.ckpt")
    assert command()[0] == 0
    assert command(f"--checkpoint={folder / 'untrained.ckpt'}", out="other.mp4")[0] == 0
    frames = [read_color(folder / name)[0].astype(int) for name in ("result.mp4", "other.mp4")]
    assert np.abs(frames[0] - frames[1]).mean() > 1
    code, _, err = command(f"--checkpoint={folder / 'none.ckpt'}")
    assert (code, err.count("\n")) == (2, 1)
    assert f"there is no file {folder / 'none.ckpt'}" in err


@pytest.fixture
def steps_lora(folder):
    save_file(tiny.make_steps_lora(), folder / "steps.safetensors")
    return folder / "steps.safetensors"


def settings_in(path):
    return json.loads(read_metadata(path)["comment"])["settings"]


def test_a_step_distilled_lora_means_its_own_steps_and_no_guidance(command, folder, steps_lora):
    assert command(f"--steps_lora={steps_lora}", "--step_cache=0.1", steps=())[0] == 0
    made = settings_in(folder / "result.mp4")
    assert (made["num_inference_steps"], made["guidance_scale"]) == (4, 1)
    assert (made["steps_lora"], made["shift"], made["step_cache"]) == (True, 5, 0.1)
    assert command(f"--steps_lora={steps_lora}", out="two.mp4")[0] == 0
    assert settings_in(folder / "two.mp4")["num_inference_steps"] == 2
    code, _, err = command(f"--steps_lora={steps_lora}", "--guidance_scale=3", out="three.mp4")
    assert (code, err.count("\n")) == (2, 1)
    assert "the guidance scale is 3.0: with the step-distilled LoRA" in err


def test_the_lora_among_the_weights_needs_no_name(command, folder, models, steps_lora):
    code, _, err = command("--steps_lora")
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no step-distilled LoRA here: ex4d download steps-lora" in err
    copy = shutil.copytree(models, folder / "copy")
    place = copy / STEPS_LORA_FOLDER / STEPS_LORA_FILE
    place.parent.mkdir(parents=True)
    shutil.copy(steps_lora, place)
    assert command("--steps_lora", models=copy)[0] == 0
    assert settings_in(folder / "result.mp4")["steps_lora"]
    assert command(models=copy, out="plain.mp4")[0] == 0
    assert not settings_in(folder / "plain.mp4")["steps_lora"]


@pytest.mark.parametrize("kind", ["missing", "no weights", "EX-4D's", "text to video"])
def test_what_is_no_lora_for_this_model_is_refused_before_anything_is_loaded(
    command, folder, models, steps_lora, kind
):
    if kind == "missing":
        steps_lora.unlink()
    elif kind == "no weights":
        steps_lora.write_bytes(b"no weights")
    elif kind == "EX-4D's":
        save_file(tiny.make_checkpoint(), steps_lora)
    else:
        tensors = tiny.make_steps_lora()
        save_file({n: t for n, t in tensors.items() if "img" not in n}, steps_lora)
    copy = shutil.copytree(models, folder / "copy")
    (copy / "Wan2.1-I2V-14B-480P" / "Wan2.1_VAE.pth").write_bytes(b"would be read next")
    code, _, err = command(f"--steps_lora={steps_lora}", models=copy)
    assert (code, err.count("\n")) == (2, 1)
    assert "steps.safetensors" in err
    assert not (folder / "result.mp4").exists()


def test_the_preview_never_loads_torch(folder):
    code = (
        "import sys; from ex4d.cli.main import main\n"
        f"code = main(['generate', '--engine=preview', '--color_video={folder}/color_a.mp4', "
        f"'--mask_video={folder}/mask_a.mp4', '--output_video={folder}/draft.mp4'])\n"
        "assert main(['doctor']) in (0, 1)\n"
        "loaded = {'torch', 'diffsynth', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "assert (code, loaded) == (0, set()), (code, loaded)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
