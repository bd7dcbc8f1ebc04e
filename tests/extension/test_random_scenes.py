"""Every operator, in random scenes: nothing differs afterwards but what its documentation says.

Documentation opens a browser and Move Beside has files of an unsaved scene to move (test_unsaved).
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.extension.artists_scene import dress
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender

SOME = 4  # frames
STRIPS = ("strips", "strips_all", "sequences", "sequences_all")
LISTS = tuple(f"{name}#" for name in (*STRIPS, "objects", "children", "collection_children"))


class Scene:
    """A random scene with a mesh and a take. An operation is allowed to change the paths of the
    dump that it returns, in front; `creates`: it makes new things beside."""

    def __init__(self, addon):
        self.addon, self.ops = addon, addon.bpy.ops.ex4d
        self.settings = f"scenes[{addon.bpy.context.scene.name}].ex4d"

    @property
    def shot(self):
        return self.addon.shot

    def moves(self, item):
        """The paths of an object's own motion."""
        own = f"objects[{item.name}]"
        motion = ("location", "rotation", "matrix_", "animation_data", "dimensions", "bound_box")
        action = item.animation_data and item.animation_data.action
        return [f"{own}.{word}" for word in motion] + (
            [f"actions[{action.name}]"] if action else []
        )

    def made(self):
        """What Reconstruct has made in this scene and will set anew."""
        parts = self.addon.part("mesh.shot_parts").parts_of(self.addon.bpy.context.scene)
        found = next((part for part in parts if part.mesh == self.shot.mesh), None)
        if found is None:  # another scene shows it, too: this one gets its own
            return
        items = [item for item in (found.mesh, found.source_camera) if item is not None]
        for item in items:
            yield f"objects[{item.name}]"
            yield f"{'meshes' if item.type == 'MESH' else 'cameras'}[{item.data.name}]"
            for block in (item, item.data):
                if block.animation_data and block.animation_data.action:
                    yield f"actions[{block.animation_data.action.name}]"
        for slot in found.mesh.material_slots:
            yield f"materials[{slot.material.name}]"
        for modifier in found.mesh.modifiers:
            if modifier.type == "NODES":
                yield f"node_groups[{modifier.node_group.name}]"
                sockets = [node.inputs.get("Image") for node in modifier.node_group.nodes]
                yield from (f"images[{s.default_value.name}]" for s in sockets if s is not None)

    def strips(self, name):
        """The paths of strips whose names begin so."""
        editor = self.settings.removesuffix("ex4d") + "sequence_editor"
        return [f"{editor}.{kind}[{name}" for kind in STRIPS]

    def take(self):
        return self.shot.takes[self.shot.active_take]


def connect(on):
    on.ops.connect()
    return []


def copy_public_key(on):
    on.ops.copy_public_key()
    return []


def show_shot(on):
    on.ops.show_shot()
    return []


def look_through(on):
    on.ops.look_through()
    return []


def open_clip(on):
    assert on.ops.open_clip(filepath=str(SHOT / "input.mp4")) == {"FINISHED"}
    return [on.settings]


def open_depth(on):
    assert on.ops.open_depth(filepath=str(SHOT / "depth.npz")) == {"FINISHED"}
    return [f"{on.settings}.depth"]


def use_depth(on):
    assert on.ops.use_depth(path=str(SHOT / "depth.npz")) == {"FINISHED"}
    return [f"{on.settings}.depth"]


def import_camera(on):
    assert on.ops.import_camera(filepath=str(SHOT / "camera.npz")) == {"FINISHED"}
    return [on.settings]


def apply_preset(on):
    camera = on.shot.camera
    before = on.moves(camera)
    assert on.ops.apply_preset(preset="30") == {"FINISHED"}
    return [*before, *on.moves(camera), on.settings]


def reconstruct(on):
    made = list(on.made())
    on.shot.num_frames = SOME
    assert on.ops.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    return [*made, on.settings, f"{on.settings.removesuffix('.ex4d')}['ex4d_parts']"]


