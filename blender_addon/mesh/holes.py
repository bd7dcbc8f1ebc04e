"""Holes on the animated mesh: a modifier that gives their faces the second material.

Geometry nodes look each face up in that frame's mask, so holes show in every engine and in the
viewport, and play without the add-on. Measured at 512x512: 1 to 4.5 ms a frame; the look-up per
face, not per vertex, halves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .source_frames import add_frame_number

if TYPE_CHECKING:
    import bpy

    from ..jobs.reconstruction import Grid

__all__ = ["HOLES_MODIFIER", "add_cells", "build_hole_nodes"]

HOLES_MODIFIER = "EX-4D Holes"

_CELL = "ex4d_cell"  # where in the mask a face is looked up


def add_cells(mesh: bpy.types.Mesh, grid: Grid) -> None:
    """Store each face's place in the mask; the caps use a block of the ring, always a hole."""
    columns, rows = grid.cells
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, 1 - (np.arange(rows) + 0.5) / rows)
    cells = np.stack([u, v], axis=-1).reshape(-1, 2)
    cells = np.concatenate([cells, cells[:1], cells[:1]]).astype(np.float32)
    attribute = mesh.attributes.new(_CELL, "FLOAT2", "FACE")
    attribute.data.foreach_set("vector", cells.ravel())


def build_hole_nodes(
    group: bpy.types.NodeTree, masks: bpy.types.Image, *, first_frame: int, n_frames: int
) -> None:
    """Fill a geometry node group: faces that are white in the frame's mask get material 1.

    Which frame's mask: by the rule of `source_frames`.
    """
    group.nodes.clear()
    group.interface.clear()
    group.is_modifier = True
    for direction in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    given, result = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    material = group.nodes.new("GeometryNodeSetMaterialIndex")
    material.inputs["Material Index"].default_value = 1
    group.links.new(given.outputs[0], material.inputs["Geometry"])
    group.links.new(material.outputs[0], result.inputs[0])

    cell = group.nodes.new("GeometryNodeInputNamedAttribute")
    cell.data_type = "FLOAT_VECTOR"
    cell.inputs["Name"].default_value = _CELL
    texture = group.nodes.new("GeometryNodeImageTexture")
    texture.interpolation = "Closest"
    texture.inputs["Image"].default_value = masks
    group.links.new(cell.outputs["Attribute"], texture.inputs["Vector"])
    group.links.new(add_frame_number(group, first_frame, n_frames), texture.inputs["Frame"])

    group.links.new(texture.outputs["Color"], material.inputs["Selection"])  # true unless black
    for place, node in enumerate(group.nodes):
        node.location = (200 * place, 0)
