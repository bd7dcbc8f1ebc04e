"""Around a mesh artists do what they like: an operation changes what it says and no more."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.camera.sampling import sample_camera  # noqa: E402
from extension.blender_addon.presets import preset_path  # noqa: E402

from tests.blender_addon.dumps import changed, dump  # noqa: E402
from tests.blender_addon.rigs import copied, keyed  # noqa: E402

pytestmark = pytest.mark.blender


def dressed(scene, shot, seed):
    """What artists do around a mesh, at random."""
    random = np.random.default_rng(seed)
    stand = bpy.data.objects.new("stand", None)
    scene.collection.objects.link(stand)
    keyed(stand, "location", random.uniform(-1, 1, 3), random.uniform(-1, 1, 3))
    copies = [copied(item, scene, with_data=bool(random.integers(2))) for item in scene.objects]
    for item in (*copies, shot.root, shot.shot_camera):
        item.name = f"mine {random.integers(1000)}"
        item.location = random.uniform(-3, 3, 3)
        if random.random() < 0.5 and item is not shot.root:
            keyed(item, "rotation_euler", random.uniform(-3, 3, 3), random.uniform(-3, 3, 3))
        if random.random() < 0.3:
            item.parent = stand
    for item in copies:
        if item.type == "CAMERA" and random.random() < 0.5:
            scene.timeline_markers.new(item.name, frame=int(random.integers(30))).camera = item
    scene.camera = copies[-1] if copies[-1].type == "CAMERA" else None
    scene.frame_set(int(random.integers(1, 30)))
    return copies


@pytest.fixture(params=range(4))
def dressed_shot(request, scene, small):
    shot = small()[2]
    copies = dressed(scene, shot, request.param)
    return shot, copies


def test_making_it_anew_changes_only_what_was_made(scene, small, dressed_shot):
    shot, copies = dressed_shot
    before = dump()
    small(2)
    ours = {shot.root, shot.root.data, shot.source_camera, shot.source_camera.data}
    allowed = tuple(f"[{block.name}]" for block in ours)
    paths = {path for path in changed(before, dump()) if path in before}
    scenes = {path for path in paths if path.startswith("scenes") and "ex4d_parts" not in path}
    assert not {path for path in scenes if "objects" not in path}
    theirs = {path for path in paths if path.startswith(("objects", "cameras", "actions"))}
    assert not {path for path in theirs if not any(name in path for name in allowed)}
    for copy in copies:
        assert not {path for path in paths if f"[{copy.name}]" in path}


@pytest.mark.parametrize("one_key_a_frame", [True, False])
def test_a_path_changes_only_the_cameras_own_motion(scene, small, dressed_shot, one_key_a_frame):
    shot, _ = dressed_shot
    camera = shot.shot_camera
    before = dump()
    path = preset_path("30", 10, 3.0)
    apply_path(camera, shot.root, path, first_frame=11, one_key_a_frame=one_key_a_frame)
    paths = {path for path in changed(before, dump()) if path in before}
    motion = ("location", "rotation", "matrix_", "animation_data", "dimensions", "bound_box")
    own = f"objects[{camera.name}]"
    strange = {p for p in paths if not (p.startswith(own) and any(word in p for word in motion))}
    action = camera.animation_data.action
    assert not {path for path in strange if not path.startswith(f"actions[{action.name}]")}


def test_sampling_changes_nothing(scene, small, dressed_shot):
    shot, copies = dressed_shot
    copies[0].location.x += 1  # perhaps keyed, perhaps not
    before = dump()
    markers = {"follow_markers": bool(len(scene.timeline_markers))}
    sample_camera(scene, shot.shot_camera, shot.root, range(11, 21), **markers)
    assert not changed(before, dump())