def render(on):
    assert on.ops.render(wait=True) == {"FINISHED"}
    return [f"{on.settings}.takes", f"{on.settings}.active_take"]


def take_conditions(on):
    assert on.ops.take_conditions() == {"FINISHED"}
    return [f"{on.settings}.takes", *on.strips(f"{on.take().name} ")]


def take_reuse(on):
    assert on.ops.take_reuse() == {"FINISHED"}
    return [on.settings]


def take_remove_and_in(on):
    folder = on.addon.bpy.path.abspath(on.take().folder)
    named = on.take().name
    assert on.ops.take_remove() == {"FINISHED"}
    assert on.ops.take_in(directory=folder) == {"FINISHED"}
    return [f"{on.settings}.takes", f"{on.settings}.active_take", *on.strips(named)]


def cancelled(on):
    """A reconstruction that was begun and cancelled."""
    assert on.ops.reconstruct(set_scene=False) == {"FINISHED"}
    task = on.addon.tasks[-1]
    assert on.ops.cancel(key=task.request.key) == {"FINISHED"}
    on.addon.until(lambda: task.over, "the end of what was cancelled")
    return task


def cancel_and_dismiss(on):
    assert on.ops.dismiss(key=cancelled(on).request.key) == {"FINISHED"}
    return [f"{on.settings}.starts_at"]


def retry(on):
    made = list(on.made())
    assert on.ops.retry(key=cancelled(on).request.key) == {"FINISHED"}
    task = on.addon.tasks[-1]
    on.addon.until(lambda: task.over, "the second try's end")
    assert task.state.value == "done", task.text
    return [*made, on.settings, f"{on.settings.removesuffix('.ex4d')}['ex4d_parts']"]


def place_here(on):
    """The take of a scene that is gone comes into this one."""
    bpy = on.addon.bpy
    window, scene = bpy.context.window, bpy.context.scene
    bpy.ops.scene.new(type="LINK_COPY")
    assert on.ops.render() == {"FINISHED"}
    task, gone = on.addon.tasks[-1], window.scene
    window.scene = scene
    bpy.data.scenes.remove(gone)
    on.addon.until(lambda: task.state.value == "held", "a result without a place")
    assert on.ops.place_here(key=task.request.key) == {"FINISHED"}
    on.addon.until(lambda: task.over, "its place")
    assert task.state.value == "done", task.text
    return [f"{on.settings}.takes", f"{on.settings}.active_take"]


def clean_up(on):
    assert on.ops.clean_up() == {"FINISHED"}
    return []


OPERATIONS = (connect, copy_public_key, show_shot, look_through, open_clip, open_depth, use_depth)
OPERATIONS += (import_camera, apply_preset, render, take_conditions, take_conditions, take_reuse)
OPERATIONS += (take_remove_and_in, cancel_and_dismiss, reconstruct, clean_up, render)
OPERATIONS += (retry, place_here)
MAKERS = (import_camera, reconstruct, render, take_conditions, take_reuse, take_remove_and_in)
MAKERS += (retry, place_here)


def strange(before, after, allowed, *, creates):
    """The paths that differ and should not."""
    from tests.blender_addon.dumps import changed

    old, new = ({path for path in state if path.endswith("]")} for state in (before, after))
    names = {path[path.rindex("[") :] for path in new - old}
    for path in changed(before, after):
        is_new = creates and (
            path.endswith(LISTS) or any(name in path for name in names) or path not in before
        )
        if not is_new and not path.startswith(tuple(allowed)):
            yield path


@pytest.mark.parametrize("seed", range(4))
def test_2_an_operator_changes_what_it_says_and_no_more(saved, tmp_path, seed):
    from tests.blender_addon.dumps import dump

    random = np.random.default_rng(seed)
    saved.reconstruct(SOME)
    dress(saved, tmp_path, random)
    on, before = Scene(saved), dump()
    for number, operation in enumerate(OPERATIONS):
        allowed = operation(on)
        after = dump()
        found = sorted(strange(before, after, allowed, creates=operation in MAKERS))
        assert not found, f"{operation.__name__}, number {number}: {found[:30]}"
        before = after
