"""What stands where in the sample shot: a sunlit courtyard, a hopping monkey, a rolling ball.

Blender's world: x right, y away from the source camera, z up, metres; the floor is z = 0. The
source camera stands still at (0, 0, 1.6), pitched down a little.
"""

from __future__ import annotations

import math

import bpy
from materials import masonry, plaster, segments
from mathutils import Euler, Matrix, Vector
from shapes import add_object, arcade, ball, box, lathe, monkey, prism

SIZE = (480, 272)  # pixels, width and height
FOCAL_PX = 470.0  # 54 degrees across
N_FRAMES = 49
CAMERA_HEIGHT_M = 1.6
CAMERA_PITCH_DEG = 6.0
SUBJECT_WIDTH_M = 0.88
SUBJECT_FROM_X_M, SUBJECT_TO_X_M, SUBJECT_Y_M = -1.15, 1.5, 5.0
HOP_M, N_HOPS = 0.42, 4
BALL_RADIUS_M = 0.3
BALL_FROM_X_M, BALL_TO_X_M, BALL_Y_M = 2.2, -1.85, 6.45

CREAM, SAND = (0.78, 0.66, 0.48), (0.62, 0.49, 0.33)
OCHRE, SIENNA = (0.80, 0.50, 0.22), (0.62, 0.33, 0.13)
TEAL, DEEP_TEAL = (0.05, 0.36, 0.38), (0.02, 0.22, 0.26)
TERRACOTTA, CLAY = (0.62, 0.22, 0.10), (0.45, 0.14, 0.06)
LEAF, DARK_LEAF = (0.20, 0.42, 0.08), (0.06, 0.20, 0.04)
WHITE, RED, YELLOW, BLUE = (
    (0.8, 0.78, 0.74),
    (0.65, 0.06, 0.05),
    (0.85, 0.52, 0.06),
    (0.1, 0.25, 0.6),
)


class Courtyard:
    """The built scene: call `place(frame)` before each picture."""

    def __init__(self) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        _light(self.scene)
        _walls()
        _furniture()
        self._subject = _subject()
        self._ball = add_object(ball((BALL_RADIUS_M,) * 3), segments("ball", WHITE, RED, count=4))
        self.source = _camera("source")
        self.source.location = (0, 0, CAMERA_HEIGHT_M)
        self.source.rotation_euler = (math.radians(90 - CAMERA_PITCH_DEG), 0, 0)
        self.second = _camera("second")
        self.place(0)

    def place(self, frame: int) -> None:
        """Move what moves to where it is at a frame (0 to N_FRAMES - 1)."""
        part = frame / (N_FRAMES - 1)
        hop = part * N_HOPS % 1
        height = HOP_M * 4 * hop * (1 - hop)
        squash = 1 - 0.10 * math.exp(-((min(hop, 1 - hop) / 0.08) ** 2))
        x = SUBJECT_FROM_X_M + part * (SUBJECT_TO_X_M - SUBJECT_FROM_X_M)
        turn = Euler(
            (0, 0.10 * math.sin(math.tau * N_HOPS / 2 * part), math.radians(-25 + 75 * part))
        )
        self._subject.matrix_world = Matrix.LocRotScale(
            Vector((x, SUBJECT_Y_M, height)), turn, Vector((1, 1, squash))
        )
        x = BALL_FROM_X_M + part * (BALL_TO_X_M - BALL_FROM_X_M)
        self._ball.location = (x, BALL_Y_M, BALL_RADIUS_M)
        self._ball.rotation_euler = (math.radians(25), x / BALL_RADIUS_M, 0)
        bpy.context.view_layer.update()


def _camera(name: str) -> bpy.types.Object:
    data = bpy.data.cameras.new(name)
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = 36
    data.lens = FOCAL_PX * data.sensor_width / SIZE[0]
    camera = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(camera)
    return camera


def _light(scene: bpy.types.Scene) -> None:
    """A low soft sun from behind the camera's right shoulder, and a blue sky."""
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle, sun.color = 4.2, math.radians(4), (1.0, 0.90, 0.76)
    lamp = bpy.data.objects.new("sun", sun)
    lamp.rotation_euler = Vector((0.34, -0.58, 0.74)).to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(lamp)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    sky = scene.world.node_tree.nodes["Background"]
    sky.inputs["Color"].default_value = (0.55, 0.72, 1.0, 1)
    sky.inputs["Strength"].default_value = 0.6


