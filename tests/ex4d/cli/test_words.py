"""What was typed and what is printed: names of every kind, and stdout for facts only."""

from __future__ import annotations

import codecs
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ex4d.cli.arguments import with_dashed_names
from ex4d.video.reader import probe
from ex4d.video.writer import read_color, write_color, write_mask

ROOT = Path(__file__).parents[3]
KEY = "&0HHFM&iR7CX0D>=Z$mJp[eOcx@%rkq9hIFjJj{L"


@pytest.fixture
def run(tmp_path):
    """A function that runs a command as a process in `tmp_path`: exit code, stdout, stderr."""

    def run(*arguments: str | bytes, home: Path | None = None) -> tuple[int, str, str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home or tmp_path)}
        command = [sys.executable, "-m", "ex4d", *arguments]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


# -- what was typed


def test_a_name_may_begin_with_a_dash(run, shot, tmp_path):
    shutil.copy(shot / "clip.mp4", tmp_path / "-clip.mp4")
    shutil.copy(shot / "depth.npz", tmp_path / "-d.npz")
    flags = [
        "--input-video",
        "-clip.mp4",
        "--depth",
        "-d.npz",
        "--output_dir",
        "-out",
        "--cam",
        "-5",
    ]
    code, _, err = run("recon", *flags)
    assert (code, err) == (0, "")
    assert (tmp_path / "-out" / "color_-5.mp4").exists()


def test_a_flag_is_never_taken_for_a_name():
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--depth")
    parser.add_argument("--save_mesh", nargs="?")
    parser.add_argument("--fast", "-f", action="store_true")
    for argv in (["--depth", "-f"], ["--depth", "--fast"], ["--fast", "-x"], ["--save_mesh", "-x"]):
        assert with_dashed_names(parser, argv) == argv
    assert with_dashed_names(parser, ["-f", "--depth", "-x"]) == ["-f", "--depth=-x"]


def test_the_home_folder_is_meant_by_a_tilde(run, shot, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(shot / "depth.npz", home)
    flags = [f"--input_video={shot / 'clip.mp4'}", "--depth=~/depth.npz", "--output_dir=~/out"]
    code, _, err = run("recon", *flags, home=home)
    assert (code, err) == (0, "")
    assert (home / "out" / "color_30.mp4").exists()
    assert not (tmp_path / "~").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only names in Unicode")
@pytest.mark.parametrize("depth", ["npz", "exr"])
def test_names_may_be_bytes_that_are_no_utf_8(run, shot, tmp_path, depth):
    folder = os.fsencode(tmp_path) + b"/z\xe9"
    os.mkdir(folder)
    shutil.copy(shot / "clip.mp4", folder + b"/cl\xe9.mp4")
    shutil.copy(shot / "depth.npz", folder + b"/d\xe9.npz")
    flags = [b"--input_video=z\xe9/cl\xe9.mp4", b"--depth=z\xe9/d\xe9.npz"]
    code, _, err = run("recon", *flags, b"--output_dir=z\xe9/o\xe9", "--save_mesh=usd",
                       f"--save_depth={depth}", "--save_camera")  # fmt: skip
    assert (code, err) == (0, "")
    flags[1] = b"--depth=z\xe9/o\xe9/depth" + (b".npz" if depth == "npz" else b"")
    again = [b"--camera=z\xe9/o\xe9/camera_30.npz", b"--output_dir=z\xe9/again"]
    code, _, err = run("recon", *flags, *again)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_key_is_read_as_editors_save_it(ex4d, tmp_path, encoding):
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    (tmp_path / "server.key").write_bytes(mark + f"{KEY}\r\n".encode(encoding))
    answer = ex4d("jobs", f"--server_key={tmp_path / 'server.key'}")
    assert answer.exit_code == 2
    assert "needs both the server's key and a key pair" in answer.err  # the key was one


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_is_read_as_editors_save_it(ex4d, tmp_path, encoding):
    (tmp_path / "mine.toml").write_text("steps = 0\n", encoding)
    answer = ex4d("train", f"--output_dir={tmp_path / 'out'}", f"--config={tmp_path}/mine.toml")
    assert "steps is 0" in answer.err


# -- what is printed

NOISY = """
import os, sys
from ex4d.cli import main as commands
from ex4d.cli import doctor
from ex4d.cli.console import say
def run(arguments):
    say("fact", "one")
    print("a library, from Python")
    os.system("echo a library, from C")
    say("fact", "two")
    if arguments.command == "doctor" and len(sys.argv) > 2:
        raise KeyboardInterrupt
    return 0
doctor.run = run
sys.exit(commands.main(["doctor"]))
"""


def test_what_libraries_print_is_not_on_stdout():
    for more in ([], ["stopped"]):
        command = [sys.executable, "-c", NOISY, *more, "x" * len(more)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.stdout == "fact      one\nfact      two\n"
        assert "a library, from Python\n" in done.stderr
        assert "a library, from C\n" in done.stderr


# -- sizes


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (["--width=64"], (64, 48)),
        (["--height=96"], (128, 96)),
        (["--width=64", "--height=64"], (64, 64)),
    ],
)
def test_one_side_of_the_clip_keeps_its_aspect(ex4d, tmp_path, flags, size):
    picture = np.full((3, 72, 96, 3), 90, np.uint8)
    write_color(tmp_path / "color_a.mp4", picture, 24)
    write_mask(tmp_path / "mask_a.mp4", picture[..., 0] > 0, 24)
    pair = [f"--color_video={tmp_path}/color_a.mp4", f"--mask_video={tmp_path}/mask_a.mp4"]
    answer = ex4d("generate", *pair, *flags, f"--output_video={tmp_path}/final.mp4")
    assert answer.exit_code == 0, answer.err
    assert probe(tmp_path / "final.mp4").native_size == size
    assert read_color(tmp_path / "final.mp4")[0].shape == (3, size[1], size[0], 3)


def test_an_animated_webp_is_refused_in_words(recon, tmp_path):
    size = (47).to_bytes(3, "little") * 2
    chunks = b"VP8X" + (10).to_bytes(4, "little") + b"\x02\0\0\0" + size
    chunks += b"ANIM" + (6).to_bytes(4, "little") + bytes(6)
    data = b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks
    (tmp_path / "a.webp").write_bytes(data)
    answer = recon(input_video=tmp_path / "a.webp")
    assert answer.exit_code == 2
    assert "a.webp is an animated WebP, which cannot be decoded here" in answer.err
