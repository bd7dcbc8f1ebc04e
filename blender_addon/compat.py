"""What differs between Blender 4.2 and 5.2, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PATH_OPTIONS",
    "all_strips",
    "enable_nodes",
    "fcurves_of",
    "own_action",
    "scene_of_shown_strips",
    "show_in_sequencer",
    "strip_content_frames",
    "strip_content_start",
    "strip_range",
    "strips_held",
    "strips_in",
    "strips_of",
]


# of properties with paths that may be relative to the file; 4.5 and later warn without it
PATH_OPTIONS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


def enable_nodes(material: bpy.types.Material) -> bpy.types.NodeTree:
    """Give a material an empty node tree.

    From 5.0 on every material has one, and the switch only warns.
    """
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    material.node_tree.nodes.clear()
    return material.node_tree


def fcurves_of(datablock: bpy.types.ID) -> Any:
    """The F-curves that animate a datablock, or an empty tuple; `remove` works on them.

    From 4.4 on an action may animate several datablocks, each by a slot of its own; there
    `Action.fcurves` means the first slot's, whoever's that is, and 5.0 took it away.
    """
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return ()
    action = animation.action
    if not hasattr(action, "slots"):
        return action.fcurves
    if animation.action_slot is None:
        return ()
    for layer in action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(animation.action_slot)
            if bag is not None:
                return bag.fcurves
    return ()


def own_action(datablock: bpy.types.ID, *, always: bool = False) -> None:
    """Give a datablock a copy of its action where others are animated by the same curves, or
    always, so that changing them changes nobody else."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return
    action = animation.action
    if not hasattr(action, "slots"):
        if always or action.users - action.use_fake_user > 1:
            animation.action = action.copy()
        return
    slot = animation.action_slot
    if slot is not None and (always or any(user != datablock for user in slot.users())):
        animation.action = action.copy()
        if animation.action_slot is None:
            animation.action_slot = animation.action.slots[slot.identifier]


def strips_of(scene: bpy.types.Scene) -> Any:
    """The strips of a scene's sequencer, which is made when there is none."""
    return strips_held(scene.sequence_editor or scene.sequence_editor_create())


def strips_held(holder: Any) -> Any:
    """The strips that lie in a sequencer or in a meta strip."""
    return holder.strips if hasattr(holder, "strips") else holder.sequences


def strips_in(scene: bpy.types.Scene) -> Any:
    """The strips of a scene's sequencer; an empty tuple when it has none."""
    return strips_of(scene) if scene.sequence_editor is not None else ()


def all_strips(scene: bpy.types.Scene) -> list[tuple[Any, Any]]:
    """Every strip of a scene, those inside of meta strips too, each after the strips that hold it
    (the sequencer's or a meta strip's)."""
    found = []
    waiting = [strips_in(scene)]
    for holder in waiting:
        for strip in holder:
            found.append((holder, strip))
            if strip.type == "META":
                waiting.append(strips_held(strip))
    return found


def strip_range(strip: Any) -> tuple[int, int]:
    """The first scene frame that a strip shows, and the one after its last."""
    if hasattr(strip, "left_handle"):  # 5.2: the older names warn
        return int(strip.left_handle), int(strip.right_handle)
    return int(strip.frame_final_start), int(strip.frame_final_end)


def strip_content_frames(strip: Any) -> int:
    """How many frames the file of a strip holds."""
    if hasattr(strip, "content_duration"):
        return int(strip.content_duration)
    return int(strip.frame_duration)


def strip_content_start(strip: Any) -> int:
    """The scene frame of a strip's first picture, also where its beginning is cut off."""
    if hasattr(strip, "content_start"):  # 5.2: the older name warns
        return int(strip.content_start)
    return int(strip.frame_start)


def scene_of_shown_strips(window: bpy.types.Window) -> bpy.types.Scene:
    """The scene whose strips a window shows: 5.x chooses it per workspace."""
    return getattr(window.workspace, "sequencer_scene", None) or window.scene


def show_in_sequencer(
    scene: bpy.types.Scene, workspaces: Iterable[bpy.types.WorkSpace] | None = None
) -> None:
    """Let workspaces that show no sequencer scene yet show this one. Nothing to do before 5.0."""
    for workspace in bpy.data.workspaces if workspaces is None else workspaces:
        if getattr(workspace, "sequencer_scene", scene) is None:
            workspace.sequencer_scene = scene
