"""Repairs of depth, each measured against the truth of the sample shot."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from ex4d.camera.files import read_trajectory
from ex4d.conditions.render import render_conditions
from ex4d.conditions.scene import Scene
from ex4d.depth.cleaning import DepthCleaning, clean_edges, limit_sky
from ex4d.depth.edges import snap_flying_pixels
from ex4d.depth.files import read_depth
from ex4d.depth.fill import fill_unknown
from ex4d.errors import InputError, UsageError
from ex4d.files.npz import read_npz
from ex4d.raster.cpu import CpuRasterizer
from ex4d.video.reader import read_clip

SHOT = Path(__file__).parents[3] / "examples" / "shot"
FRAMES = range(0, 49, 8)


@cache
def sample_shot():
    """The clip, its exact depth, and which pixels lie within 4 of a depth edge."""
    clip = read_clip(SHOT / "input.mp4")
    given = read_depth(SHOT / "depth.npz", clip)
    square = np.ones((9, 9), np.uint8)
    edges = [cv2.dilate(frame, square) > 1.1 * cv2.erode(frame, square) for frame in given.depth]
    return clip, given, np.stack(edges)


def blurred(depth: np.ndarray, sigma_px: float) -> np.ndarray:
    """Depth whose edges are soft, as estimators make them."""
    soft = [1 / cv2.GaussianBlur(1 / frame, (0, 0), sigma_px) for frame in depth]
    return np.stack(soft).astype(np.float32)


@pytest.mark.parametrize("sigma_px", [1.0, 1.5, 2.0, 3.0])
def test_soft_edges_become_sharp_where_the_colours_say(sigma_px):
    clip, given, edges = sample_shot()
    soft = blurred(given.depth[FRAMES], sigma_px)
    cleaned = soft.copy()
    clean_edges(cleaned, clip.frames[FRAMES], DepthCleaning(edges=1))
    before, after = (np.abs(depth / given.depth[FRAMES] - 1) for depth in (soft, cleaned))
    near = edges[FRAMES]
    wrong = [(error[near] > 0.05).mean() for error in (before, after)]
    print(f"\non the wrong surface near edges: {wrong[0]:.3f} -> {wrong[1]:.3f}")
    assert wrong[1] < 0.65 * wrong[0]
    assert after[near].mean() < 0.75 * before[near].mean()
    assert after[~near].mean() <= before[~near].mean()


def test_cleaned_edges_make_conditions_that_show_the_truth():
    """Less background is dragged along with the foreground."""
    clip, given, _ = sample_shot()
    seen = read_npz(SHOT / "truth_seen.npz", InputError)["seen"]
    truth = read_clip(SHOT / "truth.mp4").frames
    path = read_trajectory(SHOT / "camera.npz", clip)
    figures = {}
    for edges in (0.0, 1.0):
        depth = blurred(given.depth, 1.5)
        clean_edges(depth, clip.frames, DepthCleaning(edges=edges))
        scene = Scene(clip.frames, depth, given.intrinsics)
        conditions = render_conditions(scene, path, CpuRasterizer())
        mask = conditions.mask[1:]
        error = (conditions.color[1:][mask].astype(float) - truth[1:][mask]) ** 2
        figures[edges] = 10 * np.log10(255**2 / error.mean()), (mask & ~seen[1:]).mean()
        print(f"\nedges {edges}: {figures[edges][0]:.1f} dB, {figures[edges][1]:.2%} wrongly seen")
    assert figures[1.0][0] > figures[0.0][0] + 4
    assert figures[1.0][1] < 0.4 * figures[0.0][1]


def test_exact_depth_is_hardly_touched():
    """Things between two others are surfaces too: the figure's arms, the arch."""
    clip, given, _ = sample_shot()
    cleaned = given.depth[FRAMES].copy()
    clean_edges(cleaned, clip.frames[FRAMES], DepthCleaning(edges=1))
    changed = np.abs(cleaned / given.depth[FRAMES] - 1)
    print(f"\nchanged: {(changed > 0).mean():.2%}, by more than 5 %: {(changed > 0.05).mean():.2%}")
    assert (changed > 0.05).mean() < 0.005


def test_a_thin_pole_stays_and_so_does_a_slope():
    depth = np.full((40, 60), 8, np.float32)
    depth[:, 30:32] = 2  # two pixels of a pole
    depth[:, :20] = np.linspace(3, 8, 20, dtype=np.float32)  # a wall seen at an angle
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:, 30:32] = 200
    np.testing.assert_array_equal(snap_flying_pixels(depth, rgb), depth)


