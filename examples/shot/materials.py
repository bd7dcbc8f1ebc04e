"""Procedural colours for the sample shot. Every surface is a plain diffuse one, so a point has
the same colour from wherever it is seen. Coordinates are the object's own, in metres, and so
stick to what moves.
"""

from __future__ import annotations

import bpy

Colour = tuple[float, float, float]  # linear sRGB


def plaster(name: str, light: Colour, dark: Colour, *, per_m: float = 1.5) -> bpy.types.Material:
    """Make soft blotches between two colours; per_m is how many stand in a metre."""
    material, nodes, links = _diffuse(name)
    coordinates = nodes.new("ShaderNodeTexCoord").outputs["Object"]
    _finish(nodes, links, _blotches(nodes, links, coordinates, light, dark, per_m))
    return material


def masonry(
    name: str,
    colours: tuple[Colour, Colour, Colour],  # two ends of the stones' range, and the joint
    *,
    size_m: tuple[float, float],  # of one stone: along a row, across rows
    plane: str = "XZ",  # which object axes run along a row and across the rows
    joint_m: float = 0.04,
    shift: float = 0.5,  # of every second row, in stones
) -> bpy.types.Material:
    """Make bricks, tiles or planks, each stone of its own tone."""
    material, nodes, links = _diffuse(name)
    coordinates = nodes.new("ShaderNodeTexCoord").outputs["Object"]
    split = nodes.new("ShaderNodeSeparateXYZ")
    join = nodes.new("ShaderNodeCombineXYZ")
    links.new(coordinates, split.inputs[0])
    for slot, axis in zip("XY", plane, strict=True):
        links.new(split.outputs[axis], join.inputs[slot])
    brick = nodes.new("ShaderNodeTexBrick")
    brick.offset = shift
    links.new(join.outputs[0], brick.inputs["Vector"])
    for slot, colour in zip(("Color1", "Color2", "Mortar"), colours, strict=True):
        brick.inputs[slot].default_value = (*colour, 1)
    brick.inputs["Scale"].default_value = 1
    brick.inputs["Mortar Size"].default_value = joint_m / 2
    brick.inputs["Mortar Smooth"].default_value = 0.6
    brick.inputs["Brick Width"].default_value = size_m[0]
    brick.inputs["Row Height"].default_value = size_m[1]
    wear = _blotches(nodes, links, coordinates, (1.12, 1.12, 1.12), (0.72, 0.72, 0.72), 1.8)
    mix = nodes.new("ShaderNodeMix")
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    mix.inputs["Factor"].default_value = 1
    # 6, 7 and output 2 are the colour sockets: the names are shared with the other data types
    links.new(brick.outputs["Color"], mix.inputs[6])
    links.new(wear, mix.inputs[7])
    _finish(nodes, links, mix.outputs[2])
    return material


def segments(name: str, first: Colour, second: Colour, *, count: int) -> bpy.types.Material:
    """Make `count` pairs of coloured segments around the object's z axis, like a beach ball's."""
    material, nodes, links = _diffuse(name)
    coordinates = nodes.new("ShaderNodeTexCoord").outputs["Object"]
    angle = nodes.new("ShaderNodeTexGradient")
    angle.gradient_type = "RADIAL"
    links.new(coordinates, angle.inputs["Vector"])
    times = nodes.new("ShaderNodeMath")
    times.operation = "MULTIPLY"
    times.inputs[1].default_value = count
    links.new(angle.outputs["Fac"], times.inputs[0])
    fraction = nodes.new("ShaderNodeMath")
    fraction.operation = "FRACT"
    links.new(times.outputs[0], fraction.inputs[0])
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.interpolation = "CONSTANT"
    ramp.color_ramp.elements[0].color = (*first, 1)
    ramp.color_ramp.elements[1].color = (*second, 1)
    ramp.color_ramp.elements[1].position = 0.5
    links.new(fraction.outputs[0], ramp.inputs["Fac"])
    _finish(nodes, links, ramp.outputs["Color"])
    return material


def _diffuse(name: str):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes.clear()
    return material, material.node_tree.nodes, material.node_tree.links


def _blotches(nodes, links, coordinates, light: Colour, dark: Colour, per_m: float):
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = per_m
    noise.inputs["Detail"].default_value = 3
    noise.inputs["Roughness"].default_value = 0.55
    links.new(coordinates, noise.inputs["Vector"])
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].position = 0.33
    ramp.color_ramp.elements[1].position = 0.67
    ramp.color_ramp.elements[0].color = (*dark, 1)
    ramp.color_ramp.elements[1].color = (*light, 1)
    links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    return ramp.outputs["Color"]


def _finish(nodes, links, colour) -> None:
    surface = nodes.new("ShaderNodeBsdfDiffuse")
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(colour, surface.inputs["Color"])
    links.new(surface.outputs[0], output.inputs["Surface"])
