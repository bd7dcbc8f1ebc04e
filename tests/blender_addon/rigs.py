"""What cameras hang on in artists' scenes, each moving from frame 11 to 18."""

from __future__ import annotations

import bpy
from extension.blender_addon.compat import fcurves_of
from mathutils import Euler

_ENDS = (11, 18)


def add(scene, name, data=None):
    item = bpy.data.objects.new(name, data)
    scene.collection.objects.link(item)
    return item


def keyed(item, path, *values, frames=_ENDS):
    for frame, value in zip(frames, values, strict=True):
        setattr(item, path, value)
        item.keyframe_insert(path, frame=frame)


def dolly(scene):
    item = add(scene, "dolly")
    keyed(item, "location", (0, 0, 0), (2, 1, 0))
    keyed(item, "rotation_euler", (0, 0, 0), (0.5, 1, 2))
    item.scale = (3, 3, 3)
    return item


def on_a_moving_object(scene, camera, root):
    camera.parent = dolly(scene)
    camera.matrix_parent_inverse = Euler((0.4, 0.5, 0.6)).to_matrix().to_4x4()


def on_a_bone(scene, camera, root):
    rig = add(scene, "rig", bpy.data.armatures.new("rig"))
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("bone")
    bone.head, bone.tail = (0, 0, 0), (0, 0.5, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.rotation_euler = (0.2, 0.3, 0.4)
    keyed(rig.pose.bones["bone"], "location", (0, 0, 0), (0, 1, 0.5))
    camera.parent, camera.parent_type, camera.parent_bone = rig, "BONE", "bone"


def on_a_vertex(scene, camera, root):
    mesh = bpy.data.meshes.new("stand")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0.5), (0, 1, 0)], [], [(0, 1, 2)])
    stand = add(scene, "stand", mesh)
    keyed(stand, "rotation_euler", (0, 0, 0), (0.3, 0.2, 1))
    camera.parent, camera.parent_type, camera.parent_vertices = stand, "VERTEX_3", (0, 1, 2)


def with_deltas(scene, camera, root):
    camera.delta_location, camera.delta_rotation_euler = (0.5, 0.2, 0), (0.2, 0.3, 0.1)
    camera.delta_rotation_quaternion = Euler((0.1, 0.2, 0.3)).to_quaternion()
    keyed(camera, "delta_location", (0, 0, 0), (1, 2, 3))


def on_the_mesh(scene, camera, root):
    camera.parent = root


def below_a_constraint(scene, camera, root):
    holder = dolly(scene)
    constraint = holder.constraints.new("COPY_ROTATION")
    constraint.target = root
    camera.parent = holder


def with_old_keys(scene, camera, root):
    keyed(camera, "location", (1, 2, 3), (4, 5, 6), frames=(3, 60))
    keyed(camera, "rotation_euler", (1, 2, 3), (2, 2, 2), frames=(3, 60))


def with_the_lens_keyed_first(scene, camera, root):
    """In 4.4 and later camera and lens then share an action, a slot for each."""
    keyed(camera.data, "lens", 30, 40)
    with_old_keys(scene, camera, root)


def constrained(scene, camera, root):
    camera.constraints.new("TRACK_TO").name = "Look"


def driven(scene, camera, root):
    camera.driver_add("location", 0).driver.expression = "frame / 10"


def driven_delta(scene, camera, root):
    camera.driver_add("delta_location", 1).driver.expression = "frame / 10"


def in_the_nla(scene, camera, root):
    with_old_keys(scene, camera, root)
    action, camera.animation_data.action = camera.animation_data.action, None
    camera.animation_data.nla_tracks.new().strips.new("move", 1, action)


def below_a_stretched_parent(scene, camera, root):
    holder = add(scene, "holder")
    holder.scale = (1, 2, 1)
    camera.parent, camera.rotation_euler = holder, (0, 0, 0)


def below_a_sheared_parent(scene, camera, root):
    holder = add(scene, "holder")
    holder.scale = (1, 2, 1)
    holder.rotation_euler = (0.3, 0.4, 0.5)
    arm = add(scene, "arm")
    arm.parent, arm.rotation_euler = holder, (0.5, 0.4, 0.3)
    camera.parent = arm


def below_a_mirrored_parent(scene, camera, root):
    holder = add(scene, "holder")
    holder.scale = (-1, 1, 1)
    camera.parent = holder


def values_of(item):
    return [
        (c.data_path, c.array_index, *p.co) for c in fcurves_of(item) for p in c.keyframe_points
    ]


def copied(item, scene, *, with_data=True):
    copy = item.copy()
    if with_data and item.data is not None:
        copy.data = item.data.copy()
    scene.collection.objects.link(copy)
    return copy
