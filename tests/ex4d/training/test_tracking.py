"""Trackers, and the masks that follow what they track, on clips of known motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ex4d.errors import MissingPartError, UsageError
from ex4d.training.flow_tracker import FlowTracker
from ex4d.training.tracking import make_tracker
from ex4d.training.tracking_masks import HidingOrder, draw_order, tracking_mask
from ex4d.training.tracks import Tracks

from .scenes import MovingClip, moving_clip, texture

SIZE = (256, 192)
STEPS = {"wall_step": (2, 1), "box_step": (-3, 1)}


@pytest.fixture(scope="module")
def clip() -> MovingClip:
    return moving_clip(17, SIZE, **STEPS)


def grid(size: tuple[int, int], spacing: int = 8) -> np.ndarray:
    y, x = np.mgrid[4 : size[1] : spacing, 4 : size[0] : spacing]
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32) + np.float32(0.5)


@pytest.mark.parametrize("start", [0, 7, 16])
def test_points_are_followed_to_both_ends_of_the_clip(clip, start):
    points = grid(SIZE)
    tracks = FlowTracker().track(clip.frames, points, start)
    assert tracks.seen[start].all()
    np.testing.assert_array_equal(tracks.positions[start], points)
    column, row = points.astype(int).T
    for frame in range(len(clip.frames)):
        shifts = np.where(
            clip.is_box[start, row, column, None],
            clip.box_shift[frame] - clip.box_shift[start],
            clip.wall_shift[frame] - clip.wall_shift[start],
        )
        missed_px = np.linalg.norm(tracks.positions[frame] - points - shifts, axis=1)
        seen = tracks.seen[frame]
        assert seen.mean() > 0.5
        assert np.median(missed_px[seen]) < 0.5
        assert (missed_px[seen] < 2).mean() > 0.85  # the box carries some of the wall along


def test_a_point_that_leaves_the_picture_is_lost():
    clip = moving_clip(9, (96, 64), wall_step=(4, 0))
    points = np.array([[90.5, 5.5], [10.5, 5.5]], np.float32)
    tracks = FlowTracker().track(clip.frames, points, 0)
    assert not tracks.seen[3:, 0].any()
    assert tracks.seen[:, 1].all()


def test_points_that_are_covered_are_lost():
    """The box begins in the columns 85 to 169 and ends 48 pixels to the right."""
    clip = moving_clip(9, SIZE, wall_step=(0, 0), box_step=(6, 0))
    points = grid(SIZE)
    column, row = points.astype(int).T
    covered = clip.is_box[8, row, column] & ~clip.is_box[0, row, column]
    inner = covered & (column > 180) & (column < 205) & (row > 75) & (row < 115)
    assert inner.sum() > 8
    tracks = FlowTracker().track(clip.frames, points, 0)
    assert tracks.seen[0, inner].all()
    assert tracks.seen[8, inner].mean() < 0.1


@pytest.mark.parametrize("anchor", [0, 8, 16])
@pytest.mark.parametrize("seed", range(3))
def test_a_tracking_mask_follows_known_motion(clip, seed, anchor):
    """What each frame shows is looked up in the anchor frame by the true motion, where it shows
    there at all."""
    drawn = draw_order(seed, len(clip.frames), SIZE)
    order = HidingOrder(anchor, drawn.rank, drawn.share, drawn.grown_at)
    mask = tracking_mask(clip.frames, order, FlowTracker())
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    both = either = 0
    for frame in range(1, len(mask)):
        back = np.where(
            clip.is_box[frame, ..., None],
            clip.box_shift[anchor] - clip.box_shift[frame],
            clip.wall_shift[anchor] - clip.wall_shift[frame],
        )
        column, row = x + back[..., 0], y + back[..., 1]
        shown = (column >= 0) & (column < SIZE[0]) & (row >= 0) & (row < SIZE[1])
        column, row = column.clip(0, SIZE[0] - 1), row.clip(0, SIZE[1] - 1)
        shown &= clip.is_box[anchor, row, column] == clip.is_box[frame]
        hidden = order.rank[row, column] < order.limit(frame)
        both += (hidden & ~mask[frame] & shown).sum()
        either += ((hidden | ~mask[frame]) & shown).sum()
    print(f"\nIoU {both / either:.3f}")
    assert either > 0.05 * mask.size
    assert both / either >= 0.9


class StandsStill:
    """The true tracker of a clip in which nothing moves."""

    def track(self, frames, points, start):
        positions = np.broadcast_to(points, (len(frames), *points.shape))
        return Tracks(positions, np.ones(positions.shape[:2], np.bool_))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(16, 200), st.integers(16, 200))
def test_what_is_hidden_grows_from_nothing_and_then_stays(seed, n_frames, width, height):
    order = draw_order(seed, n_frames, (width, height))
    frames = np.zeros((n_frames, height, width, 3), np.uint8)
    mask = tracking_mask(frames, order, StandsStill())
    assert mask[0].all()
    assert (mask[1:] <= mask[:-1]).all()
    assert (mask[order.grown_at :] == mask[-1]).all()
    assert 0.15 <= order.share <= 0.6
    assert abs((~mask[-1]).mean() - order.share) < 0.1  # smoothing rounds corners off


def test_frames_in_which_no_point_is_seen_keep_what_was_hidden():
    class SeesNothing(StandsStill):
        def track(self, frames, points, start):
            tracks = super().track(frames, points, start)
            tracks.seen[4:] = False
            return tracks

    order = draw_order(3, 9, (64, 48))
    frames = np.zeros((9, 48, 64, 3), np.uint8)
    mask = tracking_mask(frames, order, SeesNothing())
    np.testing.assert_array_equal(mask, tracking_mask(frames, order, StandsStill()))


def test_what_is_hidden_is_steady_in_a_still_picture():
    """Sensor noise moves no more than the rim."""
    noise = np.random.default_rng(0).normal(0, 3, (9, 96, 128, 3))
    frames = np.clip(texture(96, 128) + noise, 0, 255).astype(np.uint8)
    drawn = draw_order(2, 9, (128, 96))
    order = HidingOrder(0, drawn.rank, drawn.share, grown_at=1)
    mask = tracking_mask(frames, order, FlowTracker())
    assert (mask[2:] != mask[1:-1]).mean() < 0.002


def test_the_same_seed_hides_the_same(clip):
    masks = [
        tracking_mask(clip.frames, draw_order(seed, 17, SIZE), FlowTracker()) for seed in (4, 4, 5)
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).mean() > 0.05


def test_an_unknown_tracker_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="unknown tracker 'lk': choose from dis, cotracker3"):
        make_tracker("lk")


HUB_CODE = '''
import torch

class Predictor(torch.nn.Module):
    """As CoTracker3's: whole numbers are pixel centres. Everything moves right by 2 a frame."""

    def forward(self, video, queries, backward_tracking):
        assert video.shape[:3:2] == (1, 3) and backward_tracking
        times = torch.arange(video.shape[1])[:, None] - queries[0, None, :, 0]
        x = queries[0, None, :, 1] + 2 * times
        y = queries[0, None, :, 2].expand_as(x)
        return torch.stack([x, y], -1)[None], torch.ones_like(x)[None] > 0