def test_an_edge_follows_the_picture():
    """The depth's edge is soft and its middle lies two pixels off the picture's."""
    ramp = np.interp(np.arange(40), [16, 21], [1 / 2, 1 / 8])
    depth = np.broadcast_to(1 / ramp, (20, 40)).astype(np.float32)
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, :20] = (200, 40, 40)
    rgb[:, 20:] = (30, 60, 200)
    cleaned = snap_flying_pixels(depth, rgb)
    assert (cleaned[6:-6, 17:20] < 2.3).all()
    assert (cleaned[6:-6, 20:] > 7).all()


def test_the_strength_says_how_much_is_taken_for_empty():
    clip, given, _ = sample_shot()
    soft = blurred(given.depth[:1], 2)
    changed = []
    for strength in (0.0, 0.5, 1.0):
        cleaned = soft.copy()
        clean_edges(cleaned, clip.frames[:1], DepthCleaning(edges=strength))
        changed.append((cleaned != soft).mean())
    assert changed[0] == 0
    assert 0 < changed[1] < 0.8 * changed[2]


def test_holes_beside_the_foreground_are_background():
    """The shadow that a depth camera's lamp casts: a strip to the left of everything near."""
    _, given, _ = sample_shot()
    errors = {}
    for strength in (0.0, 1.0):
        wrong = []
        for depth in given.depth[FRAMES]:
            nearer = np.zeros(depth.shape, bool)
            for reach in range(1, 9):
                shifted = np.roll(depth, -reach, axis=1)
                shifted[:, -reach:] = depth[:, -reach:]
                nearer |= shifted < 0.9 * depth
            holed = np.where(nearer, 0, depth).astype(np.float32)
            wrong.append(np.abs(fill_unknown(holed, strength) / depth - 1)[nearer])
        errors[strength] = np.concatenate(wrong).mean()
    print(f"\nerror in the holes: any side {errors[0.0]:.3f}, background {errors[1.0]:.3f}")
    assert errors[1.0] < 0.6 * errors[0.0]


def test_a_sky_without_depth_stands_still():
    """The far wall of the shot, taken for the sky: how far it is off where it should be seen from
    the second camera, in pixels. Filled in from beside it, it moves with the houses."""
    clip, given, _ = sample_shot()
    path = read_trajectory(SHOT / "camera.npz", clip)
    lens, pose, frame = given.intrinsics[0], path.world_to_camera[24], given.depth[24]
    sky = frame > 9.5
    rays = np.stack([*np.indices(frame.shape)[::-1] + 0.5, np.ones(frame.shape)])[:, sky]
    rays = np.linalg.inv(lens) @ rays

    def seen_at(depth):
        points = lens @ (pose[:3, :3] @ rays + pose[:3, 3:] / depth)
        return points[:2] / points[2]

    missing = np.where(sky, np.inf, frame)[None].astype(np.float32)
    offsets = {}
    for name, cleaning in {
        "filled": DepthCleaning(),
        "sky": DepthCleaning(sky_distance=None),
        "set": DepthCleaning(sky_distance=1000),
    }.items():
        depth = missing.copy()
        limit_sky(depth, cleaning)
        filled = fill_unknown(depth[0])[sky]
        offsets[name] = np.linalg.norm(seen_at(filled) - seen_at(np.inf), axis=0).mean()
    print("\noff by", {name: f"{offset:.1f} px" for name, offset in offsets.items()})
    assert offsets["sky"] < 0.15 * offsets["filled"]
    assert offsets["set"] < 1


def test_the_sky_is_unknown_when_it_is_switched_off():
    depth = np.array([[[1, np.inf, 70, 0]]], np.float32)
    off, limited = depth.copy(), depth.copy()
    limit_sky(off, DepthCleaning(sky_distance=0))
    np.testing.assert_array_equal(off, [[[1, 0, 70, 0]]])
    limit_sky(limited, DepthCleaning(sky_distance=40))
    np.testing.assert_array_equal(limited, [[[1, 40, 40, 0]]])


@pytest.mark.parametrize(
    "wrong", [{"holes": 2}, {"edges": -0.1}, {"sky_distance": -1}, {"edges": float("nan")}]
)
def test_a_strength_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError, match="must be"):
        DepthCleaning(**wrong)
