"""From a folder of videos to a dataset: continued, refused, and with faults."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from ex4d.depth.files import read_depth
from ex4d.errors import InputError, UsageError
from ex4d.training import depth_source
from ex4d.training.dataset import read_dataset
from ex4d.training.sheets import CLIPS_ON_A_SHEET
from ex4d.training.videos import MasksJob
from ex4d.video.writer import read_mask, write_video

from .jobs import run, settings_of
from .scenes import moving_clip, write_clip


def rejected_in(job: MasksJob) -> list[dict]:
    lines = (job.dataset / "rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def stamps(folder) -> dict[str, tuple[int, int]]:
    """What tells a file that was written again."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_any_number_of_workers_makes_the_same(job, tmp_path):
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        write_clip(job.input_dir, name, n_frames=10, seed=seed)
    (job.input_dir / "b2.mp4").write_bytes(b"no video")
    (job.input_dir / "b2.npz").touch()
    other = MasksJob(job.input_dir, tmp_path / "other", job.settings)
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

    def fails_for_b(stored, clip):
        if clip.path.name == "b.mp4":
            raise ZeroDivisionError("a fault")
        return read_depth(stored, clip)

    monkeypatch.setattr(depth_source, "read_depth", fails_for_b)
    summary = run(job)
    assert summary.n_made == 2
    (left_out,) = summary.rejected
    assert left_out.unexpected
    assert left_out.reason == "an unexpected error: ZeroDivisionError: a fault"


def test_settings_that_differ_are_named(job):
    write_clip(job.input_dir, n_frames=5)
    run(job)
    before = stamps(job.dataset)
    other = MasksJob(job.input_dir, job.dataset, settings_of(seed=1))
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


def test_a_sheet_has_a_row_for_every_clip(job):
    for name in "ab":
        write_clip(job.input_dir, name, n_frames=10)
    run(job)
    sheet = cv2.imread(str(job.dataset / "sheets" / "sheet_0001.png"))
    rows = [cv2.imread(str(path)) for path in sorted(job.dataset.glob("clips/*/preview.png"))]
    assert len(rows) == 4
    np.testing.assert_array_equal(sheet, np.concatenate(rows))


def test_after_each_hundred_clips_there_is_a_sheet(job, monkeypatch):
    monkeypatch.setattr("ex4d.training.dataset_creation.CLIPS_ON_A_SHEET", 2)
    for name in "abc":
        write_clip(job.input_dir, name, n_frames=10 if name == "b" else 5)
    assert CLIPS_ON_A_SHEET == 100
    run(job)
    assert len(list(job.dataset.glob("sheets/*.png"))) == 2


def test_a_sheet_does_without_a_preview_that_is_gone(job):
    write_clip(job.input_dir, n_frames=10)
    run(job)
    height = cv2.imread(str(job.dataset / "sheets" / "sheet_0001.png")).shape[0]
    first, second = sorted(job.dataset.glob("clips/*/preview.png"))
    first.unlink()
    run(job)
    assert cv2.imread(str(job.dataset / "sheets" / "sheet_0001.png")).shape[0] == height // 2
    second.write_bytes(b"")
    assert run(job).n_kept == 2
