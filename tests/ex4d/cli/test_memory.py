"""Too little memory on the command line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_m8_too_little_memory_is_one_sentence(shot, tmp_path):
    """6 frames of 8192 x 8192 take 1.6 GB, more than this process may have."""
    path = np.tile(np.eye(4), (6, 1, 1))
    lens = np.array([[8192.0, 0, 4096], [0, 8192, 4096], [0, 0, 1]])
    np.savez(tmp_path / "camera.npz", extrinsics=path, intrinsics=lens, size=[8192, 8192])
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))\n"
        "from ex4d.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    flags = ["--input_video", shot / "clip.mp4", "--depth", shot / "depth.npz"]
    flags += ["--camera", tmp_path / "camera.npz", "--output_dir", tmp_path / "out"]
    command = [sys.executable, "-c", code, "recon", *map(str, flags)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("ex4d recon: there was not enough memory (")
    assert "about 6 frames of " in run.stderr  # what would fit
    assert run.stderr.endswith("choose fewer frames or a smaller size\n")
    assert run.stderr.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))
