"""Clips that are sequences of pictures, in jobs and by the scripts' client: real server, real
workers."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from ex4d.cli.main import main
from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.frame_numbers import first_number_of
from ex4d.video.reader import read_clip
from ex4d.video.writer import read_mask
from protocol.errors import InvalidArgument
from protocol.keys import save_key_pair
from protocol.messages.jobs import Conditions, DepthFiles, JobState, Pictures, Reconstruct, Source
from protocol.trajectory import check_job
from tests.ex4d.video.pictures import KINDS, write_movie, write_sample, write_sequence

from .conftest import OWNER
from .test_job_runner import arrays_of, path_of, real, recon, result, shot
from .test_server import keys, serve

__all__ = ["keys", "real", "serve", "shot"]  # fixtures

N_FRAMES = 6
SAMPLE = Path(__file__).parents[2] / "examples" / "shot"
SEQUENCES = ("png", "tiff 16", "exr half")


@pytest.fixture(scope="module")
def plates(shot, tmp_path_factory) -> Path:
    """The shot as sequences of pictures from 1001, and as a lossless movie."""
    folder = tmp_path_factory.mktemp("plates")
    frames = read_clip(shot / "clip.mp4").frames
    for kind in SEQUENCES:
        write_sequence(folder / kind, frames, kind)
    (folder / "movie").mkdir()
    write_movie(folder / "movie" / "clip.mp4", frames)
    for name in ("movie", "."):
        shutil.copy(shot / "depth.npz", folder / name / "depth.npz")
    return folder


def source_of(harness, plates, kind="png", chosen=range(N_FRAMES), **changes) -> Source:
    """A job's source of some frames of a sequence."""
    suffix = KINDS[kind][0]
    blobs = [
        harness.blob((plates / kind / f"plate.{1001 + place}{suffix}").read_bytes())
        for place in chosen
    ]
    depth = harness.blob((plates / "depth.npz").read_bytes())
    pictures = Pictures(blobs, N_FRAMES, 1001)
    name = f"plate.####{suffix}"
    return Source(blobs[0], name, DepthFiles([depth]), pictures=pictures, **changes)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_conditions_are_those_of_a_lossless_movie(real, plates, tmp_path, kind):
    expected = recon(plates / "movie", tmp_path, path_of())
    made = result(real, Conditions(source_of(real, plates, kind), arrays_of(path_of())), tmp_path)
    for name in ("color.mp4", "mask.mp4"):
        ours, theirs = (
            read_clip(path) for path in (made / name, expected / name.replace(".", "_camera."))
        )
        assert np.abs(ours.frames.astype(int) - theirs.frames).mean() < 2  # x264's rare other bytes
    assert (made / "backdrop.npz").read_bytes() == (expected / "backdrop_camera.npz").read_bytes()
    assert first_number_of(made / "color.mp4") == 1001
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    assert (summary["first_frame"], summary["fps"]) == (1001, "24/1")
    assert "plate.#### does not say" not in str(summary["notes"])
    assert summary["notes"][-1].startswith(f"plate.####{KINDS[kind][0]} does not say its rate: 24 ")
    said = f"plate.1001{KINDS[kind][0]}: scene-linear values, shown through the sRGB curve"
    assert (said in summary["notes"]) == (kind == "exr half")


def test_only_the_jobs_frames_are_sent_and_count_as_theirs(real, plates, tmp_path):
    settings = {"start_frame": 1, "stride": 2, "num_frames": 3}
    source = source_of(real, plates, chosen=(1, 3, 5), **settings)
    source = structs.replace(source, pictures=structs.replace(source.pictures, fps=25.0))
    made = result(real, Reconstruct(source), tmp_path)
    arrays = read_npz(made / "reconstruction.npz", InputError)
    assert arrays["disparity"].shape[0] == 3
    assert arrays["source_frames"].tolist() == [1, 3, 5]
    assert int(arrays["fps_numerator"]) / int(arrays["fps_denominator"]) == 12.5
    expected = result(real, Reconstruct(_movie_source(real, plates, **settings)), tmp_path)
    theirs = read_npz(expected / "reconstruction.npz", InputError)
    np.testing.assert_array_equal(arrays["disparity"], theirs["disparity"])


def _movie_source(harness, plates, **settings) -> Source:
    clip, depth = (
        harness.blob((plates / "movie" / name).read_bytes()) for name in ("clip.mp4", "depth.npz")
    )
    return Source(clip, "clip.mp4", DepthFiles([depth]), **settings)


