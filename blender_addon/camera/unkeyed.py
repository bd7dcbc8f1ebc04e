"""What the artist has changed and not yet keyed: going to another frame would lose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from ..compat import fcurves_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UnkeyedValue", "unkeyed_values"]

_SAME = 1e-6  # of a value and its curve
_GONE = (AttributeError, IndexError, KeyError, ReferenceError, TypeError, ValueError)


@dataclass(frozen=True)
class UnkeyedValue:
    """A property that has an F-curve and another value than that."""

    datablock: bpy.types.ID
    data_path: str
    index: int
    value: Any

    def restore(self) -> None:
        """Set it again, where it still can be."""
        try:
            owner, name = _owner_of(self.datablock, self.data_path)
            if _read(owner, name, self.index) == self.value:
                return
            if name.startswith("["):
                _set_custom(owner, name[2:-2], self.index, self.value)
            elif _is_array(owner, name):
                getattr(owner, name)[self.index] = self.value
            else:
                setattr(owner, name, self.value)
        except _GONE:
            return  # removed in the meantime, or read-only


def unkeyed_values(scene: bpy.types.Scene) -> list[UnkeyedValue]:
    """All such of the open file, as they are at this moment of a scene."""
    frame, found = scene.frame_current_final, []
    for datablock in _animated():
        for curve in fcurves_of(datablock):
            try:
                owner, name = _owner_of(datablock, curve.data_path)
                value = _read(owner, name, curve.array_index)
            except _GONE:
                continue  # a curve of something that is not there
            if not isinstance(value, (bool, int, float)):
                continue
            expected = curve.evaluate(frame)
            if abs(float(value) - expected) > _SAME * max(1.0, abs(expected)):
                found.append(UnkeyedValue(datablock, curve.data_path, curve.array_index, value))
    return found


def _animated() -> Iterator[bpy.types.ID]:
    """Everything that has an action, node trees within others too."""
    for prop in bpy.data.bl_rna.properties:
        if prop.type != "COLLECTION":
            continue
        for block in getattr(bpy.data, prop.identifier):
            for item in (block, getattr(block, "node_tree", None)):
                animation = getattr(item, "animation_data", None)
                if animation is not None and animation.action is not None:
                    yield item


def _owner_of(datablock: bpy.types.ID, data_path: str) -> tuple[Any, str]:
    """What has the property of a path, and the property's name there; a custom one's with its
    brackets."""
    place = data_path.rfind('["') if data_path.endswith('"]') else data_path.rfind(".")
    before = data_path[: max(place, 0)]
    name = data_path[place:] if data_path.endswith('"]') else data_path[place + 1 :]
    return (datablock.path_resolve(before) if before else datablock), name


def _is_array(owner: Any, name: str) -> bool:
    return bool(getattr(owner.bl_rna.properties[name], "is_array", False))


def _read(owner: Any, name: str, index: int) -> Any:
    if name.startswith("["):
        value = owner[name[2:-2]]
        return value[index] if hasattr(value, "__len__") else value
    value = getattr(owner, name)
    return value[index] if _is_array(owner, name) else value


def _set_custom(owner: Any, name: str, index: int, value: Any) -> None:
    if hasattr(owner[name], "__len__"):
        owner[name][index] = value
    else:
        owner[name] = value
