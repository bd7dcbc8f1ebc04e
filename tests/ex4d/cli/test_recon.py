"""recon from the command line, on a small shot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.reader import probe, read_clip
from ex4d.video.writer import read_color, read_mask
from tests.reference.ply import read_ply

if TYPE_CHECKING:
    from pathlib import Path

LENS = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    return read_npz(path, InputError)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*"))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean((1, 2, 3)).max())


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def camera(tmp_path):
    """A function that writes `my path.npz`: a camera that stays, and the changes given."""

    def write(n_frames: int = 6, **more: object) -> Path:
        path = np.tile(np.eye(4), (n_frames, 1, 1))
        np.savez(tmp_path / "my path.npz", extrinsics=path, intrinsics=LENS, **more)
        return tmp_path / "my path.npz"

    return write


def test_the_results_are_named_after_the_preset(recon, out):
    answer = recon(cam=-30)
    assert (answer.exit_code, answer.err) == (0, "")
    assert names_in(out) == ["backdrop_-30.npz", "color_-30.mp4", "mask_-30.mp4"]
    assert answer.out.splitlines()[-1] == f"wrote     {out}: {', '.join(names_in(out))}"


def test_the_results_are_named_after_the_camera_file(recon, out, camera):
    assert recon(camera=camera()).exit_code == 0
    assert names_in(out) == ["backdrop_my path.npz", "color_my path.mp4", "mask_my path.mp4"]


@pytest.mark.parametrize("cam", ["30", "+30", "180", "zoom_in", "zoom_out", "-12.5"])
def test_every_preset_makes_its_conditions(recon, out, cam):
    assert recon(cam=cam, num_frames=3).exit_code == 0
    assert f"color_{cam.lstrip('+')}.mp4" in names_in(out)


@pytest.mark.parametrize("flag", ["--cam=-30", "--cam -30"])
def test_an_angle_to_the_other_side_is_no_flag(recon, out, flag):
    assert recon(*flag.split(), num_frames=2).exit_code == 0
    assert "color_-30.mp4" in names_in(out)


def test_conditions_have_the_clips_size_length_and_rate(recon, out, shot):
    recon()
    source = probe(shot / "clip.mp4")
    for name in ("color_30.mp4", "mask_30.mp4"):
        video = probe(out / name)
        assert (video.native_size, video.n_frames) == ((64, 48), 6)
        assert video.fps == source.fps
        assert str(video.fps) == "30000/1001"


def test_what_is_read_back_is_what_was_rendered(recon, out):
    recon("--save_frames")
    rendered = arrays_of(out / "conditions_30.npz")
    np.testing.assert_array_equal(read_mask(out / "mask_30.mp4")[0], rendered["mask"])
    assert psnr(read_color(out / "color_30.mp4")[0], rendered["color"]) >= 45
    shapes = {name: array.shape for name, array in rendered.items()}
    assert shapes == {
        "color": (6, 48, 64, 3),
        "mask": (6, 48, 64),
        "extrinsics": (6, 4, 4),
        "intrinsics": (6, 3, 3),
    }
    assert (rendered["color"].dtype, rendered["mask"].dtype) == (np.uint8, np.bool_)
    assert (rendered["color"][~rendered["mask"]] == 0).all()


def test_the_first_frame_is_the_source_and_a_turn_uncovers_something(recon, out, shot):
    recon("--save_frames")
    rendered = arrays_of(out / "conditions_30.npz")
    assert rendered["mask"][0].all()
    source = read_clip(shot / "clip.mp4")
    np.testing.assert_array_equal(rendered["color"][0], source.frames[0])
    assert 0.1 < rendered["mask"][-1].mean() < 0.9


def test_two_runs_give_the_same_bytes(recon, tmp_path):
    for name in ("one", "two"):
        recon("--save_frames", output_dir=tmp_path / name)
    names = names_in(tmp_path / "one")
    assert len(names) == 4
    for name in names:
        if name.endswith(".mp4"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
            continue
        one, two = arrays_of(tmp_path / "one" / name), arrays_of(tmp_path / "two" / name)
        for key in one:
            np.testing.assert_array_equal(one[key], two[key])


@pytest.mark.parametrize("sign", ["-", "_"])
def test_flags_may_be_written_with_either_sign(ex4d, shot, out, sign):
    flags = {"input_video": shot / "clip.mp4", "depth": shot / "depth.npz", "output_dir": out}
    words = [word for flag, value in flags.items() for word in ("--" + flag, str(value))]
    words += ["--num_frames=2", "--save_frames", "--save_camera", "--min_face_angle", "3"]
    words = [word.replace("_", sign) if word.startswith("--") else word for word in words]
    assert ex4d("recon", *words).exit_code == 0
    assert {"conditions_30.npz", "camera_30.npz"} < set(names_in(out))


def test_a_clip_shorter_than_num_frames_is_taken_whole(recon, out):
    assert recon(num_frames=49).exit_code == 0
    assert probe(out / "color_30.mp4").n_frames == 6


def test_start_and_stride_choose_the_frames_and_their_depth(recon, out, shot):
    answer = recon("--save_frames", start_frame=1, stride=2)
    assert "6 frames): 3 frames of 64x48" in answer.out
    source = read_clip(shot / "clip.mp4").frames
    rendered = arrays_of(out / "conditions_30.npz")
    assert len(rendered["color"]) == 3
    np.testing.assert_array_equal(rendered["color"][0], source[1])


def test_another_working_size_is_that_of_the_conditions(recon, out):
    assert recon(width=32, num_frames=2).exit_code == 0
    assert probe(out / "color_30.mp4").native_size == (32, 32)
    assert recon(width=48, height=36, num_frames=2).exit_code == 0
    assert probe(out / "color_30.mp4").native_size == (48, 36)


def test_a_saved_camera_makes_the_same_conditions_again(recon, out, tmp_path):
    recon("--save_frames", "--save_camera", cam=20)
    saved = out / "camera_20.npz"
    assert recon("--save_frames", camera=saved, output_dir=tmp_path / "two").exit_code == 0
    one = arrays_of(out / "conditions_20.npz")
    two = arrays_of(tmp_path / "two" / "conditions_camera_20.npz")
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_source_frames_freeze_the_time(recon, out, camera, shot):
    recon("--save_frames", camera=camera(4, size=[64, 48], source_frames=[3, 3, 3, 3]), fov=56.14)
    rendered = arrays_of(out / "conditions_my path.npz")["color"]
    assert len(rendered) == 4
    for other in rendered[2:]:
        np.testing.assert_array_equal(rendered[1], other)
    source = read_clip(shot / "clip.mp4").frames[3].astype(float)
    assert np.abs(rendered[1] - source)[4:-4, 4:-4].mean() < 12


def test_a_camera_of_another_size_gives_pictures_of_that_size(recon, out, camera):
    assert recon(camera=camera(size=[80, 40])).exit_code == 0
    assert probe(out / "mask_my path.mp4").native_size == (80, 40)


def test_the_lens_comes_from_the_flag_the_file_or_a_guess(recon, tmp_path, shot):
    with np.load(shot / "depth.npz") as file:
        np.savez(tmp_path / "depth.npz", depth=file["depth"], intrinsics=LENS)
    guess, flag = recon(num_frames=2), recon(num_frames=2, fov=90)
    in_file = recon(num_frames=2, depth=tmp_path / "depth.npz")
    assert "lens      not known, a 35 mm lens is assumed" in guess.out
    assert "lens      as given: f = 32.0 px, 90.0 degrees wide" in flag.out
    assert "lens      from the depth: f = 60.0 px" in in_file.out


def test_a_lens_in_millimetres_is_a_field_of_view(recon, tmp_path):
    """35 mm on 36 mm are 54.4 degrees; on 24 mm 37.8."""
    assert "54.4 degrees" in recon(lens=35).out
    assert "37.8 degrees" in recon(lens=35, sensor=24).out


@pytest.mark.parametrize("kind", ["npz", "exr"])
def test_saved_depth_makes_the_same_conditions_again(recon, out, tmp_path, kind):
    saved = out / ("depth.npz" if kind == "npz" else "depth")
    assert recon(save_depth=kind).exit_code == 0
    first = read_mask(out / "mask_30.mp4")[0]
    again = recon(depth=saved, output_dir=tmp_path / "again")
    assert again.exit_code == 0, again.err
    np.testing.assert_array_equal(read_mask(tmp_path / "again" / "mask_30.mp4")[0], first)


def test_two_paths_of_the_source_camera_are_one_too_many(recon, camera):
    path = camera(source_extrinsics=np.tile(np.eye(4), (6, 1, 1)))
    answer = recon(camera=path, source_camera=path)
    assert answer.exit_code == 2
    assert "leave out --source_camera" in answer.err


def test_the_mesh_is_that_of_the_frame_asked_for(recon, out):
    recon("--save_mesh", mesh_frame=2)
    positions, rgba, faces = read_ply(out / "DW-Mesh.ply")
    assert len(positions) == 64 * 48
    assert len(faces) == 2 * 63 * 47 + 2
    depth = positions[:, 2].reshape(48, 64)
    assert depth[24, 20] == 2  # the box begins at column 18 in frame 2
    assert depth[24, 17] == 6
    assert {0, 255} == set(rgba[:, 3])


def test_the_animated_mesh_is_written_as_usd(recon, out):
    usd = pytest.importorskip("pxr.Usd", reason="the package usd-core is not installed")
    assert recon(save_mesh="usd").exit_code == 0
    stage = usd.Stage.Open(str(out / "DW-Mesh.usdc"))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, 5)
    assert stage.GetFramesPerSecond() == pytest.approx(30000 / 1001)


def test_unknown_depths_are_counted_in_the_answer(recon, tmp_path, shot):
    with np.load(shot / "depth.npz") as file:
        depth = file["depth"].copy()
    depth[:, :, :16] = np.nan
    np.savez(tmp_path / "depth.npz", depth=depth)
    assert "25.0% unknown pixels filled" in recon(depth=tmp_path / "depth.npz").out


def test_a_picture_squashed_into_another_aspect_keeps_its_field_of_view(recon, out):
    recon("--save_camera", num_frames=2, fov=90, width=64, height=96)  # the clip is 64x48
    lens = read_npz(out / "camera_30.npz", InputError)["intrinsics"][0]
    np.testing.assert_allclose(lens, [[32, 0, 32], [0, 64, 48], [0, 0, 1]], atol=1e-9)


def test_the_public_codes_convention_says_its_lens(recon, out):
    answer = recon("--save_frames", convention="upstream", num_frames=3)
    assert "the public code's 500 px" in answer.out
    np.testing.assert_array_equal(
        arrays_of(out / "conditions_30.npz")["intrinsics"][0],
        [[500, 0, 32], [0, 500, 24], [0, 0, 1]],
    )


def test_the_version_is_told(ex4d):
    answer = ex4d("--version")
    assert (answer.exit_code, answer.out) == (0, "ex4d 0.1.0\n")


@pytest.mark.parametrize("command", ["recon", "generate", "demo", "doctor"])
def test_every_command_has_a_help(ex4d, command):
    answer = ex4d(command, "--help")
    assert answer.exit_code == 0
    assert f"usage: ex4d {command}" in answer.out
