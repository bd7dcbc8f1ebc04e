"""What a scene remembers of its clip's depth: files or an estimator, and what is mended in it."""

# No `from __future__ import annotations` here: Blender reads the annotations.
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..project.movie import measure_depth

if TYPE_CHECKING:
    from ...protocol.messages import EstimatorInfo

__all__ = ["CLASSES", "Ex4dDepth", "chosen_estimator", "estimator_icon", "estimators"]

SERVERS_CHOICE = "SERVER"
KINDS = (
    ("FILE", "File", "Depth that you have: a .npz, or EXR or 16-bit PNG pictures"),
    ("ESTIMATE", "Estimate", "The server estimates it from the clip's pictures"),
)
VALUES = (
    ("depth", "Depth", "Distance along the camera's axis: Blender's Z pass, most others"),
    ("ray_length", "Ray Length", "Distance from the camera's centre"),
    ("disparity", "Disparity", "1 / depth: Nuke's depth.Z, most estimators' pictures"),
)
CLEANINGS = (
    ("USUAL", "As Usual", "Estimates: edges and sky; files: only unknown depth is filled"),
    ("OWN", "Custom", "Set the strengths"),
)
SKIES = (
    ("OFF", "Off", "What has no depth is filled from beside it"),
    ("AUTO", "By Depth", "Nothing is farther than 50 times the nearest"),
    ("DISTANCE", "Distance", "Nothing is farther than this"),
)


_Item = tuple[str, str, str, str, int]  # identifier, name, description, icon, number


def estimators() -> "list[EstimatorInfo]":
    """What the server can estimate depth with, as it told; empty before a connection."""
    from ..session import session

    connection = session().connection
    return list(connection.welcome.estimators) if connection.welcome else []


def chosen_estimator(settings: "Ex4dDepth") -> "EstimatorInfo | None":
    """The estimator that the server will take, as it told; None when that is not known."""
    known = estimators()
    named = [info for info in known if info.name == settings.estimator]
    return named[0] if named else known[0] if known and not settings.estimator else None


def estimator_icon(info: "EstimatorInfo") -> str:
    """A check mark for what this server can run and any work may use."""
    if not info.available:
        return "CANCEL"
    return "CHECKMARK" if info.commercial else "ERROR"


_shown: list[_Item] = []  # Blender keeps no references to the texts of a dynamic list


def _items(_settings: "Ex4dDepth", _context: bpy.types.Context | None) -> list[_Item]:
    """The estimators, each with its licence; one without a badge may be used for any work."""
    # no empty identifier: menus show such an item as a heading
    known = [(SERVERS_CHOICE, "The Server's Choice", "Connect to see what there is", "NONE", 0)]
    for number, info in enumerate(estimators(), start=1):
        badge = "" if info.commercial else " (non-commercial)"
        icon = estimator_icon(info)
        text = f"{info.gives}. {info.licence}"
        known.append((info.name, f"{info.title}{badge}", text, icon, number))
    if known != _shown:
        _shown[:] = known
    return _shown


def _get_choice(settings: "Ex4dDepth") -> int:
    names = [item[0] for item in _items(settings, None)]
    return names.index(settings.estimator) if settings.estimator in names else 0


def _set_choice(settings: "Ex4dDepth", number: int) -> None:
    settings.estimator = _items(settings, None)[number][0] if number else ""


def _depth_chosen(settings: "Ex4dDepth", _context: bpy.types.Context) -> None:
    """Take note of the file's measures, so that the panel need not open it."""
    if settings.id_data.ex4d.paths_move:
        return
    settings.is_kept = False
    path = bpy.path.abspath(settings.file)
    settings.size, settings.n_frames = measure_depth(Path(path)) if path else ((0, 0), 0)


class Ex4dDepth(bpy.types.PropertyGroup):
    """Where the depth of a scene's clip comes from."""

    kind: bpy.props.EnumProperty(name="Depth", items=KINDS)
    file: bpy.props.StringProperty(
        name="File",
        update=_depth_chosen,
        description="A .npz file with `depth` [frames, height, width], or any one picture of a "
        "sequence of EXR or 16-bit PNG files",
    )
    size: bpy.props.IntVectorProperty(size=2)  # (W, H) in pixels; 0: not known
    n_frames: bpy.props.IntProperty()  # 0: not known
    is_kept: bpy.props.BoolProperty()  # the file was chosen for another clip
    estimator: bpy.props.StringProperty()  # its name; none: the server's choice
    choice: bpy.props.EnumProperty(
        name="Estimator",
        items=_items,
        get=_get_choice,
        set=_set_choice,
        description="What estimates the depth",
    )
    values: bpy.props.EnumProperty(name="Values", items=VALUES)
    use_range: bpy.props.BoolProperty(
        name="Range",
        description="The values are shares, 0 to 1 or 0 to 65535, of a range of depth",
    )
    near: bpy.props.FloatProperty(name="Near", default=1, min=1e-6, soft_max=100, precision=3)
    far: bpy.props.FloatProperty(name="Far", default=100, min=1e-6, soft_max=1000, precision=3)
    inverted: bpy.props.BoolProperty(
        name="Inverted", description="The other way round: depth that is white where it is near"
    )
    scale: bpy.props.FloatProperty(
        name="Scale", default=1, precision=4, description="Every value of the file times this"
    )
    offset: bpy.props.FloatProperty(name="Offset", precision=4, description="Added after that")
    layer: bpy.props.StringProperty(
        name="Layer",
        description="Channel, layer, part or view of EXR files. Empty: what is called depth, else "
        "Z, else the only channel, or equal R, G and B; of the first view",
    )
    cleaning: bpy.props.EnumProperty(name="Clean Up", items=CLEANINGS)
    holes: bpy.props.FloatProperty(
        name="Holes",
        subtype="FACTOR",
        default=1,
        min=0,
        max=1,
        description="How decidedly unknown depth is that of the background; 0: whatever is nearest",
    )
    edges: bpy.props.FloatProperty(
        name="Edges",
        subtype="FACTOR",
        default=1,
        min=0,
        max=1,
        description="Put pixels that fly between two surfaces onto one of them; 0: off",
    )
    sky: bpy.props.EnumProperty(name="Sky", items=SKIES, default="AUTO")
    sky_distance: bpy.props.FloatProperty(
        name="Distance", subtype="DISTANCE", default=200, min=1e-3, soft_max=10_000
    )


CLASSES = (Ex4dDepth,)
