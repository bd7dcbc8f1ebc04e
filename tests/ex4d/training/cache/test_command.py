"""`ex4d cache`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ex4d.training.cache.files import read_cache

ROOT = Path(__file__).parents[4]


def test_a_dataset_becomes_a_cache(ex4d, dataset, models, tmp_path):
    flags = [f"--dataset={dataset}", f"--output-dir={tmp_path / 'c'}", f"--models={models}"]
    code, out, err = ex4d("cache", *flags, "--devices=cpu")
    assert (code, err) == (0, "")
    assert f"4 encoded, 0 were there: {tmp_path / 'c'}" in out
    assert len(read_cache(tmp_path / "c").entries) == 4
    code, out, _ = ex4d("cache", *flags, "--devices=cpu")
    assert code == 0
    assert "0 encoded, 4 were there" in out


def test_what_is_wrong_is_one_sentence(ex4d, dataset, models, tmp_path):
    flags = [f"--output_dir={tmp_path / 'c'}", f"--models={models}"]
    code, _, err = ex4d("cache", f"--dataset={tmp_path}", *flags)
    assert (code, err.count("\n")) == (2, 1)
    assert "is not a dataset of ex4d masks" in err
    code, _, err = ex4d("cache", f"--dataset={dataset}", *flags, "--devices=cuda:7")
    assert (code, err.count("\n")) == (2, 1)
    assert "'cuda:7'" in err


def test_the_help_of_training_commands_loads_no_torch():
    code = (
        "import sys; from ex4d.cli.main import main\n"
        "for name in ('cache', 'train', 'evaluate'):\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert "--prompt_dropout" in run.stdout
