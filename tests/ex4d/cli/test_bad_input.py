"""Whatever is wrong: exit code 2, one line that names it, and nothing left on the disk."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.video.writer import write_color, write_mask, write_video

if TYPE_CHECKING:
    from pathlib import Path


def tree(folder: Path) -> dict[str, bytes | None]:
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def one_line(answer, *words: object) -> None:
    """Check that the answer is one sentence with all the words in it."""
    assert answer.exit_code == 2
    assert len(answer.err.splitlines()) == 1, answer.err
    assert answer.err.startswith("ex4d")
    assert "Traceback" not in answer.err
    for word in words:
        assert str(word) in answer.err


def grey(n_frames: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((n_frames, size[1], size[0], 3), 128, np.uint8)


def bad_video(path: Path, kind: str, shot: Path) -> None:
    content = (shot / "clip.mp4").read_bytes()
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("It was a dark and stormy night.\n" * 50)
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "one frame":
        write_video(path, grey(1), 24)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut", "one frame", "folder"])
def test_a_bad_video_is_named(recon, shot, tmp_path, kind):
    bad_video(tmp_path / "bad.mp4", kind, shot)
    before = tree(tmp_path)
    one_line(recon(input_video=tmp_path / "bad.mp4"), tmp_path / "bad.mp4")
    assert tree(tmp_path) == before


DEPTHS = {
    "frames": (np.ones((5, 48, 64)), "has 5 frames of depth, the clip has 6"),
    "zeros": (np.zeros((6, 48, 64)), "frame 0 has no known depth"),
    "NaN": (np.full((6, 48, 64), np.nan, np.float32), "frame 0 has no known depth"),
    "negative": (np.full((6, 48, 64), -2.5), "frame 0 has depth -2.5 at row 0, column 0"),
    "shape": (np.ones((48, 64)), "it is float64 [48, 64]"),
    "words": (np.full((6, 48, 64), "far"), "it is <U3"),
    "objects": (np.full((6, 48, 64), None), "is not a readable .npz file"),
}


@pytest.mark.parametrize("kind", DEPTHS)
def test_a_bad_depth_is_named(recon, tmp_path, kind):
    depth, words = DEPTHS[kind]
    np.savez(tmp_path / "bad.npz", depth=depth)
    before = tree(tmp_path)
    one_line(recon(depth=tmp_path / "bad.npz"), tmp_path / "bad.npz", words)
    assert tree(tmp_path) == before


def path_of(**changes) -> dict[str, np.ndarray]:
    lens = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    return {"extrinsics": np.tile(np.eye(4), (6, 1, 1)), "intrinsics": lens, **changes}


def changed(frame: int, place, value) -> np.ndarray:
    path = np.tile(np.eye(4), (6, 1, 1))
    path[frame][place] = value
    return path


CAMERAS = {
    "NaN": ({"extrinsics": changed(3, (0, 3), np.nan)}, "frame 3 hold nan"),
    "mirrored": ({"extrinsics": changed(2, (2, 2), -1)}, "frame 2 is mirrored"),
    "scaled": ({"extrinsics": changed(4, np.s_[:3, :3], 2 * np.eye(3))}, "frame 4 is not orthon"),
    "short": ({"extrinsics": changed(0, (0, 3), 1)[:4]}, "it has 4 frames, the clip has 6"),
    "focal": ({"intrinsics": np.diag([0, 60.0, 1])}, "frame 0 has focal length 0 px"),
    "source": ({"source_frames": [0, 1, 2, 3, 4, 6]}, "frame 5 of the camera path shows source"),
    "size": ({"size": [99999, 48]}, "size 99999x48 is outside"),
    "key": ({"extrinsics": None}, "there is no 'extrinsics' in it"),
}


@pytest.mark.parametrize("kind", CAMERAS)
def test_a_bad_camera_path_is_named(recon, tmp_path, kind):
    changes, words = CAMERAS[kind]
    arrays = path_of(**changes)
    np.savez(tmp_path / "bad.npz", **{key: a for key, a in arrays.items() if a is not None})
    before = tree(tmp_path)
    one_line(recon(camera=tmp_path / "bad.npz"), tmp_path / "bad.npz", words)
    assert tree(tmp_path) == before


FLAGS = {
    "cam": ({"cam": "sideways"}, ["'sideways'", "180", "zoom_in", "zoom_out"]),
    "unknown": ({"sharpness": 3}, ["--sharpness"]),
    "width": ({"width": 3}, ["width is 3"]),
    "height": ({"height": 9000}, ["height is 9000"]),
    "number": ({"width": "wide"}, ["--width", "'wide'"]),
    "fov": ({"fov": 180}, ["--fov is 180"]),
    "fov NaN": ({"fov": "nan"}, ["--fov is nan"]),
    "angle": ({"min_face_angle": 60}, ["--min_face_angle is 60"]),
    "mesh frame": ({"save_mesh": "ply", "mesh_frame": 6}, ["--mesh_frame is 6", "0 to 5"]),
    "mesh frame -1": ({"mesh_frame": -1}, ["--mesh_frame is -1"]),
    "mesh": ({"save_mesh": "obj"}, ["'obj'", "ply", "usd"]),
    "num_frames": ({"num_frames": 1}, ["num_frames is 1"]),
    "start": ({"start_frame": 6}, ["frame 6", "6 frames"]),
    "stride": ({"stride": 0}, ["stride is 0"]),
    "leaves one": ({"start_frame": 5}, ["start 5", "leaves 1 frame"]),
    "estimator": ({"depth": "guess"}, ["'guess'", "depth-anything"]),
    "source camera": ({"source_camera": "not_there.npz"}, ["there is no file not_there.npz"]),
    "depth file": ({"depth": "not_there.npz"}, ["there is no file not_there.npz"]),
    "camera file": ({"camera": "not_there.npz"}, ["there is no file not_there.npz"]),
    "both paths": ({"cam": 30, "camera": "a.npz"}, ["--camera", "--cam"]),
    "rasterizer": ({"rasterizer": "opengl"}, ["'opengl'", "cpu"]),
    "convention": ({"convention": "blender"}, ["'blender'", "exact", "upstream"]),
    "no video": ({"input_video": None}, ["--input_video"]),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_wrong_flag_is_named(recon, tmp_path, kind):
    changes, words = FLAGS[kind]
    one_line(recon(**changes), *words)
    assert tree(tmp_path) == {}


def test_an_output_folder_below_a_file_is_named(recon, tmp_path):
    (tmp_path / "file").write_text("mine")
    one_line(recon(output_dir=tmp_path / "file" / "out"), tmp_path / "file" / "out", "is a file")
    assert tree(tmp_path) == {str(tmp_path / "file"): b"mine"}


def test_results_that_were_there_stay_when_a_later_run_fails(recon, tmp_path):
    assert recon().exit_code == 0
    before = tree(tmp_path)
    one_line(recon(cam="sideways"))
    one_line(recon(mesh_frame=77))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("argv", [(), ("recon",), ("unknown",), ("--cam",), ("generate", "--seed")])
def test_a_wrong_use_is_one_line_that_leads_to_the_help(ex4d, argv):
    one_line(ex4d(*argv), "--help")


@pytest.fixture
def pair(tmp_path):
    """Conditions of 3 frames, in a folder of their own."""
    folder = tmp_path / "pair"
    folder.mkdir()
    write_color(folder / "color_a.mp4", grey(3), 24)
    write_mask(folder / "mask_a.mp4", np.ones((3, 48, 64), bool), 24)
    return folder


@pytest.fixture
def generate(ex4d, pair, tmp_path):
    def run(**changes: object):
        flags = {
            "color_video": pair / "color_a.mp4",
            "mask_video": pair / "mask_a.mp4",
            "output_video": tmp_path / "out" / "final.mp4",
            **changes,
        }
        (tmp_path / "out").mkdir(exist_ok=True)
        return ex4d("generate", *(f"--{name}={value}" for name, value in flags.items()))

    return run


@pytest.mark.parametrize("n_frames", [2, 4])
def test_a_mask_of_another_length_is_named_with_both(generate, pair, n_frames):
    write_mask(pair / "mask_b.mp4", np.ones((n_frames, 48, 64), bool), 24)
    words = f"3 frames of 64x48 and {n_frames} frames of 64x48"
    one_line(generate(mask_video=pair / "mask_b.mp4"), pair / "mask_b.mp4", words)


def test_a_mask_of_another_size_is_named_with_both(generate, pair):
    write_mask(pair / "mask_b.mp4", np.ones((3, 64, 48), bool), 24)
    one_line(generate(mask_video=pair / "mask_b.mp4"), "64x48 and 3 frames of 48x64")


def test_a_mask_that_shows_nothing_is_said(generate, pair, tmp_path):
    write_mask(pair / "mask_b.mp4", np.zeros((3, 48, 64), bool), 24)
    one_line(generate(mask_video=pair / "mask_b.mp4"), "the mask shows nothing")
    assert tree(tmp_path / "out") == {}


GENERATE_FLAGS = {
    "wan": ({"engine": "wan"}, ["wan", "preview"]),
    "engine": ({"engine": "magic"}, ["'magic'", "preview"]),
    "seed": ({"seed": "lucky"}, ["--seed", "'lucky'"]),
    "width": ({"width": 3}, ["3x48", "16 to 8192"]),
    "width 0": ({"width": 0}, ["0x48", "16 to 8192"]),
    "height": ({"height": 9000}, ["64x9000", "16 to 8192"]),
    "num_frames": ({"num_frames": 0}, ["--num_frames is 0"]),
    "color": ({"color_video": "not_there.mp4"}, ["not_there.mp4 does not exist"]),
    "mask": ({"mask_video": "not_there.mp4"}, ["not_there.mp4 does not exist"]),
    "suffix": ({"output_video": "final.avi"}, ["final.avi must end in .mp4"]),
    "place": ({"output_video": "not_there/final.mp4"}, ["not_there/final.mp4 cannot be written"]),
    "unknown": ({"haste": "a cat"}, ["--haste"]),
}


@pytest.mark.parametrize("kind", GENERATE_FLAGS)
def test_a_wrong_flag_of_generate_is_named(generate, tmp_path, kind):
    changes, words = GENERATE_FLAGS[kind]
    one_line(generate(**changes), *words)
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize("kind", ["suffix", "place"])
def test_generate_looks_at_the_place_before_the_work(generate, pair, kind):
    """The engine would refuse this mask if it were asked."""
    write_mask(pair / "mask_b.mp4", np.zeros((3, 48, 64), bool), 24)
    changes, words = GENERATE_FLAGS[kind]
    one_line(generate(mask_video=pair / "mask_b.mp4", **changes), *words)


def test_nothing_else_reaches_the_terminal_of_a_real_process(process, tmp_path):
    one_line(process(input_video=tmp_path / "not_there.mp4"), "not_there.mp4 does not exist")
    assert tree(tmp_path) == {}


def test_a_real_process_says_bad_depth_in_one_line(process, tmp_path):
    np.savez(tmp_path / "bad.npz", depth=np.full((6, 48, 64), 1e300))
    answer = process(depth=tmp_path / "bad.npz")
    one_line(answer, tmp_path / "bad.npz", "frame 0 has no known depth")
    assert answer.out.startswith("clip ")
    assert not (tmp_path / "out").exists()


def test_a_file_larger_than_allowed_is_said_and_nothing_is_left(process, tmp_path):
    answer = process(prefix=("sh", "-c", 'ulimit -f 8; exec "$@"', "sh"), save_mesh="ply")
    one_line(answer, tmp_path / "out", "cannot be written", "larger than this system allows")
    assert tree(tmp_path) == {}


def test_a_full_disk_is_said_and_nothing_is_left(process, tmp_path):
    disk = tmp_path / "out"
    disk.mkdir()
    script = (
        f'mount -t tmpfs -o size=16k none "{disk}" && "$@"; code=$?; ls -A "{disk}"; exit $code'
    )
    try:
        answer = process(prefix=("unshare", "-rm", "sh", "-c", script, "sh"))
    except FileNotFoundError:
        pytest.skip("there is no unshare here to mount a small disk with")
    if "unshare" in answer.err or "mount" in answer.err:
        pytest.skip("a small disk cannot be mounted here")
    one_line(answer, disk, "the disk is full")
    assert answer.out.splitlines()[-1].startswith("render")  # ls has shown nothing


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(start_process, tmp_path, number):
    run = start_process()
    assert tree(tmp_path) != {}
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert err.strip() == "ex4d recon: stopped; nothing was left half-written"
    assert "wrote" not in out
    assert tree(tmp_path) == {}


def test_a_reader_that_went_away_is_no_traceback(process, tmp_path):
    answer = process(prefix=("sh", "-c", '{ "$@"; echo $? >&2; } | true', "sh"))
    assert answer.err == "1\n"
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict"])
def test_a_name_that_the_console_cannot_show_does_no_harm(process, shot, tmp_path, encoding):
    name = os.fsdecode("Blüte 映画 ".encode() + b"\xe9.mp4")
    (tmp_path / name).write_bytes((shot / "clip.mp4").read_bytes())
    environment = ("env", f"PYTHONIOENCODING={encoding}")
    answer = process(prefix=environment, input_video=tmp_path / name)
    assert (answer.exit_code, answer.err) == (0, "")
