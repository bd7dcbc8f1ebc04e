"""What the fuzzer once found, and the inputs that it starts from, end as they must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .seeds import seeds
from .targets import TARGETS

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / "tests/data/fuzz"


def replay(target, paths):
    """In a process of its own: a native library that crashes takes it along."""
    command = [sys.executable, "-m", "tests.fuzz.child", target, "--replay", *map(str, paths)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stdout[-300:] + run.stderr[-3000:]
    assert run.stdout.count("\n") == len(paths)


@pytest.mark.parametrize("target", TARGETS)
def test_findings_of_the_fuzzer_are_mended(target, tmp_path):
    inputs = {f"seed{number}": data for number, data in enumerate(seeds(target))}
    for name, data in inputs.items():
        (tmp_path / name).write_bytes(data)
    replay(target, [*sorted(tmp_path.iterdir()), *sorted((FINDINGS / target).glob("*"))])


def test_every_finding_belongs_to_a_target():
    assert {folder.name for folder in FINDINGS.iterdir() if folder.is_dir()} <= set(TARGETS)