def test_a_wrong_picture_is_named_as_the_client_calls_it(real, plates):
    source = source_of(real, plates)
    blobs = [*source.pictures.blobs[:3], real.blob(b"no picture"), *source.pictures.blobs[4:]]
    job = Reconstruct(
        structs.replace(source, pictures=structs.replace(source.pictures, blobs=blobs))
    )
    [info] = real.ended(real.service.submit(OWNER, uuid.uuid4().hex, job)[0].job_id)
    assert (info.state, info.error_code) == (JobState.FAILED, "invalid_video")
    assert info.error_text.startswith("plate.1004.png is not a PNG")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: structs.replace(p, blobs=p.blobs[:5]), "5 pictures for 6 frames"),
        (lambda p: structs.replace(p, count=9), "6 pictures for 9 frames"),
        (lambda p: structs.replace(p, blobs=p.blobs[::-1]), "not the first of its pictures"),
        (
            lambda p: structs.replace(p, blobs=[*p.blobs[:5], structs.replace(p.blobs[5], size=0)]),
            "file for pictures is empty",
        ),
    ],
)
def test_pictures_that_are_not_the_jobs_are_refused_before_it_is_one(real, plates, change, words):
    source = source_of(real, plates)
    job = Reconstruct(structs.replace(source, pictures=change(source.pictures)))
    with pytest.raises(InvalidArgument, match=words):
        check_job(job)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """The sample shot's first frames as sequences from 1001, and as a lossless movie."""
    return write_sample(tmp_path_factory.mktemp("sample"), SEQUENCES, N_FRAMES)


@pytest.fixture
def submit(serve, keys, sample, tmp_path, capsys):
    """A function that hands a clip of the sample shot to a server process by `ex4d submit`, and
    gives the folder of its results."""
    running = serve()
    save_key_pair(keys["anna"], tmp_path / "mine", "client")
    link = ["--endpoint", running.endpoint, "--server_key", keys["server"].public]
    link += ["--keys", str(tmp_path / "mine"), "--depth", str(sample / "depth.npz")]

    def run(clip, *flags) -> Path:
        out = tmp_path / clip.replace("/", " ")
        given = ["--input_video", str(sample / clip), "--cam=20", "--num_frames=4", *flags]
        assert main(["submit", *given, f"--output_dir={out}", *link]) == 0, capsys.readouterr().err
        assert ("4 pictures" in capsys.readouterr().out) == (clip != "movie.mov")
        return out

    return run


def test_submit_gives_what_a_lossless_movie_gives_and_sends_the_frames_alone(
    submit, sample, tmp_path
):
    expected = submit("movie.mov", "--start_frame=1")
    assert first_number_of(expected / "color.mp4") is None
    for clip in ("png", "tiff 16/plate.####.tiff", "exr half/plate.%04d.exr"):
        out = submit(clip, "--start_frame=1002", "--fps=24000/1001")
        for name in ("color.mp4", "mask.mp4", "result.mp4"):
            assert first_number_of(out / name) == 1002
            ours, theirs = read_clip(out / name), read_clip(expected / name)
            assert str(ours.fps) == "24000/1001"
            assert np.abs(ours.frames.astype(int) - theirs.frames).mean() < 2  # x264's other bytes
        masks = [read_mask(folder / "mask.mp4")[0] for folder in (out, expected)]
        np.testing.assert_array_equal(*masks)
        assert (out / "backdrop.npz").read_bytes() == (expected / "backdrop.npz").read_bytes()
        assert json.loads((out / "summary.json").read_text())["first_frame"] == 1002
    stored = {path.parent.name + path.name for path in (tmp_path / "data").rglob("*")}
    for kind in SEQUENCES:
        files = sorted((sample / kind).iterdir())
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        assert [digest in stored for digest in digests] == [False, *[True] * 4, False]


def test_submit_refuses_a_gap_before_anything_is_sent(serve, keys, plates, tmp_path, capsys):
    folder = tmp_path / "gap"
    shutil.copytree(plates / "png", folder)
    (folder / "plate.1003.png").unlink()
    running = serve()
    save_key_pair(keys["anna"], tmp_path / "mine", "client")
    link = ["--endpoint", running.endpoint, "--server_key", keys["server"].public]
    given = ["--input_video", str(folder), "--depth", str(plates / "depth.npz")]
    assert main(["submit", *given, "--keys", str(tmp_path / "mine"), *link]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "frame 1003 is missing before" in answer.err
