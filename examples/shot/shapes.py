"""Closed meshes the sample shot is built of: boxes, lathed things, a wall with arches, flags.
All lengths are metres, z is up. Closed, so that the back of a thing is hidden by the thing.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import bmesh
import bpy
from mathutils import Matrix, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float, float]


def add_object(mesh: bpy.types.Mesh, material: bpy.types.Material, **placing) -> bpy.types.Object:
    """Put a mesh into the scene; `placing` sets object properties such as location."""
    thing = bpy.data.objects.new(material.name, mesh)
    mesh.materials.append(material)
    bpy.context.scene.collection.objects.link(thing)
    for key, value in placing.items():
        setattr(thing, key, value)
    return thing


def box(size: Point, *, bevel_m: float = 0.015) -> bpy.types.Mesh:
    """Make a box standing on z = 0, centred in x and y, with bevelled edges."""
    build = bmesh.new()
    bmesh.ops.create_cube(build, size=1)
    bmesh.ops.scale(build, vec=size, verts=build.verts)
    bmesh.ops.translate(build, vec=(0, 0, size[2] / 2), verts=build.verts)
    if bevel_m:
        bmesh.ops.bevel(
            build, geom=build.edges[:], offset=bevel_m, segments=2, affect="EDGES", profile=0.5
        )
    return _to_mesh(build, smooth=False)


def ball(radius: Point, *, bumps_m: float = 0.0, subdivisions: int = 4) -> bpy.types.Mesh:
    """Make an ellipsoid of three radii; bumps_m lets its surface wave, as a clipped bush does."""
    build = bmesh.new()
    bmesh.ops.create_icosphere(build, subdivisions=subdivisions, radius=1)
    for vertex in build.verts:
        p = vertex.co
        wave = math.sin(9 * p.x + 4 * p.z) * math.sin(8 * p.y - 3 * p.x) * math.sin(9 * p.z)
        vertex.co = Vector(r * c for r, c in zip(radius, p, strict=True)) + p * bumps_m * wave
    return _to_mesh(build, smooth=True)


def lathe(
    profile: Sequence[tuple[float, float]],  # (radius, height) from bottom to top
    *,
    segments: int = 64,
) -> bpy.types.Mesh:
    """Turn a profile about z. A first and last radius of 0 closes the shape."""
    build = bmesh.new()
    vertices = [build.verts.new((radius, 0, height)) for radius, height in profile]
    edges = [build.edges.new(pair) for pair in itertools.pairwise(vertices)]
    bmesh.ops.spin(
        build,
        geom=vertices + edges,
        axis=(0, 0, 1),
        cent=(0, 0, 0),
        angle=math.tau,
        steps=segments,
        use_merge=True,
    )
    bmesh.ops.remove_doubles(build, verts=build.verts, dist=1e-5)
    bmesh.ops.recalc_face_normals(build, faces=build.faces)
    return _to_mesh(build, smooth=True)


def arcade(
    size: Point,  # length along x, thickness along y, height
    centres_x: Sequence[float],
    *,
    opening_m: float,
    spring_m: float,  # height where the round part begins
) -> bpy.types.Mesh:
    """Make a wall with round-headed openings, standing on z = 0 and centred in x and y."""
    half = opening_m / 2
    outline = [(-size[0] / 2, 0.0)]
    for x in centres_x:
        arch = [math.pi * (1 - step / 32) for step in range(33)]
        outline.append((x - half, 0.0))
        outline += [(x + half * math.cos(a), spring_m + half * math.sin(a)) for a in arch]
        outline.append((x + half, 0.0))
    outline += [(size[0] / 2, 0.0), (size[0] / 2, size[2]), (-size[0] / 2, size[2])]
    return prism(outline, size[1])


def prism(outline: Sequence[tuple[float, float]], thickness_m: float) -> bpy.types.Mesh:
    """Make a slab from an outline in x and z, centred in y."""
    build = bmesh.new()
    face = build.faces.new([build.verts.new((x, -thickness_m / 2, z)) for x, z in outline])
    grown = bmesh.ops.extrude_face_region(build, geom=[face], use_keep_orig=True)
    new = [item for item in grown["geom"] if isinstance(item, bmesh.types.BMVert)]
    bmesh.ops.translate(build, vec=(0, thickness_m, 0), verts=new)
    bmesh.ops.recalc_face_normals(build, faces=build.faces)
    bmesh.ops.triangulate(build, faces=build.faces)
    return _to_mesh(build, smooth=False)


def monkey(width_m: float) -> tuple[bpy.types.Mesh, list[int]]:
    """Make Blender's monkey, smooth, and say which of its faces are the eyes."""
    build = bmesh.new()
    bmesh.ops.create_monkey(build, matrix=Matrix.Scale(width_m / 2.73, 4))
    mesh = _to_mesh(build, smooth=True)
    thing = bpy.data.objects.new("monkey", mesh)
    bpy.context.scene.collection.objects.link(thing)
    thing.modifiers.new("smooth", "SUBSURF").levels = 3
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    smooth = bpy.data.meshes.new_from_object(evaluated)
    bpy.data.objects.remove(thing)
    return smooth, _eye_faces(smooth)


def _eye_faces(mesh: bpy.types.Mesh) -> list[int]:
    """List the faces of every connected part but the largest."""
    build = bmesh.new()
    build.from_mesh(mesh)
    parts, seen = [], set()
    for start in build.faces:
        if start in seen:
            continue
        part, stack = [], [start]
        seen.add(start)
        while stack:
            face = stack.pop()
            part.append(face.index)
            near = {other for edge in face.edges for other in edge.link_faces} - seen
            seen |= near
            stack += near
        parts.append(part)
    build.free()
    return [index for part in sorted(parts, key=len)[:-1] for index in part]


def _to_mesh(build: bmesh.types.BMesh, *, smooth: bool) -> bpy.types.Mesh:
    for face in build.faces:
        face.smooth = smooth
    mesh = bpy.data.meshes.new("shape")
    build.to_mesh(mesh)
    build.free()
    return mesh
