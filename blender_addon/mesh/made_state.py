"""Whether something is still as the add-on made it, or has become the artist's.

What was made is noted as a digest on the thing itself. Only what the add-on sets counts: it is
what it would set again.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ..compat import fcurves_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import bpy

__all__ = ["camera_state", "curve_state", "is_as_made", "note_as_made", "tree_state"]

_MADE = "ex4d_made"
_OF_NODES = ("operation", "blend_type", "interpolation", "extension", "mute")


def note_as_made(datablock: bpy.types.ID, state: Any) -> None:
    """Remember the state that something was left in."""
    datablock[_MADE] = _digest(state)


def is_as_made(datablock: bpy.types.ID, state: Any) -> bool:
    """Whether that is its state now; of what an older version made, nothing is known: true."""
    return datablock.get(_MADE) in (None, _digest(state))


def camera_state(camera: bpy.types.Object) -> Any:
    """Place, lens and keys of a camera object; not its name, and not what the viewport shows."""
    data = camera.data
    curves = curve_state(data)
    drivers = [data.animation_data.drivers] if data.animation_data else []
    moving = {path for path, *_ in curves} | {d.data_path for them in drivers for d in them}
    lens = ("lens", "shift_x", "shift_y", "clip_start", "clip_end", "sensor_width")
    return [
        [list(row) for row in (*camera.matrix_parent_inverse, *camera.matrix_basis)],
        [camera.rotation_mode, camera.parent_type, len(camera.constraints)],
        [curve_state(camera), len(camera.animation_data.drivers) if camera.animation_data else 0],
        [data.type, data.sensor_fit, [getattr(data, name) for name in lens if name not in moving]],
        curves,
    ]


def curve_state(datablock: bpy.types.ID) -> list[list[Any]]:
    """The keys of everything that is animated on a datablock, from the first on: a shot may be
    moved in time."""
    curves = [curve for curve in fcurves_of(datablock) if len(curve.keyframe_points)]
    start = min((curve.keyframe_points[0].co[0] for curve in curves), default=0.0)
    return [
        [c.data_path, c.array_index, c.mute, _keys_from(start, c.keyframe_points)] for c in curves
    ]


def _keys_from(start: float, points: Iterable[bpy.types.Keyframe]) -> list[list[float]]:
    return [[point.co[0] - start, point.co[1]] for point in points]


def tree_state(tree: bpy.types.NodeTree) -> Any:
    """Nodes, their values and links; images and places aside."""
    nodes = []
    for node in tree.nodes:
        values = [_plain(getattr(socket, "default_value", None)) for socket in node.inputs]
        nodes.append([node.bl_idname, [str(getattr(node, n, "")) for n in _OF_NODES], values])
    places = {node.name: place for place, node in enumerate(tree.nodes)}
    links = [
        [places[end.name], socket.identifier, places[start.name], source.identifier]
        for link in tree.links
        for end, socket in [(link.to_node, link.to_socket)]
        for start, source in [(link.from_node, link.from_socket)]
    ]
    return [nodes, sorted(links)]


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)):
        return value
    try:
        return [float(part) for part in value]
    except (TypeError, ValueError):
        return None  # a datablock, or none


def _digest(state: Any) -> str:
    text = json.dumps(_rounded(state), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rounded(value: Any) -> Any:
    """Five digits: what Blender rounds otherwise elsewhere is no edit."""
    if isinstance(value, float):
        return (round(value, 5) if abs(value) < 1 else float(f"{value:.5g}")) + 0.0
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
