"""demo: the whole way on the bundled sample shot, compared with the truth"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ex4d.cli import generate, recon
from ex4d.cli.console import say
from ex4d.errors import InputError
from ex4d.files.contact_sheet import contact_sheet, write_png
from ex4d.files.manifest import Run
from ex4d.files.npz import read_npz
from ex4d.files.outputs import check_names, staged_folder
from ex4d.video.writer import read_color, read_mask

__all__ = ["add_arguments", "run", "shot_folder"]

_SHEET = "contact_sheet.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--output_dir", type=Path, default=Path("outputs/demo"), help="folder for the results")
    add("--shot", type=Path, help="folder of a sample shot; default: the bundled one")


def shot_folder() -> Path:
    """Where the bundled sample shot lies: in the repository, or inside the installed package.

    Raises InputError when it is in neither.
    """
    package = Path(__file__).parents[1]
    for folder in (package.parent / "examples" / "shot", package / "_shot"):
        if (folder / "input.mp4").exists():
            return folder
    raise InputError("the sample shot was not installed: give its folder with --shot")


def run(arguments: argparse.Namespace) -> int:
    """Make conditions and a preview of the sample shot, and compare them with the truth."""
    shot = arguments.shot or shot_folder()
    folder, sheet = arguments.output_dir, Run("demo")
    check_names(folder, sheet, [_SHEET])
    started = time.monotonic()
    _run(
        recon,
        f"--input_video={shot / 'input.mp4'}",
        f"--depth={shot / 'depth.npz'}",
        f"--camera={shot / 'camera.npz'}",
        f"--output_dir={folder}",
        "--save_mesh",
        "--save_camera",
    )
    between = time.monotonic()
    color, mask, result = (
        folder / f"{name}.mp4" for name in ("color_camera", "mask_camera", "result")
    )
    _run(generate, f"--color_video={color}", f"--mask_video={mask}", f"--output_video={result}")
    finished = time.monotonic()
    with staged_folder(folder, sheet, [_SHEET]) as staging:
        write_png(staging / _SHEET, _compare(shot, folder))
    say("times", f"recon {between - started:.1f} s, generate {finished - between:.1f} s")
    say("look at", f"{folder / _SHEET} and {result}")
    return 0


def _run(command: object, *flags: str) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    command.run(parser.parse_args(flags))  # type: ignore[attr-defined]


def _compare(shot: Path, folder: Path) -> np.ndarray:
    """Say how far the conditions and the preview are from the true picture; draw a sheet."""
    truth, _ = read_color(shot / "truth.mp4")
    seen = read_npz(shot / "truth_seen.npz", InputError, names=("seen",))["seen"]
    color, _ = read_color(folder / "color_camera.mp4")
    mask, _ = read_mask(folder / "mask_camera.mp4")
    result, _ = read_color(folder / "result.mp4")
    wrong = (mask & ~seen).mean()
    say("truth", f"{_psnr_db(color, truth, mask):.1f} dB where the mask shows the source")
    say("", f"{wrong:.2%} of the picture is called seen and is truly disoccluded")
    say("", f"the preview is at {_psnr_db(result, truth, np.ones_like(mask)):.1f} dB as a whole")
    source, _ = read_color(shot / "input.mp4")
    rows = {
        "source": source,
        "condition: colour": color,
        "condition: mask": mask,
        "preview": result,
        "truth": truth,
    }
    return contact_sheet(rows)


def _psnr_db(picture: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    error = (picture[where].astype(np.float64) - truth[where]) ** 2
    return float(10 * np.log10(255**2 / error.mean()))
