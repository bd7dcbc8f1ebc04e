"""From one video to its clips."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.raster.cpu import CpuRasterizer
from ex4d.training.clip_masks import MaskTools, clip_masks
from ex4d.training.dataset import read_dataset
from ex4d.training.flow_tracker import FlowTracker
from ex4d.training.paths import draw_path
from ex4d.training.video_files import find_videos
from ex4d.training.videos import MasksJob, clip_name
from ex4d.video.writer import read_color, read_mask

from .jobs import run, settings_of
from .scenes import MovingClip, moving_clip, write_clip


def shown_in(clip: MovingClip, picture: np.ndarray) -> int:
    """The number of the frame whose middle a picture is."""
    difference = np.abs(clip.frames[:, :, 16:80].astype(int) - picture).mean(axis=(1, 2, 3))
    assert difference.min() < 2
    return int(difference.argmin())


def test_a_video_gives_its_clips_with_all_that_the_contract_names(job):
    clip = write_clip(job.input_dir / "sub", "a walk", n_frames=13)
    (job.input_dir / "sub" / "a walk.txt").write_text("a box\nbefore a wall\n")
    summary = run(job)
    assert (summary.n_made, summary.n_kept, summary.rejected) == (2, 0, ())
    dataset = read_dataset(job.dataset)
    assert dataset.settings == job.settings
    assert [record.first_frame for record in dataset.clips] == [0, 5]
    second = dataset.clips[1]
    assert (second.source, second.depth) == ("sub/a walk.mp4", "sub/a walk.npz")
    assert (second.prompt, second.fps, second.stride) == ("a box before a wall", Fraction(24), 1)
    frames, fps = read_color(dataset.video(second))
    assert (frames.shape, fps) == ((5, 64, 64, 3), Fraction(24))
    assert shown_in(clip, frames[2]) == 7
    for mask_record in second.masks:
        mask, _ = read_mask(dataset.mask(second, mask_record))
        assert mask.shape == (5, 64, 64)
        assert mask[0].all()
        assert mask_record.visible_share == pytest.approx(mask.mean())
        assert mask_record.least_visible_share == pytest.approx(mask.mean(axis=(1, 2)).min())
    names = [mask.file for mask in second.masks]
    assert names == ["mask_rendering_0.mp4", "mask_reprojection_0.mp4", "mask_tracking_0.mp4"]


def test_a_clips_path_can_be_drawn_again_from_its_record(job):
    write_clip(job.input_dir, n_frames=5)
    run(job)
    for mask in read_dataset(job.dataset).clips[0].masks[:2]:
        path = draw_path(mask.seed, 5, mask.path.numbers["radius"])
        assert (path.kind, path.numbers) == (mask.path.kind, mask.path.numbers)
    assert read_dataset(job.dataset).clips[0].masks[2].path is None


def test_every_mask_has_a_seed_of_its_own():
    scene = moving_clip(5).scene
    tools = MaskTools(CpuRasterizer(1), FlowTracker())
    seeds = [
        record.seed
        for name, seed in (("a", 0), ("b", 0), ("a", 1))
        for record, _ in clip_masks(name, scene, settings_of(seed=seed), tools)
    ]
    assert len(set(seeds)) == len(seeds) == 9


def test_another_stride_slows_nothing_down(job):
    clip = write_clip(job.input_dir, n_frames=11)
    run(MasksJob(job.input_dir, job.dataset, settings_of(stride=2)))
    dataset = read_dataset(job.dataset)
    (record,) = dataset.clips
    frames, fps = read_color(dataset.video(record))
    assert record.fps == fps == Fraction(12)
    assert [shown_in(clip, frame) for frame in frames] == [0, 2, 4, 6, 8]


def test_videos_are_found_in_order_without_hidden_ones_and_the_datasets_own(tmp_path):
    for name in ("b.MP4", "a/z.mov", "a/.hidden.mp4", ".trash/c.mp4", "notes.txt", "b.npz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "out" / "clips" / "x").mkdir(parents=True)
    (tmp_path / "out" / "clips" / "x" / "gt.mp4").touch()
    assert find_videos(tmp_path, tmp_path / "a" / ".." / "out") == ["a/z.mov", "b.MP4"]


def test_a_folder_without_videos_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"there are no videos in .*: no \.3gp, \.avi"):
        find_videos(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="there is no folder"):
        find_videos(tmp_path / "nowhere", tmp_path / "out")


def test_names_are_unique_and_good_everywhere():
    sources = [
        "a b.mp4",
        "a_b.mp4",
        "A B.mp4",
        "a b.mov",
        "a/b.mp4",
        "con.mp4",
        "映画.mp4",
        "ü\udce9.ts",
    ]
    sources += ["x" * 300 + ".mp4", "..mp4"]
    names = [clip_name(source, 49) for source in sources]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name.isascii()
        assert len(name) < 90
        assert name[0] not in "-."
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        assert name.endswith("-000049")


def test_ordinary_videos_of_odd_kinds_become_clips(job, tmp_path):
    """Sound, an odd size, a rate that varies: what read_clip takes."""
    job.input_dir.mkdir()
    clip = moving_clip(7, (97, 65))
    with av.open(str(job.input_dir / "odd.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=30)
        video.width, video.height, video.pix_fmt = 97, 65, "bgr0"
        sound = container.add_stream("aac", rate=44100)
        for frame, time in zip(clip.frames, (0, 40, 60, 140, 150, 200, 290), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(video.encode(picture))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.rate = 44100
        for stream, last in ((sound, silence), (sound, None), (video, None)):
            container.mux(stream.encode(last))
    np.savez(job.input_dir / "odd.npz", depth=clip.depth)
    assert run(job).n_made == 1
    dataset = read_dataset(job.dataset)
    assert read_color(dataset.video(dataset.clips[0]))[0].shape == (5, 64, 64, 3)
