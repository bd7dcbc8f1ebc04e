"""From a folder of videos to a dataset, in this process."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from ex4d.errors import InputError, UsageError
from ex4d.raster.cpu import CpuRasterizer
from ex4d.training.clip_masks import MaskTools, clip_masks
from ex4d.training.dataset import DatasetSettings, read_dataset
from ex4d.training.making import make_dataset
from ex4d.training.paths import draw_path
from ex4d.training.sheets import CLIPS_ON_A_SHEET
from ex4d.training.tracking import FlowTracker
from ex4d.training.videos import MasksJob, clip_name, find_videos
from ex4d.video.writer import read_color, read_mask, write_video

from .scenes import MovingClip, moving_clip, write_clip

MASKS = {"rendering": 1, "reprojection": 1, "tracking": 1}


def settings_of(**changes: object) -> DatasetSettings:
    given = {"width": 64, "height": 64, "num_frames": 5, "stride": 1, "seed": 0}
    return DatasetSettings(**{**given, "masks": MASKS, "tracker": "dis", **changes})


@pytest.fixture
def job(tmp_path) -> MasksJob:
    return MasksJob(tmp_path / "videos", tmp_path / "dataset", None, settings_of())


def run(job: MasksJob, workers: int = 1):
    return make_dataset(job, workers=workers, report=lambda *_: None)


def rejected_in(job: MasksJob) -> list[dict]:
    lines = (job.dataset / "rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def shown_in(clip: MovingClip, picture: np.ndarray) -> int:
    """The number of the frame whose middle a picture is."""
    difference = np.abs(clip.frames[:, :, 16:80].astype(int) - picture).mean(axis=(1, 2, 3))
    assert difference.min() < 2
    return int(difference.argmin())


def stamps(folder) -> dict[str, tuple[int, int]]:
    """What tells a file that was written again."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


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
    run(MasksJob(job.input_dir, job.dataset, None, settings_of(stride=2)))
    dataset = read_dataset(job.dataset)
    (record,) = dataset.clips
    frames, fps = read_color(dataset.video(record))
    assert record.fps == fps == Fraction(12)
    assert [shown_in(clip, frame) for frame in frames] == [0, 2, 4, 6, 8]


def test_any_number_of_workers_makes_the_same(job, tmp_path):
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        write_clip(job.input_dir, name, n_frames=10, seed=seed)
    (job.input_dir / "b2.mp4").write_bytes(b"no video")
    (job.input_dir / "b2.npz").touch()
    other = MasksJob(job.input_dir, tmp_path / "other", None, job.settings)
    one, two = run(job), run(other, workers=2)
    assert one == two
    datasets = [read_dataset(folder) for folder in (job.dataset, other.dataset)]
    assert datasets[0].clips == datasets[1].clips
    assert len(datasets[0].clips) == 6
    for clip in datasets[0].clips:
        for mask in clip.masks:
            masks = [read_mask(dataset.mask(clip, mask))[0] for dataset in datasets]
            np.testing.assert_array_equal(*masks)
    for name in ("rejected.jsonl", "sheets/sheet_0001.png", "dataset.json"):
        assert (job.dataset / name).read_bytes() == (other.dataset / name).read_bytes()


def test_a_second_run_makes_only_what_is_missing(job):
    write_clip(job.input_dir, "a", n_frames=10)
    write_clip(job.input_dir, "b", n_frames=10, seed=4)
    run(job)
    before = stamps(job.dataset / "clips")
    gone = read_dataset(job.dataset).clips[1]
    missing = job.dataset / "clips" / gone.name
    for path in missing.iterdir():
        path.unlink()
    missing.rmdir()
    summary = run(job)
    assert (summary.n_made, summary.n_kept) == (1, 3)
    after = stamps(job.dataset / "clips")
    assert after.keys() == before.keys()
    rewritten = {path for path in after if after[path] != before[path]}
    assert rewritten == {path for path in after if gone.name in path}
    assert read_dataset(job.dataset).clips[1] == gone


def test_what_was_left_out_is_tried_again(job):
    write_clip(job.input_dir, "a", n_frames=5)
    depth = job.input_dir / "a.npz"
    write_clip(job.input_dir, "b", n_frames=5, seed=3)
    depth.rename(depth.with_suffix(".bak"))
    assert [one.source for one in run(job).rejected] == ["a.mp4"]
    depth.with_suffix(".bak").rename(depth)
    summary = run(job)
    assert (summary.n_made, summary.n_kept, summary.rejected) == (1, 1, ())
    assert rejected_in(job) == []


