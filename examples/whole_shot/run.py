"""The whole shot on one computer: a server with keys, the extension in Blender, a sheet to look at.

`make demo` runs it. Leaves in the output folder: shot.blend, result.mp4, color_60.mp4, mask_60.mp4,
contact_sheet.png and times.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.files.contact_sheet import contact_sheet, write_png
from ex4d.video.writer import read_color, read_mask
from protocol.keys import load_key_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SHOT = HERE.parent / "shot"
CLIP = "courtyard"
START_S, STOP_S, BLENDER_S = 120, 30, 600


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blender_python", type=Path, required=True, help="Python with bpy")
    parser.add_argument("--zip", type=Path, required=True, help="the extension")
    parser.add_argument("--output_dir", type=Path, default=Path("outputs/demo"))
    return parser.parse_args()


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Path]]:
    """A server with keys on a free port of this computer: its endpoint, and its folder of keys."""
    keys = folder / "keys"
    ex4d = [sys.executable, "-m", "ex4d"]
    subprocess.run([*ex4d, "keys", "server", "--keys", keys], check=True, stdout=subprocess.DEVNULL)
    flags = ["--bind", "tcp://127.0.0.1:0", "--data_dir", folder / "data", "--keys", keys]
    log = folder / "server.log"
    with log.open("w") as stderr:
        process = subprocess.Popen([*ex4d, "serve", *flags], stderr=stderr)
    try:
        yield _endpoint(process, log), keys
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _endpoint(process: subprocess.Popen[bytes], log: Path) -> str:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        for line in log.read_text().splitlines():
            if "listening" in line:
                return line.split("endpoint=")[1].split()[0]
        time.sleep(0.1)
    raise SystemExit(f"The server did not start:\n{log.read_text()}")


def run_blender(given: argparse.Namespace, folder: Path) -> None:
    """The artist's part, in a profile of its own."""
    with TemporaryDirectory() as scratch, server(Path(scratch)) as (endpoint, keys):
        flags = {
            "zip": given.zip.resolve(),
            "output_dir": folder,
            "keys": keys,
            "python": sys.executable,
            "endpoint": endpoint,
            "server_key": load_key_pair(keys, "server").public,
        }
        command = [given.blender_python.absolute(), HERE / "in_blender.py"]
        command += [part for name, value in flags.items() for part in (f"--{name}", value)]
        profile = {**os.environ, "BLENDER_USER_RESOURCES": str(Path(scratch) / "profile")}
        done = subprocess.run(command, env=profile, timeout=BLENDER_S)
        if done.returncode:
            raise SystemExit(f"Blender ended with {done.returncode}; what it said is above.")


def collect(folder: Path) -> dict[str, float]:
    """Put the take's files and a sheet where they are looked for; return the times."""
    found = json.loads((folder / "blender.json").read_text())
    (folder / "blender.json").unlink()
    take = Path(found["take"])
    names = {"result": "result", "color": "color_60", "mask": "mask_60"}
    for name, shown in names.items():
        shutil.copyfile(take / f"{name}.mp4", folder / f"{shown}.mp4")
    meshes = sorted(folder.glob("mesh_?.png"))
    pictures = np.stack([cv2.imread(str(path))[..., ::-1] for path in meshes])
    for path in meshes:
        path.unlink()
    rows = {
        "source": read_color(folder / f"{CLIP}.mp4")[0],
        "mesh, from the side (magenta: holes)": pictures,
        "condition: colour": read_color(folder / "color_60.mp4")[0],
        "condition: mask": read_mask(folder / "mask_60.mp4")[0],
        f"result ({found['engine']})": read_color(folder / "result.mp4")[0],
    }
    write_png(folder / "contact_sheet.png", contact_sheet(rows))
    print(f"the new camera sees {found['coverage']:.1%} of its pictures in the source")
    times: dict[str, float] = found["times"]
    return times


def main() -> None:
    given = arguments()
    folder = given.output_dir.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "shot.blend").exists():
        raise SystemExit(f"{folder} holds other things: name an empty folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(SHOT / "input.mp4", folder / f"{CLIP}.mp4")
    shutil.copyfile(SHOT / "depth.npz", folder / "depth.npz")
    began_s = time.monotonic()
    run_blender(given, folder)
    times = collect(folder)
    times["everything"] = time.monotonic() - began_s
    table = "".join(f"{name:24}{seconds:7.1f} s\n" for name, seconds in times.items())
    (folder / "times.txt").write_text(table)
    print(table, end="")
    print(f"look at {folder / 'contact_sheet.png'}, and open {folder / 'shot.blend'} in Blender")


if __name__ == "__main__":
    main()
