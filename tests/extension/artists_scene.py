"""A random scene around a mesh, as artists have them: rigs, copies, a linked file, shared actions,
markers, NLA, collections, strips, other scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["dress"]


def dress(addon: Any, folder: Path, random: np.random.Generator) -> None:
    """Put an artist's things around the mesh of the open scene."""
    bpy, scene = addon.bpy, addon.bpy.context.scene
    _add_linked_rig(bpy, scene, folder / "rig.blend", overridden=random.random() < 0.5)
    _copy_things(bpy, scene, random)
    _add_rig(bpy, scene, random)
    _bind_markers(scene, random)
    _add_strips(addon, scene)
    _add_collections(bpy, scene)
    _add_scene(bpy, random)
    scene.frame_set(int(random.integers(1, 9)))


def _add_linked_rig(bpy: Any, scene: Any, path: Path, *, overridden: bool) -> None:
    """A camera and its keyed stand from another file."""
    rig = bpy.data.collections.new("their rig")
    stand, camera = _empty(bpy, "their stand"), _camera(bpy, "their camera")
    camera.parent = stand
    _key(stand, "location", (0, 0, 0), (1, 1, 0))
    _key(camera.data, "lens", 35, 50)
    for item in (stand, camera):
        rig.objects.link(item)
    bpy.data.libraries.write(str(path), {rig}, fake_user=True)
    for block in (stand, camera, rig):
        bpy.data.batch_remove([block])
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["their rig"]
    linked = wanted.collections[0]
    scene.collection.children.link(linked)
    if overridden:
        linked.override_hierarchy_create(scene, bpy.context.view_layer)


def _copy_things(bpy: Any, scene: Any, random: np.random.Generator) -> None:
    """Copies of all that the add-on made, renamed, moved, some with keys and data of their own."""
    for item in [item for item in scene.objects if item.library is None]:
        copy = item.copy()
        if random.random() < 0.5 and item.data is not None:
            copy.data = item.data.copy()
        if copy.animation_data and copy.animation_data.action and random.random() < 0.5:
            copy.animation_data.action = copy.animation_data.action.copy()
        scene.collection.objects.link(copy)
        copy.name = f"mine {random.integers(1000)}"
        copy.location = random.uniform(-3, 3, 3)
        if random.random() < 0.5:
            _key(copy, "rotation_euler", random.uniform(-3, 3, 3), random.uniform(-3, 3, 3))


def _add_rig(bpy: Any, scene: Any, random: np.random.Generator) -> None:
    """A camera with one action for itself and its lens, below an armature in the NLA."""
    camera, rig = _camera(bpy, "rigged"), bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    for item in (camera, rig):
        scene.collection.objects.link(item)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("bone")
    bone.head, bone.tail = (0, 0, 0), (0, 0.5, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    _key(rig.pose.bones["bone"], "location", (0, 0, 0), (0, 1, 0.5))
    action, rig.animation_data.action = rig.animation_data.action, None
    rig.animation_data.nla_tracks.new().strips.new("walk", 1, action)
    camera.parent, camera.parent_type, camera.parent_bone = rig, "BONE", "bone"
    _key(camera.data, "lens", 30, 40)
    _key(camera, "location", (1, 2, 3), random.uniform(-3, 3, 3))
    if random.random() < 0.5:
        camera.constraints.new("TRACK_TO").target = scene.objects[0]


def _bind_markers(scene: Any, random: np.random.Generator) -> None:
    cameras = [item for item in scene.objects if item.type == "CAMERA"]
    for place, camera in enumerate(random.permutation(np.array(cameras))[:2]):
        if random.random() < 0.6:
            scene.timeline_markers.new(f"cut {place}", frame=1 + 4 * place).camera = camera


def _add_strips(addon: Any, scene: Any) -> None:
    if scene.sequence_editor is None:
        scene.sequence_editor_create()
    held = addon.part("compat").strips_of(scene)
    effect = {"type": "COLOR", "frame_start": 1}
    ends = {"length" if addon.bpy.app.version >= (5, 0, 0) else "frame_end": 20}
    held.new_effect(name="slate", channel=1, **effect, **ends)
    held.new_meta(name="meta", channel=3, frame_start=4)
    scene.sequence_editor.channels[2].mute = True


def _add_collections(bpy: Any, scene: Any) -> None:
    outer, inner = bpy.data.collections.new("set"), bpy.data.collections.new("props")
    scene.collection.children.link(outer)
    outer.children.link(inner)
    inner.objects.link(_empty(bpy, "prop"))
    bpy.context.view_layer.layer_collection.children["set"].children["props"].exclude = True
    world = bpy.data.worlds.new("sky")
    scene.world = world


def _add_scene(bpy: Any, random: np.random.Generator) -> None:
    """Another scene: a copy that shares the objects, a full copy, or an empty one."""
    scene = bpy.context.scene
    bpy.ops.scene.new(type=str(random.choice(["LINK_COPY", "FULL_COPY", "EMPTY"])))
    bpy.context.window.scene = scene


def _empty(bpy: Any, name: str) -> Any:
    return bpy.data.objects.new(name, None)


def _camera(bpy: Any, name: str) -> Any:
    return bpy.data.objects.new(name, bpy.data.cameras.new(name))


def _key(item: Any, path: str, *values: Any) -> None:
    for frame, value in zip((2, 7), values, strict=True):
        setattr(item, path, value)
        item.keyframe_insert(path, frame=frame)
