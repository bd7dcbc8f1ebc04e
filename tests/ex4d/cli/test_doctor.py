"""doctor tells what works here, what does not, and what mends it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from ex4d.cli import doctor
from ex4d.engines.wan.folder import STEPS_LORA_FILE, STEPS_LORA_FOLDER
from ex4d.health import Finding, examine

if TYPE_CHECKING:
    from pathlib import Path


def working(folder: Path):
    yield Finding("python", "ok", "fine")


def optional(folder: Path):
    yield Finding("torch", "optional", "not installed", 'pip install "ex4d[gpu]"')


def broken(folder: Path):
    yield Finding("ffmpeg", "broken", "cannot encode", "pip install --force-reinstall av")


def raising(folder: Path):
    raise RuntimeError("undefined symbol: PyFoo\nin a long text")
    yield


@pytest.fixture
def answer(capsys, tmp_path):
    """A function that runs doctor with checks of one's own: its exit code and lines."""

    def run(*checks) -> tuple[int, list[str]]:
        arguments = argparse.Namespace(output_dir=tmp_path)
        exit_code = doctor.run(arguments, {check.__name__: check for check in checks})
        return exit_code, capsys.readouterr().out.splitlines()

    return run


def test_everything_that_is_needed_works_here(ex4d):
    told = ex4d("doctor")
    assert told.exit_code == 0, told.out
    assert told.err == ""
    for part in ("python", "memory", "disk", "ffmpeg", "rasterizer", "gpu", "engine", "usd"):
        assert f" {part} " in told.out


def test_every_line_says_whether_its_part_works(ex4d):
    lines = ex4d("doctor").out.splitlines()[:-1]
    assert lines
    assert all(line[:4] in {"ok  ", "--  ", "NO  ", "    "} for line in lines)


def test_it_examines_without_leaving_anything(ex4d, tmp_path):
    assert ex4d("doctor", "--output-dir", tmp_path / "not" / "there").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_broken_part_gives_1_with_its_remedy(answer):
    exit_code, lines = answer(working, broken, optional)
    assert exit_code == 1
    assert lines[0].split() == ["ok", "python", "fine"]
    assert lines[1].split(maxsplit=2) == ["NO", "ffmpeg", "cannot encode"]
    assert lines[2].strip() == "mend: pip install --force-reinstall av"
    assert lines[-1] == "broken: ffmpeg"


def test_an_optional_part_that_is_missing_is_no_fault(answer):
    exit_code, lines = answer(working, optional)
    assert exit_code == 0
    assert lines[1].startswith("--  torch")
    assert lines[2].strip() == 'mend: pip install "ex4d[gpu]"'


def test_a_check_that_raises_is_a_broken_part_and_the_others_still_count(answer):
    exit_code, lines = answer(raising, working)
    assert exit_code == 1
    assert lines[0].split(maxsplit=2) == ["NO", "raising", "RuntimeError: undefined symbol: PyFoo"]
    assert lines[1].strip().startswith("mend: ")
    assert lines[2].startswith("ok  python")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("#!/bin/sh\necho NVIDIA H200, 143771 MiB", "NVIDIA H200, 143771 MiB"),
        ("#!/bin/sh\necho driver/library version mismatch\nexit 18", "no NVIDIA GPU found"),
        ("#!/not/there", "no NVIDIA GPU found"),
    ],
    ids=["works", "fails", "does not start"],
)
def test_a_driver_that_does_not_answer_is_no_gpu(ex4d, tmp_path, monkeypatch, script, text):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(script + "\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = ex4d("doctor")
    assert told.exit_code == 0
    assert f" gpu         {text}" in told.out


def test_the_step_distilled_lora_is_told_of_with_its_licence(tmp_path, monkeypatch):
    def told():
        findings = [f for f in examine(tmp_path) if f.part == "models"]
        return next(f for f in findings if "step-distilled LoRA" in f.text)

    monkeypatch.setenv("EX4D_MODELS", str(tmp_path))
    assert (told().state, told().remedy) == ("optional", "ex4d download steps-lora (about 0.7 GiB)")
    assert "(Apache-2.0)" in told().text
    place = tmp_path / STEPS_LORA_FOLDER / STEPS_LORA_FILE
    place.parent.mkdir(parents=True)
    place.touch()
    assert told().state == "ok"
    assert str(place) in told().text


def test_every_broken_or_missing_part_has_a_remedy_or_needs_none(tmp_path):
    for finding in examine(tmp_path):
        assert finding.text
        assert finding.state != "broken" or finding.remedy
