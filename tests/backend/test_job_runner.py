"""The job kinds with the real library, compared with its commands."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest

from backend.settings import ServerSettings
from backend.worker.reconstruction import quantised_disparity
from ex4d.camera.files import write_trajectory
from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.main import main
from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.render import Conditions as Rendered
from ex4d.conditions.scene import Scene
from ex4d.depth.files import read_depth
from ex4d.engines.preview import PreviewEngine
from ex4d.errors import InputError
from ex4d.files.npz import read_npz, write_npz
from ex4d.video.reader import FrameRange, read_clip
from ex4d.video.writer import read_mask, read_metadata, write_video
from protocol.messages.jobs import (
    Conditions,
    DepthFiles,
    Generate,
    JobState,
    Reconstruct,
    Shot,
    Source,
    TrajectoryArrays,
)
from tests.ex4d.cli.conftest import make_shot

from .conftest import OWNER

REAL = "backend.worker.job_runner:JobRunner"
SIZE = (64, 48)


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """A clip of 6 frames and its depth."""
    return make_shot(tmp_path_factory.mktemp("shot"), 6, SIZE)


@pytest.fixture
def real(make_service):
    return make_service(runner=REAL, settings=ServerSettings())


def blob_of(harness, path):
    return harness.blob(path.read_bytes())


def source_of(harness, shot, **changes) -> Source:
    clip, depth = (blob_of(harness, shot / name) for name in ("clip.mp4", "depth.npz"))
    return Source(clip, "my walk.mp4", DepthFiles([depth]), **changes)


def path_of(n_frames=6, *, is_moving=False) -> Trajectory:
    """An orbit with a lens that changes; `is_moving`: the source moves, and time is remapped."""
    intrinsics = np.tile(np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]), (n_frames, 1, 1))
    intrinsics[:, 0, 0] += np.arange(n_frames)
    poses = preset_path("30", n_frames, 4.0).round(4)  # as people write them
    if not is_moving:
        return Trajectory(poses, intrinsics, SIZE)
    source = np.tile(np.eye(4), (6, 1, 1))
    source[:, 0, 3] = np.linspace(0, 0.2, 6)
    frames = np.arange(n_frames)[::-1].clip(1, 4)
    return Trajectory(poses, intrinsics, (80, 48), frames, source)


def arrays_of(trajectory: Trajectory, *, has_source=False) -> TrajectoryArrays:
    lens = trajectory.intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    return TrajectoryArrays(
        len(trajectory),
        *trajectory.size,
        trajectory.world_to_camera.astype("<f8").tobytes(),
        np.ascontiguousarray(lens, "<f8").tobytes(),
        trajectory.source_frames.astype("<i8").tobytes() if has_source else None,
        trajectory.source_extrinsics.astype("<f8").tobytes() if has_source else None,
    )


def result(harness, job, tmp_path):
    """Do a job; its results as files under their names."""
    [info] = harness.ended(harness.service.submit(OWNER, uuid.uuid4().hex, job)[0].job_id)
    assert info.state is JobState.DONE, info.error_text
    folder = tmp_path / info.job_id
    folder.mkdir()
    for name, blob in info.results.items():
        (folder / name).write_bytes(harness.service.blobs.path_of(blob).read_bytes())
    return folder


def recon(shot, tmp_path, trajectory, *flags):
    """What `ex4d recon` makes, in a folder."""
    write_trajectory(tmp_path / "camera.npz", trajectory)
    if (trajectory.source_frames == np.arange(len(trajectory))).all():  # a file without them
        arrays = read_npz(tmp_path / "camera.npz", InputError)
        del arrays["source_frames"]
        write_npz(tmp_path / "camera.npz", arrays)
    given = [f"--input_video={shot / 'clip.mp4'}", f"--depth={shot / 'depth.npz'}"]
    camera = f"--camera={tmp_path / 'camera.npz'}"
    out = f"--output_dir={tmp_path / 'recon'}"
    assert main(["recon", *given, camera, out, "--save_frames", "--save_camera", *flags]) == 0
    return tmp_path / "recon"


def assert_same_clip(path, other):
    """Equal but for the encoder: of equal frames x264 makes, one time in 150, another file, by up
    to one level in the mean (measured; see `encode`)."""
    shown, wanted = (read_clip(p, FrameRange()).frames.astype(int) for p in (path, other))
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).mean() < 2


@pytest.mark.parametrize(
    ("is_moving", "settings", "flags"),
    [
        (False, {}, ()),
        (True, {"fov_deg": 70.0}, ("--fov=70",)),
        (False, {"width": 96, "height": 48}, ("--width=96", "--height=48")),
    ],
    ids=["plain", "moving source, own size and lens", "another aspect"],
)
def test_conditions_are_those_of_the_command_bit_for_bit(
    real, shot, tmp_path, capsys, is_moving, settings, flags
):
    trajectory = path_of(is_moving=is_moving)
    expected = recon(shot, tmp_path, trajectory, *flags)
    job = Conditions(source_of(real, shot, **settings), arrays_of(trajectory, has_source=is_moving))
    made = result(real, job, tmp_path)
    for name in ("color.mp4", "mask.mp4", "backdrop.npz", "camera.npz"):
        other = expected / name.replace(".", "_camera.")
        assert (made / name).read_bytes() == other.read_bytes(), name
    arrays = read_npz(expected / "conditions_camera.npz", InputError)
    assert np.array_equal(read_mask(made / "mask.mp4")[0], arrays["mask"])
    assert 0.1 < arrays["mask"].mean() < 1


def test_conditions_of_some_frames_of_a_longer_file_are_those_of_the_command(
    real, shot, tmp_path, capsys
):
    trajectory = path_of()  # an entry for every frame of the file
    flags = ("--start_frame=1", "--stride=2", "--num_frames=2")
    expected = recon(shot, tmp_path, trajectory, *flags)
    source = source_of(real, shot, start_frame=1, stride=2, num_frames=2)
    made = result(real, Conditions(source, arrays_of(trajectory)), tmp_path)
    assert (made / "color.mp4").read_bytes() == (expected / "color_camera.mp4").read_bytes()


def test_a_reconstruction_tells_blender_the_mesh(real, shot, tmp_path):
    folder = result(real, Reconstruct(source_of(real, shot)), tmp_path)
    arrays = read_npz(folder / "reconstruction.npz", InputError)
    clip = read_clip(shot / "clip.mp4", FrameRange())
    depth = read_depth(shot / "depth.npz", clip).depth
    scene = Scene(clip.frames, depth, arrays["intrinsics"])
    span = arrays["disparity_max"] - arrays["disparity_min"]
    disparity = arrays["disparity_min"] + arrays["disparity"] / 65535 * span
    assert np.abs(disparity - 1 / depth).max() <= span / 65535 * 0.51
    assert arrays["border_depth"] == 2 * depth.max()
    holes = np.unpackbits(arrays["holes"], axis=2, count=SIZE[0]).astype(bool)
    for frame in range(6):
        assert np.array_equal(holes[frame].ravel(), scene.mesh(frame).rgba[:, 3] == 0)
    assert holes.any()
    assert (arrays["fps_numerator"], arrays["fps_denominator"]) == (30000, 1001)
    assert arrays["source_frames"].tolist() == [0, 1, 2, 3, 4, 5]
    assert tuple(arrays["size"]) == tuple(arrays["native_size"]) == SIZE


@pytest.mark.parametrize("depth", [[2.0, 2.0], [1e-3, 1e6], [1.0, 1.0001]])
def test_disparity_is_off_by_at_most_half_a_level(depth):
    depths = np.linspace(*depth, 1000, dtype=np.float32).reshape(1, 10, 100)
    levels, least, most = quantised_disparity(depths)
    restored = least + levels / 65535 * (most - least)
    error = np.abs(restored - 1 / depths.astype(np.float64)).max()
    assert error <= (most - least) / 65535 * 0.5001 + 1e-12


def test_generate_makes_the_clip_of_the_command(real, shot, tmp_path, capsys):
    expected = recon(shot, tmp_path, path_of())
    color, mask, backdrop = (
        expected / name for name in ("color_camera.mp4", "mask_camera.mp4", "backdrop_camera.npz")
    )
    flags = [f"--color_video={color}", f"--mask_video={mask}", "--seed=7"]
    assert main(["generate", *flags, f"--output_video={tmp_path / 'result.mp4'}"]) == 0
    blobs = [blob_of(real, path) for path in (color, mask, backdrop)]
    made = result(real, Generate(*blobs, seed=7), tmp_path)
    assert_same_clip(made / "result.mp4", tmp_path / "result.mp4")
    assert read_metadata(made / "result.mp4") == read_metadata(tmp_path / "result.mp4")


def test_a_shot_goes_to_the_engine_without_a_detour_by_video(real, shot, tmp_path, capsys):
    expected = recon(shot, tmp_path, path_of())
    arrays = read_npz(expected / "conditions_camera.npz", InputError)
    backdrop = Backdrop(**read_npz(expected / "backdrop_camera.npz", InputError))
    frames = PreviewEngine().generate(Rendered(arrays["color"], arrays["mask"], backdrop))
    made = result(real, Shot(source_of(real, shot), arrays_of(path_of())), tmp_path)
    assert sorted(path.name for path in made.iterdir()) == [
        *("backdrop.npz", "camera.npz", "color.mp4", "mask.mp4", "result.mp4", "summary.json")
    ]
    clip = read_clip(shot / "clip.mp4", FrameRange())
    write_video(tmp_path / "plain.mp4", frames, clip.fps)
    assert_same_clip(made / "result.mp4", tmp_path / "plain.mp4")
    assert (made / "color.mp4").read_bytes() == (expected / "color_camera.mp4").read_bytes()


def test_a_summary_says_how_much_each_frame_shows_of_the_source(real, shot, tmp_path):
    job = Shot(source_of(real, shot), arrays_of(path_of()), seed=7)
    made = result(real, job, tmp_path)
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    mask, _ = read_mask(made / "mask.mp4")
    coverage = summary.pop("coverage")
    assert coverage == pytest.approx(mask.mean(axis=(1, 2)), abs=1e-6)
    assert coverage[0] > coverage[-1] > 0.1
    size = {"n_frames": 6, "width": SIZE[0], "height": SIZE[1], "fps": "30000/1001"}
    size["notes"] = []
    assert summary == {**size, "engine": "preview", "seed": 7}
    made = result(real, Conditions(job.source, job.trajectory), tmp_path)
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    assert summary == {"coverage": coverage, **size}


@pytest.mark.parametrize("kind", [Reconstruct, Conditions, Shot])
def test_the_last_progress_of_a_job_says_that_all_is_done(real, shot, tmp_path, kind):
    source, path = source_of(real, shot), arrays_of(path_of())
    job = kind(source) if kind is Reconstruct else kind(source, path)
    result(real, job, tmp_path)
    assert (real.events[-1].stage, real.events[-1].state) == ("write", JobState.DONE)
    last = {Reconstruct: 1, Conditions: 12, Shot: 6}  # the file, two videos of 6 frames, one
    assert real.events[-1].done == real.events[-1].total == last[kind]


def broken_jobs(harness, shot):
    source, arrays = source_of(harness, shot), arrays_of(path_of())
    text = harness.blob(b"no video at all")
    yield Conditions(Source(text, "my walk.mp4", source.depth), arrays), "invalid_video", "my walk"
    yield (
        Reconstruct(Source(source.clip, "my walk.mp4", DepthFiles([text]))),
        "invalid_depth",
        "depth.npz",
    )
    yield Conditions(source, arrays_of(path_of(4))), "invalid_camera", "4 frames"
    short = TrajectoryArrays(6, *SIZE, b"\0" * 8, arrays.intrinsics)
    yield Conditions(source, short), "invalid_camera", "extrinsics has 8 bytes"
    yield Shot(source, arrays, engine="magic"), "invalid_usage", "unknown engine 'magic'"
    yield Generate(text, text, engine="wan"), "missing_part", "wan"
    yield Generate(text, text), "invalid_video", "color.mp4"


def test_what_is_wrong_with_a_job_is_said_in_the_clients_words(real, shot, tmp_path):
    for job, code, words in broken_jobs(real, shot):
        [info] = real.ended(real.service.submit(OWNER, uuid.uuid4().hex, job)[0].job_id)
        assert (info.state, info.error_code) == (JobState.FAILED, code), info.error_text
        assert words in info.error_text
        assert str(tmp_path) not in info.error_text
        assert "\n" not in info.error_text


@pytest.mark.parametrize("stage", ["read", "render", "write"])
def test_j7_a_real_job_stops_between_frames_and_the_worker_stays_warm(real, shot, tmp_path, stage):
    long_shot = make_shot(tmp_path / "long", 30, (256, 192))
    job = Conditions(source_of(real, long_shot), arrays_of(path_of(30)))
    job_id = real.service.submit(OWNER, "long", job)[0].job_id
    real.reaches(job_id, stage)
    pid = real.executors[0].pid
    real.service.cancel(OWNER, job_id)
    assert real.ended(job_id)[0].state is JobState.CANCELLED
    result(real, Reconstruct(source_of(real, shot)), tmp_path)
    assert real.executors[0].pid == pid
