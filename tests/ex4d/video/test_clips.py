"""read_clips: a long video's clips, one after the other, in one pass."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.errors import VideoError
from ex4d.video.reader import read_clips
from ex4d.video.writer import write_video


def native(size: tuple[int, int]) -> tuple[int, int]:
    return size


@pytest.fixture
def video(make_video, numbered):
    """27 frames; frame i has the level 2 i."""
    return make_video(frames=numbered(27))


@pytest.mark.parametrize(("num_frames", "stride"), [(5, 1), (9, 1), (5, 2), (9, 3), (27, 1)])
def test_clips_follow_each_other_and_the_rest_is_left(video, num_frames, stride):
    clips = list(read_clips(video, native, num_frames=num_frames, stride=stride))
    firsts = [*range(0, 27 - (num_frames - 1) * stride, num_frames * stride)]
    assert [clip.indices[0] for clip in clips] == firsts
    for clip in clips:
        expected = clip.indices[0] + stride * np.arange(num_frames)
        np.testing.assert_array_equal(clip.indices, expected)
        np.testing.assert_allclose(clip.frames[:, 5, 5, 0], 2 * expected, atol=1)
        assert clip.n_file_frames == 27


def test_clips_are_skipped_by_their_first_frame(video):
    clips = list(read_clips(video, native, num_frames=5, skip={0, 10, 99}))
    assert [clip.indices[0] for clip in clips] == [5, 15, 20]
    np.testing.assert_allclose(clips[0].frames[0, 5, 5, 0], 10, atol=1)
    assert list(read_clips(video, native, num_frames=5, skip=range(27))) == []


def test_a_video_too_short_for_one_clip_is_named(video):
    with pytest.raises(VideoError, match="has only 27 frames; a clip needs at least 29") as caught:
        list(read_clips(video, native, num_frames=29))
    assert str(video) in str(caught.value)


def test_a_stride_that_leaves_too_few_frames_is_said(video):
    with pytest.raises(VideoError, match="stride 8 leaves 4 frames; a clip needs at least 5"):
        list(read_clips(video, native, num_frames=5, stride=8))


def test_the_size_is_chosen_by_the_videos_own(video):
    seen = []

    def half(size: tuple[int, int]) -> tuple[int, int]:
        seen.append(size)
        return size[0] // 2, size[1] // 2

    clip = next(read_clips(video, half, num_frames=5))
    assert (clip.frames.shape, seen) == ((5, 24, 32, 3), [(64, 48)])


def test_clips_before_the_damage_are_given(tmp_path):
    """A file that was cut short, as by a full disk; that it was is said."""
    video = tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
    write_video(video, noise, 24)
    content = video.read_bytes()
    video.write_bytes(content[: int(len(content) * 0.6)])
    clips = read_clips(video, native, num_frames=5)
    assert [next(clips).indices[0] for _ in range(3)] == [0, 5, 10]
    with pytest.raises(VideoError, match=r"is damaged: it declares 60 frames but only \d\d could"):
        list(clips)
