"""What the server assumes of a clip is told in the same words as by the commands."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from msgspec import structs

from ex4d.cli.main import main
from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.clip import VideoReading
from ex4d.video.reader import FrameRange, read_clip
from protocol.messages.jobs import Conditions, JobState, Reconstruct

from .conftest import OWNER
from .test_job_runner import arrays_of, path_of, real, result, shot, source_of

__all__ = ["real", "shot"]  # fixtures


@pytest.fixture
def hlg_shot(shot, tmp_path):
    """The shot as a phone records it."""
    folder = tmp_path / "hlg"
    folder.mkdir()
    (folder / "depth.npz").write_bytes((shot / "depth.npz").read_bytes())
    write_clip(folder / "clip.mp4", rate=24)
    return folder


def write_clip(path, *, rate: int) -> None:
    picture = np.full((48, 64, 3), 150, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.colorspace, stream.color_primaries, stream.color_trc = 9, 9, 18
        for _ in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())


SAID = (
    "my walk.mp4 is HDR (HLG): it is tone mapped to sRGB (BT.2390, white at 203 of 1000 cd/m2); "
    "hdr keep leaves its code values alone"
)
STRIDE = "stride 2 makes 12 frames a second of my walk.mp4"


def test_a_job_tells_what_was_done_to_its_clip(real, hlg_shot, tmp_path):
    source = source_of(real, hlg_shot, stride=2, num_frames=3)
    made = result(real, Conditions(source, arrays_of(path_of(3))), tmp_path)
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    assert (summary["notes"], summary["fps"]) == ([SAID, STRIDE], "12/1")
    made = result(real, Reconstruct(source), tmp_path)
    arrays = read_npz(made / "reconstruction.npz", InputError)
    assert arrays["notes"].tobytes().decode().splitlines() == [SAID, STRIDE]
    assert (int(arrays["fps_numerator"]), int(arrays["fps_denominator"])) == (12, 1)


def test_a_job_tells_what_was_assumed_of_its_depth(real, shot, tmp_path):
    """Under the client's name for the file."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes((shot / "clip.mp4").read_bytes())
    depth = np.full((6, 24, 24), 0.5, np.float32)
    np.savez(folder / "depth.npz", depth=depth, conf=depth)
    source = source_of(real, folder)
    source = structs.replace(source, depth=structs.replace(source.depth, name="my depth.npz"))
    made = result(real, Conditions(source, arrays_of(path_of())), tmp_path)
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    assert [note[:38] for note in summary["notes"]] == [
        "my depth.npz also holds conf: not used",
        "all depth in my depth.npz is below 1: ",
        "depth of 24x24 is stretched to 64x48: ",
    ]


def test_what_other_programs_show_otherwise_is_sent_as_it_was_read(real, hlg_shot, shot, tmp_path):
    """Blender's mesh wears plate.mp4; a usual clip needs none."""
    source = source_of(real, hlg_shot, start_frame=1, stride=2, num_frames=2)
    made = result(real, Reconstruct(source), tmp_path)
    plate = read_clip(made / "plate.mp4")
    read = read_clip(hlg_shot / "clip.mp4", FrameRange(1, 2, 2))
    assert (plate.frames.shape, plate.fps) == (read.frames.shape, read.fps)
    assert np.abs(plate.frames.astype(int) - read.frames).max() <= 3
    assert np.abs(read.frames.astype(int) - 150).min() > 3
    made = result(real, Reconstruct(source_of(real, shot)), tmp_path)
    assert not (made / "plate.mp4").exists()


def test_a_job_can_keep_code_values(real, hlg_shot, tmp_path):
    source = source_of(real, hlg_shot, hdr="keep", deinterlace=True)
    made = result(real, Conditions(source, arrays_of(path_of())), tmp_path)
    summary = json.loads((made / "summary.json").read_text("utf-8"))
    assert [note.split(": ")[0] for note in summary["notes"]] == [
        "my walk.mp4 is HDR (HLG)",
        "my walk.mp4 is deinterlaced, though it is not marked as interlaced",
    ]
    kept = read_clip(hlg_shot / "clip.mp4", FrameRange(), reading=VideoReading(hdr="keep"))
    color = read_clip(made / "color.mp4")
    mask = read_clip(made / "mask.mp4").frames > 127
    assert np.abs(color.frames.astype(int) - kept.frames)[mask].max() <= 6


def test_a_rate_that_no_file_can_have_is_refused_before_the_work(real, shot, tmp_path):
    folder = tmp_path / "fast"
    folder.mkdir()
    (folder / "depth.npz").write_bytes((shot / "depth.npz").read_bytes())
    write_clip(folder / "clip.mp4", rate=20_000)
    job = Conditions(source_of(real, folder), arrays_of(path_of()))
    [info] = real.ended(real.service.submit(OWNER, "fast", job)[0].job_id)
    assert (info.state, info.error_code) == (JobState.FAILED, "invalid_usage")
    assert info.error_text.startswith("the frame rate is 20000; it must be above 0")
    assert "render" not in {event.stage for event in real.events}


def test_the_command_says_the_same(hlg_shot, tmp_path, capsys, caplog):
    given = [f"--input_video={hlg_shot / 'clip.mp4'}", f"--depth={hlg_shot / 'depth.npz'}"]
    flags = [f"--output_dir={tmp_path / 'out'}", "--cam=0", "--stride=2"]
    assert main(["recon", *given, *flags]) == 0
    said = capsys.readouterr().err + caplog.text
    for note in (SAID, STRIDE):
        assert note.replace("my walk.mp4", str(hlg_shot / "clip.mp4")) in said
