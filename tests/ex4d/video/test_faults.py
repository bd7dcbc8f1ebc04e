"""Files that are not videos, or not whole: one plain sentence that names the file."""

from __future__ import annotations

import subprocess
import sys
import wave

import av
import numpy as np
import pytest

from ex4d.errors import UsageError, VideoError
from ex4d.video import FrameRange, read_clip, read_color, write_video


def sentence(path, **options) -> str:
    with pytest.raises(VideoError) as caught:
        read_clip(path, **options)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.fixture
def noisy(tmp_path):
    """A 49-frame file with its index at the front, of 30 kB or so."""
    frames = np.random.default_rng(0).integers(0, 256, (49, 32, 32, 3), np.uint8)
    write_video(tmp_path / "clip.mp4", frames, 30)
    return tmp_path / "clip.mp4"


def test_a_file_that_is_not_there(tmp_path):
    assert sentence(tmp_path / "clip.mp4").endswith("clip.mp4 does not exist")


def test_a_folder(tmp_path):
    assert "is a folder" in sentence(tmp_path)


def test_an_empty_file(tmp_path):
    (tmp_path / "clip.mp4").touch()
    assert sentence(tmp_path / "clip.mp4").endswith("is empty")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.txt"])
def test_a_text_file(tmp_path, name):
    (tmp_path / name).write_text("It was a dark and stormy night.\n" * 50)
    sentence(tmp_path / name)


def test_a_device(tmp_path):
    assert "not a regular file" in sentence("/dev/null")


def test_a_file_that_may_not_be_read(make_video, tmp_path):
    path = make_video()
    path.chmod(0)
    code = (
        "import os, sys; from ex4d.video import read_clip\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "read_clip(sys.argv[1])"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):  # one more below pytest-xdist
        folder.chmod(0o755)
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "clip.mp4 may not be read: permission denied" in run.stderr


def test_sound_only(tmp_path):
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    assert sentence(tmp_path / "sound.wav").endswith("has no video in it")


def test_an_mp4_without_its_index(make_video, numbered):
    path = make_video(frames=numbered(49))
    path.write_bytes(path.read_bytes()[:-200])
    assert "cannot be read as a video" in sentence(path)


@pytest.mark.parametrize("kept", [0.4, 0.6, 0.9, 0.99])
def test_an_mp4_cut_behind_its_index_says_how_much_could_be_read(noisy, kept):
    data = noisy.read_bytes()
    noisy.write_bytes(data[: int(len(data) * kept)])
    assert "is damaged: it declares 49 frames but only " in sentence(noisy)


def test_an_mp4_cut_between_two_frames_is_damaged_too(noisy):
    with av.open(str(noisy)) as container:
        starts = sorted(packet.pos for packet in container.demux() if packet.size)
    noisy.write_bytes(noisy.read_bytes()[: starts[20]])
    assert "is damaged: it declares 49 frames but only " in sentence(noisy)


def test_frames_before_the_damage_are_read_when_they_are_all_that_is_asked(noisy):
    data = noisy.read_bytes()
    noisy.write_bytes(data[: int(len(data) * 0.6)])
    clip = read_clip(noisy, FrameRange(num_frames=10))
    assert len(clip.frames) == 10
    assert 10 < clip.n_file_frames < 49


def test_a_frame_that_cannot_be_decoded_is_named_by_its_place(make_video):
    noise = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
    path = make_video("clip.mov", noise, codec="png", pixel_format="rgb24")
    data = bytearray(path.read_bytes())
    third = data.index(b"mdat") + len(data) // 3
    data[third : third + 8000] = bytes(8000)
    path.write_bytes(data)
    assert "clip.mov is damaged: what follows its frame 2 cannot be decoded" in sentence(path)


def test_a_video_without_one_good_frame(make_video):
    path = make_video("clip.mov", codec="png", pixel_format="rgb24")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PNG", b"GNP"))
    assert "no frames that can be decoded" in sentence(path)


def test_a_video_of_no_frames(tmp_path):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    sentence(tmp_path / "clip.mp4")


def test_a_single_frame_is_no_clip(make_video, numbered):
    path = make_video(frames=numbered(1))
    assert sentence(path).endswith("clip.mp4 has only 1 frame; a clip needs at least 2")
    assert len(read_clip(path, min_frames=1).frames) == 1
    assert len(read_color(path)[0]) == 1


def test_a_range_that_leaves_one_frame_is_no_clip(make_video):
    text = sentence(make_video(), frames=FrameRange(start=9))
    assert text.endswith("has only 10 frames, and start 9 with stride 1 leaves 1 frame; "
                         "a clip needs at least 2")  # fmt: skip
    with pytest.raises(UsageError, match="num_frames is 1; a clip needs at least 2"):
        read_clip("clip.mp4", FrameRange(num_frames=1))


def test_nothing_but_our_sentence_reaches_the_terminal(noisy):
    noisy.write_bytes(noisy.read_bytes()[:-5000])
    code = (
        "import sys; from ex4d.errors import VideoError; from ex4d.video import read_clip\n"
        "try: read_clip(sys.argv[1])\n"
        "except VideoError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code, noisy], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.count("\n") == 1
    assert "declares 49 frames" in run.stdout


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "sp ace ü.mp4", "http:x.mp4", "-.mp4"])
def test_any_name_of_a_file_is_read(make_video, tmp_path, monkeypatch, name):
    make_video("plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read_clip(name).frames) == 10