def _walls() -> None:
    """Floor, splayed side walls, an arcade and the brick wall behind it: closed to both cameras."""
    tiles = masonry(
        "floor", ((0.60, 0.36, 0.22), (0.72, 0.52, 0.34), (0.42, 0.33, 0.25)),
        size_m=(0.7, 0.7), plane="XY", joint_m=0.05, shift=0,
    )  # fmt: skip
    add_object(box((16, 18, 0.2), bevel_m=0), tiles, location=(0, 5, -0.2))
    bricks = masonry(
        "bricks", ((0.50, 0.17, 0.09), (0.66, 0.30, 0.17), (0.70, 0.58, 0.46)),
        size_m=(0.62, 0.26), joint_m=0.06,
    )  # fmt: skip
    add_object(box((9, 0.3, 5), bevel_m=0), bricks, location=(0, 10.75, 0))
    stone = masonry("arcade", (CREAM, (0.66, 0.56, 0.42), (0.50, 0.42, 0.32)), size_m=(0.9, 0.42))
    wall = arcade((6.6, 0.45, 4.2), (-1.95, 0, 1.95), opening_m=1.45, spring_m=1.55)
    add_object(wall, stone, location=(0.2, 8.0, 0))
    cornice = plaster("cornice", WHITE, CREAM)
    add_object(box((6.4, 0.65, 0.14)), cornice, location=(0.2, 8.0, 2.62))
    for x in (-2.775, -0.775, 1.175, 3.125):
        add_object(box((0.62, 0.6, 0.3)), cornice, location=(x, 8.0, 0))
    _side_wall((-4.0, 4.4), (-1.9, 10.8), 4.5, plaster("left wall", OCHRE, SIENNA))
    _side_wall((4.9, -1.0), (3.2, 10.8), 3.6, plaster("right wall", CREAM, SAND))


def _side_wall(start, end, height_m: float, material) -> None:
    """A 0.3 m thick wall between two points of the floor, with a plinth."""
    along = Vector(end) - Vector(start)
    turn = (0, 0, math.atan2(along.y, along.x))
    middle = (Vector(start) + Vector(end)) / 2
    add_object(
        box((along.length + 1, 0.3, height_m)), material, location=(*middle, 0), rotation_euler=turn
    )
    plinth = plaster("plinth", (0.5, 0.4, 0.3), (0.36, 0.28, 0.2))
    add_object(
        box((along.length + 1, 0.42, 0.4)), plinth, location=(*middle, 0), rotation_euler=turn
    )


def _furniture() -> None:
    """Pots, crates, a door, shutters and bunting, at three to ten metres."""
    clay = plaster("clay", TERRACOTTA, CLAY, per_m=5)
    leaves = plaster("leaves", LEAF, DARK_LEAF, per_m=9)
    stone = plaster("stone", CREAM, SAND, per_m=3)
    add_object(box((0.5, 0.5, 0.42), bevel_m=0.03), stone, location=(-1.36, 3.05, 0))
    _potted_bush((-1.36, 3.05, 0.42), 0.68, clay, leaves)
    _potted_bush((0.98, 7.2, 0), 1.0, clay, leaves)
    _potted_bush((-0.98, 7.2, 0), 1.0, clay, leaves)
    _potted_bush((3.0, 6.3, 0), 1.25, clay, leaves)
    _potted_bush((0.3, 9.9, 0), 1.3, clay, leaves)
    planks = masonry(
        "crate", ((0.46, 0.27, 0.12), (0.60, 0.38, 0.18), (0.20, 0.11, 0.05)), size_m=(1.5, 0.2)
    )
    for size, x, y, z, turn in (
        (0.8, -2.75, 6.2, 0.0, 24), (0.6, -2.7, 6.25, 0.8, 50), (0.6, -2.3, 7.1, 0.0, -8),
        (0.7, 2.2, 9.6, 0.0, 15),
    ):  # fmt: skip
        add_object(
            box((size,) * 3, bevel_m=0.03), planks,
            location=(x, y, z), rotation_euler=(0, 0, math.radians(turn)),
        )  # fmt: skip
    doors = masonry("door", (TEAL, DEEP_TEAL, (0.01, 0.10, 0.12)), size_m=(3, 0.28), plane="ZX")
    add_object(box((1.1, 0.3, 2.2)), doors, location=(-1.6, 10.6, 0))
    add_object(box((1.0, 0.3, 1.6)), doors, location=(1.95, 10.6, 0.9))
    add_object(
        box((0.85, 0.4, 1.05)), doors, location=(-3.03, 7.1, 1.55),
        rotation_euler=(0, 0, math.atan2(6.4, 2.1)),
    )  # fmt: skip
    _bunting()


