"""Picture sequences on the command line: what goes in with numbers comes out with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ex4d.depth.exr import read_exr, write_exr
from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.training.dataset import read_dataset
from ex4d.video.reader import read_clip
from ex4d.video.writer import read_color, read_mask, read_metadata
from tests.ex4d.training.scenes import moving_clip
from tests.ex4d.video.pictures import write_sample, write_sequence

from .test_bad_input import tree

SAMPLE = Path(__file__).parents[3] / "examples" / "shot"
KINDS = ["png", "tiff 16", "exr half"]
N_FRAMES = 6


@pytest.fixture(scope="session")
def plates(tmp_path_factory) -> Path:
    """The sample shot's first frames as sequences from 1001, and as a lossless movie."""
    return write_sample(tmp_path_factory.mktemp("plates"), KINDS, N_FRAMES)


@pytest.fixture
def conditions(ex4d, plates, tmp_path):
    """A function that runs recon on a clip of the sample shot, into `tmp_path / name`."""

    def run(clip, name, *more):
        answer = ex4d(
            "recon",
            f"--input_video={plates / clip}",
            f"--depth={plates / 'depth.npz'}",
            f"--output_dir={tmp_path / name}",
            "--cam=30",
            *more,
        )
        assert answer.exit_code == 0, answer.err
        return answer

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_are_those_of_a_lossless_movie_bit_for_bit(conditions, tmp_path, kind):
    conditions("movie.mov", "movie", "--save_frames")
    answer = conditions(kind, "out", "--save_frames")
    assert f"{N_FRAMES} frames 1001 to 1006 of" in answer.out
    assert "24 frames a second are taken (--fps)" in answer.err
    assert ("scene-linear values, shown through the sRGB" in answer.err) == (kind == "exr half")
    for name in ("conditions_30.npz", "backdrop_30.npz"):
        ours, theirs = (
            read_npz(tmp_path / folder / name, InputError) for folder in ("out", "movie")
        )
        for array in ours:
            np.testing.assert_array_equal(ours[array], theirs[array], err_msg=array)
    for read in (read_color, read_mask):
        name = f"{'color' if read is read_color else 'mask'}_30.mp4"
        ours, theirs = (read(tmp_path / folder / name) for folder in ("out", "movie"))
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1] == 24


