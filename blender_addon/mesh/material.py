"""The two materials of the mesh: the source movie, and what fills the holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..compat import enable_nodes
from .source_frames import show_frames

if TYPE_CHECKING:
    from pathlib import Path

    import bpy

__all__ = ["SourceClip", "build_hole_material", "build_source_material"]

_HOLE_COLORS = ((1.0, 0.0, 0.6, 1.0), (0.75, 0.0, 0.45, 1.0))
_CHECKS = 48.0  # across the picture
_SAME_RAY, _OTHER_RAY = 0.99999, 0.9997  # cosines of 0.26 and 1.4 degrees


@dataclass(frozen=True)
class SourceClip:
    """Which frames of a movie or of a sequence the mesh shows, one per scene frame."""

    path: Path  # of a movie, or of a sequence's first picture
    n_frames: int
    first_frame: int = 1  # scene frame of the first one
    start: int = 0  # movie frame of the first one; of pictures, their number less 1
    stride: int = 1  # movie frames from one to the next


def build_source_material(
    material: bpy.types.Material, image: bpy.types.Image, clip: SourceClip
) -> None:
    """Let a material shine with the movie's own colours, whatever the light."""
    tree = enable_nodes(material)
    texture = _movie_texture(tree, image, clip)
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    tree.nodes.active = texture  # Solid view with colour Texture shows the active image


def build_hole_material(
    material: bpy.types.Material, image: bpy.types.Image, clip: SourceClip
) -> None:
    """Fill holes with magenta checks, but with the movie where the view's ray is the source
    camera's own: seen from there nothing is disoccluded, and the plate stays whole.

    The Solid view, which has no rays, always shows magenta.
    """
    tree = enable_nodes(material)
    material.diffuse_color = _HOLE_COLORS[0]
    checks = tree.nodes.new("ShaderNodeTexChecker")
    checks.inputs["Scale"].default_value = _CHECKS
    checks.inputs["Color1"].default_value, checks.inputs["Color2"].default_value = _HOLE_COLORS
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(coordinates.outputs["UV"], checks.inputs["Vector"])
    texture = _movie_texture(tree, image, clip)
    mix = tree.nodes.new("ShaderNodeMixRGB")
    tree.links.new(_seen_from_source(tree), mix.inputs[0])
    tree.links.new(checks.outputs["Color"], mix.inputs[1])
    tree.links.new(texture.outputs["Color"], mix.inputs[2])
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(mix.outputs[0], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    tree.nodes.active = checks  # no image: the Solid view then takes diffuse_color


def _movie_texture(
    tree: bpy.types.NodeTree, image: bpy.types.Image, clip: SourceClip
) -> bpy.types.ShaderNodeTexImage:
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.extension = "EXTEND"
    tree.animation_data_clear()
    show_frames(
        texture,
        first_frame=clip.first_frame,
        n_frames=clip.n_frames,
        start=clip.start,
        stride=clip.stride,
    )
    return texture


def _seen_from_source(tree: bpy.types.NodeTree) -> bpy.types.NodeSocket:
    """1 where the ray to the eye runs through the source camera (the object's origin), else 0."""
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    item = tree.nodes.new("ShaderNodeObjectInfo")
    way = tree.nodes.new("ShaderNodeVectorMath")
    way.operation = "SUBTRACT"
    tree.links.new(item.outputs["Location"], way.inputs[0])
    tree.links.new(geometry.outputs["Position"], way.inputs[1])
    direction = tree.nodes.new("ShaderNodeVectorMath")
    direction.operation = "NORMALIZE"
    tree.links.new(way.outputs["Vector"], direction.inputs[0])
    cosine = tree.nodes.new("ShaderNodeVectorMath")
    cosine.operation = "DOT_PRODUCT"
    tree.links.new(direction.outputs["Vector"], cosine.inputs[0])
    tree.links.new(geometry.outputs["Incoming"], cosine.inputs[1])
    fade = tree.nodes.new("ShaderNodeMapRange")
    fade.inputs["From Min"].default_value, fade.inputs["From Max"].default_value = (
        _OTHER_RAY,
        _SAME_RAY,
    )
    tree.links.new(cosine.outputs["Value"], fade.inputs["Value"])
    return fade.outputs["Result"]
