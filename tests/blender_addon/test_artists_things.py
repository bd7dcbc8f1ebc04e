"""What an artist copied, edited, moved or shows elsewhere stays when a mesh is made anew."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.mesh.holes import HOLES_MODIFIER  # noqa: E402
from extension.blender_addon.mesh.shot_parts import parts_of  # noqa: E402

from tests.blender_addon.dumps import changed, dump  # noqa: E402
from tests.blender_addon.rigs import copied, keyed, values_of  # noqa: E402

pytestmark = pytest.mark.blender


def shown(root, frame=15, scene=None):
    """The vertices and the holes of a mesh object at a frame."""
    scene = scene or bpy.context.scene
    scene.frame_set(frame)
    layer = scene.view_layers[0]
    layer.update()
    mesh = root.evaluated_get(layer.depsgraph).data
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    slots = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    return vertices, slots


@pytest.mark.parametrize("with_data", [True, False])
def test_a_copy_of_the_source_camera_stays(scene, small, with_data):
    shot = small()[2]
    mine = copied(shot.source_camera, scene, with_data=with_data)
    mine.name, mine.parent, mine.location = "A-cam", None, (2, -4, 1)
    keyed(mine.data, "lens", 85, 50)
    before = values_of(mine.data)
    scene.frame_set(18)
    again = small(2)[2]
    assert again.source_camera.data != mine.data
    assert (mine.parent, tuple(mine.location), mine.data.lens) == (None, (2, -4, 1), 50)
    assert values_of(mine.data) == before


def move(camera):
    camera.location.x = 1


def key(camera):
    keyed(camera, "location", (0, 0, 0), (1, 1, 1))


def constrain(camera):
    camera.constraints.new("COPY_LOCATION")


def widen(camera):
    camera.data.lens *= 0.5


def unparent(camera):
    camera.parent = None


@pytest.mark.parametrize("edit", [move, key, constrain, widen, unparent])
def test_a_source_camera_that_became_the_artists_stays(scene, small, edit):
    mine = small()[2].source_camera
    edit(mine)
    before = dump()
    again = small()[2]
    assert again.source_camera != mine
    touched = {path for path in changed(before, dump()) if f"[{mine.name}]" in path}
    assert not {path for path in touched if path.startswith(("objects", "cameras", "actions"))}


def test_an_untouched_source_camera_is_set_anew(small):
    shot = small()[2]
    shot.source_camera.name = "plate camera"
    shot.source_camera.data.show_passepartout = False
    again = small(2)[2]
    assert again.source_camera == shot.source_camera
    assert not again.source_camera.data.show_passepartout


@pytest.mark.parametrize("with_data", [True, False])
def test_a_copy_of_the_mesh_stays(scene, small, with_data):
    shot = small()[2]
    mine = copied(shot.root, scene, with_data=with_data)
    mine.location = (9, 9, 9)
    before = shown(mine)
    textures = [m.node_tree.nodes["Image Texture"].image_user for m in mine.data.materials]
    clips = [(user.frame_start, user.frame_offset) for user in textures]
    again = small(2, first_frame=101)[2]
    assert again.root == shot.root
    # the copy plays on from a file that was written over; a new one has a folder of its own
    cache = mine.modifiers["EX-4D Positions"]
    assert cache.frame_start == 11
    assert len(mine.data.vertices) == len(before[0]) // 3
    textures = [m.node_tree.nodes["Image Texture"].image_user for m in mine.data.materials]
    assert [(user.frame_start, user.frame_offset) for user in textures] == clips
    assert not set(mine.data.materials) & set(again.root.data.materials)
    holes, others = mine.modifiers[HOLES_MODIFIER], again.root.modifiers[HOLES_MODIFIER]
    assert holes.node_group != others.node_group
    assert not holes.node_group.use_fake_user
    assert tuple(mine.location) == (9, 9, 9)


def test_a_material_of_the_artists_stays_in_its_slot(small):
    shot = small()[2]
    clay = bpy.data.materials.new("clay")
    shot.root.data.materials[0] = clay
    extra = bpy.data.materials.new("extra")
    shot.root.data.materials.append(extra)
    hole = shot.root.data.materials[1]
    again = small(2)[2]
    assert list(again.root.data.materials) == [clay, hole, extra]


@pytest.mark.parametrize("stride", [1, 2])
def test_an_edited_material_stays_and_shows_the_new_frames(small, make_movie, stride):
    shot = small()[2]
    mine = shot.root.data.materials[0]
    tree = mine.node_tree
    gamma = tree.nodes.new("ShaderNodeGamma")
    tree.links.new(tree.nodes["Image Texture"].outputs[0], gamma.inputs[0])
    tree.links.new(gamma.outputs[0], tree.nodes["Emission"].inputs[0])
    movie = make_movie("longer", n_frames=40)
    again = small(2, movie=movie, first_frame=31, movie_start=3, movie_stride=stride)[2]
    assert again.root.data.materials[0] == mine
    assert gamma.outputs[0].is_linked
    texture = tree.nodes["Image Texture"]
    assert texture.image == again.root.data.materials[1].node_tree.nodes["Image Texture"].image
    assert bpy.path.abspath(texture.image.filepath) == str(movie)
    scene = bpy.context.scene
    for frame in (31, 35, 40):
        scene.frame_set(frame)
        hole = again.root.data.materials[1].node_tree.nodes["Image Texture"].image_user
        assert texture.image_user.frame_offset == hole.frame_offset
        assert texture.image_user.frame_start == hole.frame_start == 31


def test_edited_hole_nodes_are_kept(small):
    shot = small()[2]
    mine = shot.root.modifiers[HOLES_MODIFIER].node_group
    mine.nodes.new("GeometryNodeSubdivideMesh")
    n_nodes = len(mine.nodes)
    small(2)
    assert len(mine.nodes) == n_nodes
    assert mine.use_fake_user  # nothing else shows it any more


def test_where_the_artist_has_put_things_they_stay(scene, small):
    shot = small()[2]
    plates = bpy.data.collections.new("plates")
    scene.collection.children.link(plates)
    scene.collection.children.unlink(shot.collection)
    plates.children.link(shot.collection)
    shot.collection.name, shot.root.name = "mine", "my mesh"
    again = small(2)[2]
    assert (again.root, again.collection) == (shot.root, shot.collection)
    assert shot.collection.name not in scene.collection.children
    assert again.root.name == "my mesh"


def test_what_was_deleted_is_not_brought_back_as_it_was(scene, small):
    shot = small()[2]
    shot.root.location = (5, 5, 5)
    bpy.data.batch_remove([shot.root, shot.source_camera])
    again = small()[2]
    assert tuple(again.root.location) == (0, 0, 0)
    assert again.source_camera.parent == again.root


def test_a_mesh_taken_out_of_the_scene_is_not_used_again(scene, small):
    shot = small()[2]
    shot.collection.objects.unlink(shot.root)
    shot.root.use_fake_user = True
    again = small()[2]
    assert again.root != shot.root
    assert [parts.mesh for parts in parts_of(scene)] == [again.root]


def test_another_scene_gets_a_mesh_of_its_own(scene, small):
    shot = small()[2]
    other = bpy.data.scenes.new("two")
    before = dump()
    made = small(2, into=other, first_frame=1001)[2]
    theirs = {path for path in changed(before, dump()) if f"[{shot.root.name}]" in path}
    assert not theirs
    assert made.root != shot.root
    assert made.root.users_scene == (other,)
    assert made.collection != shot.collection


@pytest.mark.parametrize("kind", ["FULL_COPY", "LINK_COPY"])
def test_a_copy_of_a_scene_changes_nothing_in_the_first(scene, small, kind):
    shot = small()[2]
    shot.root.location = (1, 2, 3)
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.scene.new(type=kind)
    copy = bpy.context.window_manager.windows[0].scene
    assert copy != scene
    own = next((parts.mesh for parts in parts_of(copy)), None)
    before = dump()
    made = small(2, into=copy, first_frame=101)[2]
    after = dump()
    for item in (shot.root, shot.root.data, shot.source_camera, shot.collection):
        assert not {path for path in changed(before, after) if f"s[{item.name}]" in path}
    if kind == "FULL_COPY":
        assert made.root == own
        assert tuple(made.root.location) == (1, 2, 3)
    else:
        assert made.root.users_scene == (copy,)


def test_files_of_older_versions_are_known_by_unique_tags(scene, small):
    shot = small()[2]
    del scene["ex4d_parts"]
    assert small(2)[2].root == shot.root
    del scene["ex4d_parts"]
    copied(shot.root, scene)
    assert small(2)[2].root != shot.root  # which of both is not known