def test_one_bad_video_does_not_end_the_run(job):
    write_clip(job.input_dir, "good", n_frames=5)
    write_clip(job.input_dir, "no depth", n_frames=5)
    (job.input_dir / "no depth.npz").unlink()
    write_clip(job.input_dir, "short", n_frames=4)
    write_clip(job.input_dir, "still", n_frames=5, wall_step=(0, 0), box_step=(0, 0))
    write_clip(job.input_dir, "torn", n_frames=5)
    content = (job.input_dir / "torn.mp4").read_bytes()
    (job.input_dir / "torn.mp4").write_bytes(content[: len(content) // 2])
    cut = write_clip(job.input_dir, "cut", n_frames=10)
    frames = cut.frames.copy()
    frames[7:] = moving_clip(3, seed=8).frames
    write_video(job.input_dir / "cut.mp4", frames, 24)
    write_clip(job.input_dir, "flat", n_frames=5)
    np.savez(job.input_dir / "flat.npz", depth=np.ones((5, 64, 96)))
    summary = run(job)
    assert summary.n_made == 2
    reasons = {(one["source"], one["first_frame"]): one["reason"] for one in rejected_in(job)}
    for where, words in {
        ("no depth.mp4", 0): "there is no depth for it",
        ("short.mp4", 0): "has only 4 frames; a clip needs at least 5",
        ("still.mp4", 0): "nothing moves in it",
        ("torn.mp4", 0): "is damaged",
        ("cut.mp4", 5): "there is a cut between its frames 1 and 2",
        ("flat.mp4", 0): "its depth is flat: 1 to 1",
    }.items():
        assert words in reasons.pop(where)
    assert reasons == {}
    assert [one.unexpected for one in summary.rejected] == [False] * 6


def test_a_fault_of_ours_ends_one_video_and_is_said(job, monkeypatch):
    for name in "abc":
        write_clip(job.input_dir, name, n_frames=5)

    def fails_for_b(self, clip):
        if clip.path.name == "b.mp4":
            raise ZeroDivisionError("a fault")
        return original(self, clip)

    from ex4d.training.depth_source import VideoDepth

    original = VideoDepth.of
    monkeypatch.setattr(VideoDepth, "of", fails_for_b)
    summary = run(job)
    assert summary.n_made == 2
    (left_out,) = summary.rejected
    assert left_out.unexpected
    assert left_out.reason == "an unexpected error: ZeroDivisionError: a fault"


def test_settings_that_differ_are_named(job):
    write_clip(job.input_dir, n_frames=5)
    run(job)
    before = stamps(job.dataset)
    other = MasksJob(job.input_dir, job.dataset, None, settings_of(seed=1))
    with pytest.raises(UsageError, match="seed is 0 there, and 1 was asked for"):
        run(other)
    assert stamps(job.dataset) == before


def test_a_folder_of_something_else_is_refused(job):
    write_clip(job.input_dir, n_frames=5)
    (job.dataset / "clips").mkdir(parents=True)
    with pytest.raises(UsageError, match="not of ex4d masks"):
        run(job)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1}'])
def test_a_damaged_record_stops_the_run_before_the_work(job, content):
    write_clip(job.input_dir, "a", n_frames=5)
    run(job)
    write_clip(job.input_dir, "b", n_frames=5)
    record = next(job.dataset.glob("clips/*/clip.json"))
    record.write_bytes(content)
    with pytest.raises(InputError) as caught:
        run(job)
    assert str(record) in str(caught.value)
    assert len(list(job.dataset.glob("clips/*"))) == 1


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


def test_a_sheet_has_a_row_for_every_clip(job):
    for name in "ab":
        write_clip(job.input_dir, name, n_frames=10)
    run(job)
    sheet = cv2.imread(str(job.dataset / "sheets" / "sheet_0001.png"))
    rows = [cv2.imread(str(path)) for path in sorted(job.dataset.glob("clips/*/preview.png"))]
    assert len(rows) == 4
    np.testing.assert_array_equal(sheet, np.concatenate(rows))


def test_after_each_hundred_clips_there_is_a_sheet(job, monkeypatch):
    monkeypatch.setattr("ex4d.training.making.CLIPS_ON_A_SHEET", 2)
    for name in "abc":
        write_clip(job.input_dir, name, n_frames=10 if name == "b" else 5)
    assert CLIPS_ON_A_SHEET == 100
    assert run(job).n_sheets == 2
    assert len(list(job.dataset.glob("sheets/*.png"))) == 2


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