def cotracker3_offline():
    return Predictor()
'''


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder of torch.hub with a model in CoTracker3's place."""
    pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    code = tmp_path / "hub" / "facebookresearch_co-tracker_main"
    code.mkdir(parents=True)
    (code / "hubconf.py").write_text(HUB_CODE)
    (tmp_path / "hub" / "checkpoints").mkdir()
    (tmp_path / "hub" / "checkpoints" / "scaled_offline.pth").touch()
    return tmp_path / "hub"


def test_cotracker_speaks_of_pixels_as_we_do(hub):
    points = np.array([[0.5, 0.5], [20.25, 7.0]], np.float32)
    tracks = make_tracker("cotracker3").track(np.zeros((6, 16, 32, 3), np.uint8), points, 2)
    expected = points + 2 * (np.arange(6)[:, None, None] - 2) * np.array([1, 0])
    np.testing.assert_allclose(tracks.positions, expected)
    np.testing.assert_array_equal(tracks.seen[:, 0], [False, False, True, True, True, True])


@pytest.mark.parametrize("missing", ["facebookresearch_co-tracker_main", "checkpoints"])
def test_cotracker_that_is_not_there_is_said_with_its_licence_and_how_to_get_it(hub, missing):
    (hub / missing).rename(hub / "elsewhere")
    with pytest.raises(MissingPartError) as caught:
        make_tracker("cotracker3")
    for words in ("non-commercial", str(hub), "torch.hub.load('facebookresearch/co-tracker'"):
        assert words in str(caught.value)