@pytest.mark.parametrize("kind", ["png", "exr"])
def test_conditions_and_results_as_sequences_keep_their_numbers(conditions, ex4d, tmp_path, kind):
    conditions("exr half", "movie", "--save_frames", "--fps=25")
    conditions("exr half", "out", f"--conditions_as={kind}", "--fps=25")
    out = tmp_path / "out"
    assert names(out / "color_30") == [f"color_30.{n}.{kind}" for n in range(1001, 1007)]
    assert names(out / "mask_30") == [f"mask_30.{n}.{kind}" for n in range(1001, 1007)]
    arrays = read_npz(tmp_path / "movie" / "conditions_30.npz", InputError)
    np.testing.assert_array_equal(read_clip(out / "color_30").frames, arrays["color"])
    np.testing.assert_array_equal(read_mask(out / "mask_30")[0], arrays["mask"])
    target = tmp_path / f"final.####.{kind}"
    for number in range(2):  # the second one replaces what the first has written
        answer = ex4d(
            "generate",
            f"--color_video={out / 'color_30'}",
            f"--mask_video={out / 'mask_30' / f'mask_30.####.{kind}'}",
            f"--output_video={target}",
            "--fps=25",
            "--engine=preview",
        )
        assert answer.exit_code == 0, (number, answer.err)
    assert "frames 1001 to 1006, for 25 frames a second" in answer.out
    assert "no backdrop" not in answer.out
    made = [n for n in names(tmp_path) if n.startswith("final")]
    assert made == [f"final.{n}.{kind}" for n in range(1001, 1007)]
    seen = read_clip(target).frames[arrays["mask"]].astype(int)
    assert np.abs(seen - arrays["color"][arrays["mask"]]).mean() < 4
    if kind == "png":
        assert cv2.imread(str(tmp_path / made[0]), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_numbers_survive_a_movie_between(conditions, ex4d, tmp_path):
    conditions("png", "out", "--start_frame=1003", "--num_frames=3")
    pair = [f"--{part}_video={tmp_path / 'out' / f'{part}_30.mp4'}" for part in ("color", "mask")]
    for target in ("final.####.png", "final.mp4"):
        given = (*pair, f"--output_video={tmp_path / target}", "--engine=preview")
        assert ex4d("generate", *given).exit_code == 0
    assert [n for n in names(tmp_path) if n.endswith(".png")] == [
        f"final.{n}.png" for n in (1003, 1004, 1005)
    ]
    facts = json.loads(read_metadata(tmp_path / "final.mp4")["comment"])
    assert (facts["first_frame"], facts["engine"]) == (1003, "preview")


def test_depth_is_saved_under_the_clips_numbers_and_read_again(conditions, ex4d, plates, tmp_path):
    conditions("png", "out", "--save_depth=exr", "--start_frame=1002")
    depth = tmp_path / "out" / "depth"
    assert names(depth) == [f"depth_{n}.exr" for n in range(1002, 1007)]
    again = ex4d(
        "recon",
        f"--input_video={plates / 'png' / 'plate.1002-1006.png'}",
        f"--depth={depth / 'depth_1002-1006.exr'}",
        f"--output_dir={tmp_path / 'again'}",
    )
    assert again.exit_code == 0, again.err


def test_a_frame_is_asked_for_by_its_number(ex4d, plates, tmp_path):
    given = [f"--input_video={plates / 'png'}", f"--depth={plates / 'depth.npz'}"]
    given.append(f"--output_dir={tmp_path / 'out'}")
    answer = ex4d("recon", *given, "--save_mesh", "--mesh_frame=5")
    assert (answer.exit_code, tree(tmp_path)) == (2, {})
    assert "--mesh_frame is 5; the clip has frames 1001 to 1006" in answer.err
    assert ex4d("recon", *given, "--save_mesh", "--mesh_frame=1005").exit_code == 0
    answer = ex4d("recon", *given, "--start_frame=7")
    assert "frame 7 is before the first of" in answer.err


def test_plates_are_never_written_over(ex4d, plates, tmp_path):
    """The results' subfolder is where the plates are, and a depth folder beside them."""
    shot = tmp_path / "shot"
    shutil.copytree(plates / "png", shot / "color_30")
    shutil.copytree(plates / "exr half", shot / "depth")
    (shot / "d.npz").write_bytes((plates / "depth.npz").read_bytes())
    before = {path: path.read_bytes() for path in shot.rglob("*") if path.is_file()}
    for more, words in (
        ("--conditions_as=png", "plate.1001.png, which is read"),
        ("--save_depth=exr", "plate.1001.exr cannot be written: it is there already"),
    ):
        answer = ex4d(
            "recon",
            f"--input_video={shot / 'color_30' / 'plate.####.png'}",
            f"--depth={shot / 'd.npz'}",
            f"--output_dir={shot}",
            more,
        )
        assert (answer.exit_code, words in answer.err) == (2, True)
    assert {path: path.read_bytes() for path in shot.rglob("*") if path.is_file()} == before


def test_generate_keeps_frames_that_it_did_not_write(conditions, ex4d, tmp_path):
    conditions("png", "out")
    pair = [f"--{part}_video={tmp_path / 'out' / f'{part}_30.mp4'}" for part in ("color", "mask")]
    mine = tmp_path / "final.0990.png"
    mine.write_bytes(b"mine")
    answer = ex4d("generate", *pair, f"--output_video={tmp_path / 'final.####.png'}")
    assert answer.exit_code == 2
    assert "final.0990.png cannot be written: it is there already" in answer.err
    assert [n for n in names(tmp_path) if n.startswith("final")] == ["final.0990.png"]
    for target, words in (
        ("one.png", "mark the place of the frame number, as in one.####.png"),
        ("a.####.jpg", "pictures are written as .png or .exr"),
    ):
        answer = ex4d("generate", *pair, f"--output_video={tmp_path / target}")
        assert (answer.exit_code, words in answer.err) == (2, True)


def test_a_rate_that_is_none_and_one_for_a_movie_are_refused(ex4d, plates, tmp_path):
    def refused(clip, *more):
        given = [f"--input_video={plates / clip}", f"--depth={plates / 'depth.npz'}"]
        answer = ex4d("recon", *given, f"--output_dir={tmp_path / 'out'}", *more)
        assert answer.exit_code == 2
        return answer.err

    assert "--fps is 'fast'; give a rate as 25 or 24000/1001" in refused("png", "--fps=fast")
    assert "fps is 0; it must be above 0" in refused("png", "--fps=0")
    assert "is a video, which needs no fps" in refused("movie.mov", "--fps=24")
    assert "is a video, which needs no layer" in refused("movie.mov", "--layer=beauty")
    assert "deinterlace is for videos" in refused("png", "--deinterlace")


def test_masks_takes_folders_of_pictures(ex4d, tmp_path):
    clip = moving_clip(n_frames=10)
    write_sequence(tmp_path / "videos" / "shotA", clip.frames, "png")
    np.savez_compressed(tmp_path / "videos" / "shotA.npz", depth=clip.depth)
    answer = ex4d(
        "masks",
        f"--input_dir={tmp_path / 'videos'}",
        f"--output_dir={tmp_path / 'out'}",
        *("--width=64", "--height=64", "--num_frames=5", "--workers=1", "--masks=rendering=1"),
    )
    assert answer.exit_code == 0, answer.err
    clips = read_dataset(tmp_path / "out").clips
    assert [(c.source, c.first_frame, str(c.fps)) for c in clips] == [
        ("shotA", 0, "24"),
        ("shotA", 5, "24"),
    ]


def test_depth_and_plates_follow_the_same_rules_for_names(conditions, ex4d, plates, tmp_path):
    """A plate and its depth in one folder, told apart by their names."""
    both = tmp_path / "both"
    shutil.copytree(plates / "exr half", both)
    with np.load(plates / "depth.npz") as arrays:
        for number, depth in enumerate(arrays["depth"], start=1001):
            write_exr(both / f"depth.{number}.exr", depth)
    assert read_exr(both / "depth.1001.exr").values.shape
    answer = ex4d(
        "recon",
        f"--input_video={both / 'plate.%04d.exr'}",
        f"--depth={both / 'depth.1001.exr'}",
        f"--output_dir={tmp_path / 'out'}",
    )
    assert answer.exit_code == 0, answer.err
    answer = ex4d(
        "recon", f"--input_video={both}", f"--depth={both}", f"--output_dir={tmp_path / 'o'}"
    )
    assert (answer.exit_code, "are both frame 1001: choose one" in answer.err) == (2, True)
