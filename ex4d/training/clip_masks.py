"""All masks of one clip, each with a seed of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.camera.presets import orbit_radius
from ex4d.camera.trajectory import Trajectory
from ex4d.training.dataset import MaskRecord, PathRecord
from ex4d.training.paths import draw_path
from ex4d.training.tracking_masks import draw_order, tracking_mask
from ex4d.training.view_masks import rendering_mask, reprojection_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from ex4d.conditions.scene import Scene
    from ex4d.raster.base import Rasterizer
    from ex4d.training.dataset import DatasetSettings, MaskKind
    from ex4d.training.tracks import Tracker

__all__ = ["MaskTools", "clip_masks", "mask_seed"]

_BY_VIEW = {"rendering": rendering_mask, "reprojection": reprojection_mask}


@dataclass(frozen=True)
class MaskTools:
    """What masks are made with."""

    rasterizer: Rasterizer
    tracker: Tracker


def mask_seed(seed: int, name: str, kind: MaskKind, number: int) -> int:
    """The seed of one mask of the clip `name`: no matter which other clips are made, or when."""
    digest = hashlib.sha256(f"{seed}/{name}/{kind}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def clip_masks(
    name: str, scene: Scene, settings: DatasetSettings, tools: MaskTools
) -> Iterator[tuple[MaskRecord, np.ndarray]]:
    """Make the masks bool [T, H, W] of a clip, as many of each kind as the settings say."""
    for kind, count in settings.masks.items():
        for number in range(count):
            seed = mask_seed(settings.seed, name, kind, number)
            path, mask = _make(kind, scene, seed, tools)
            shares = mask.mean(axis=(1, 2))
            file = f"mask_{kind}_{number}.mp4"
            yield (
                MaskRecord(kind, file, seed, path, float(shares.mean()), float(shares.min())),
                mask,
            )


def _make(
    kind: MaskKind, scene: Scene, seed: int, tools: MaskTools
) -> tuple[PathRecord | None, np.ndarray]:
    n_frames, height, width = scene.depth.shape
    if kind == "tracking":
        order = draw_order(seed, n_frames, (width, height))
        return None, tracking_mask(scene.frames, order, tools.tracker)
    path = draw_path(seed, n_frames, orbit_radius(scene.depth[0]))
    trajectory = Trajectory(path.world_to_camera, scene.intrinsics, (width, height))
    mask = _BY_VIEW[kind](scene, trajectory, tools.rasterizer)
    return PathRecord(path.kind, path.numbers), mask