def _potted_bush(location, size: float, clay, leaves) -> None:
    """A round bush in a pot; size 1 is a metre high in all."""
    profile = (
        (0, 0), (0.15, 0), (0.22, 0.34), (0.26, 0.34), (0.26, 0.42), (0.22, 0.42), (0.2, 0.36),
        (0, 0.36),
    )  # fmt: skip
    pot = add_object(lathe(profile), clay, location=location, scale=(size,) * 3)
    pot.data.shade_flat()
    centre = Vector(location) + Vector((0, 0, 0.68 * size))
    add_object(ball((0.33, 0.33, 0.33), bumps_m=0.05), leaves, location=centre, scale=(size,) * 3)


def _bunting() -> None:
    """Triangular flags on a sagging line before the arcade."""
    colours = [plaster(f"flag {i}", c, c) for i, c in enumerate((RED, WHITE, BLUE, YELLOW))]
    n_flags, left, right = 17, Vector((-3.1, 7.0, 3.0)), Vector((3.6, 7.0, 3.0))
    for index in range(n_flags):
        part = (index + 0.5) / n_flags
        at = left.lerp(right, part) - Vector((0, 0, 0.5 * 4 * part * (1 - part)))
        slope = 0.5 * 4 * (1 - 2 * part) / (right - left).length
        flag = prism([(-0.2, 0), (0.2, 0), (0.2, -0.05), (0, -0.36), (-0.2, -0.05)], 0.03)
        turn = (math.radians(-8 + 5 * (index % 4)), math.atan(slope), 0)
        add_object(flag, colours[index % 4], location=at, rotation_euler=turn)


def _subject() -> bpy.types.Object:
    """The monkey on a body of its own: an empty on the floor that carries both."""
    root = bpy.data.objects.new("subject", None)
    bpy.context.scene.collection.objects.link(root)
    fur = plaster("fur", (0.72, 0.30, 0.07), (0.50, 0.17, 0.04), per_m=6)
    dark = plaster("dark", (0.05, 0.03, 0.03), (0.03, 0.02, 0.02))
    coat = segments("coat", TEAL, (0.10, 0.45, 0.45), count=9)
    scarf = plaster("scarf", YELLOW, (0.75, 0.40, 0.03), per_m=8)
    mesh, eyes = monkey(SUBJECT_WIDTH_M)
    head = add_object(mesh, fur, location=(0, -0.05, 1.06))
    mesh.materials.append(dark)
    for face in eyes:
        mesh.polygons[face].material_index = 1
    body = lathe(
        ((0, 0.08), (0.2, 0.08), (0.29, 0.14), (0.31, 0.24), (0.28, 0.42), (0.21, 0.62),
         (0.13, 0.80), (0, 0.84))
    )  # fmt: skip
    collar = lathe(((0, 0.72), (0.2, 0.72), (0.235, 0.77), (0.2, 0.83), (0, 0.83)))
    parts = [head, add_object(body, coat), add_object(collar, scarf)]
    for side in (-1, 1):
        foot = ball((0.11, 0.17, 0.08), subdivisions=4)
        parts.append(add_object(foot, dark, location=(side * 0.14, -0.1, 0.08)))
        hand = ball((0.085, 0.085, 0.085), subdivisions=4)
        parts.append(add_object(hand, fur, location=(side * 0.36, -0.08, 0.46)))
    for part in parts:
        part.parent = root
    return root
