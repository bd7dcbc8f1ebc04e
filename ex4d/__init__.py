"""EX-4D: from a video and its depth to the same shot filmed by another camera.

What a script needs is here, loaded when it is first used; docs/library.md has the whole way of a
shot in twelve lines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from ex4d.camera.files import read_trajectory, write_trajectory
    from ex4d.camera.presets import orbit_radius, preset_path
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.render import Conditions, render_conditions
    from ex4d.conditions.scene import Scene
    from ex4d.depth.files import read_depth
    from ex4d.engines.base import GenerateSettings, Watcher
    from ex4d.engines.choose import choose_engine
    from ex4d.raster.choose import make_rasterizer
    from ex4d.video.reader import read_clip
    from ex4d.video.writer import write_video

__all__ = [
    "Conditions",
    "GenerateSettings",
    "Scene",
    "Trajectory",
    "Watcher",
    "__version__",
    "choose_engine",
    "make_rasterizer",
    "orbit_radius",
    "preset_path",
    "read_clip",
    "read_depth",
    "read_trajectory",
    "render_conditions",
    "write_trajectory",
    "write_video",
]

_HOMES = {
    "ex4d.camera.files": ("read_trajectory", "write_trajectory"),
    "ex4d.camera.presets": ("orbit_radius", "preset_path"),
    "ex4d.camera.trajectory": ("Trajectory",),
    "ex4d.conditions.render": ("Conditions", "render_conditions"),
    "ex4d.conditions.scene": ("Scene",),
    "ex4d.depth.files": ("read_depth",),
    "ex4d.engines.base": ("GenerateSettings", "Watcher"),
    "ex4d.engines.choose": ("choose_engine",),
    "ex4d.raster.choose": ("make_rasterizer",),
    "ex4d.video.reader": ("read_clip",),
    "ex4d.video.writer": ("write_video",),
}


def __getattr__(name: str) -> Any:
    """Load a name's module: importing `ex4d` alone costs nothing (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'ex4d' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
