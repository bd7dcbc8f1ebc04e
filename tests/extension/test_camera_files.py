"""Camera files come in as cameras that see what the files say, or say in words why not."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender

SOME = 5  # frames
SIZE = (480, 272)


@pytest.fixture
def shot(with_mesh):
    return with_mesh


def rotations(random, count):
    """Random rotations [count, 3, 3], up to half a turn."""
    q, _ = np.linalg.qr(random.normal(size=(count, 3, 3)))
    return q * np.sign(np.linalg.det(q))[:, None, None]


def random_path(seed, count=SOME, *, aspect=1.0):
    """Extrinsics, and intrinsics of a zoom whose lens is shifted."""
    random = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotations(random, count), random.uniform(-3, 3, (count, 3))
    lens = np.zeros((count, 3, 3))
    lens[:, 0, 0] = random.uniform(200, 900, count)
    lens[:, 1, 1] = lens[:, 0, 0] / aspect
    lens[:, :2, 2] = np.array(SIZE) * random.uniform(0.4, 0.6, (count, 2))
    lens[:, 2, 2] = 1
    return poses, lens


def difference_px(extrinsics, intrinsics, others, other_lenses):
    """How far apart two cameras see points that lie in the first one's picture."""
    random = np.random.default_rng(0)
    worst = 0.0
    for one, lens, other, other_lens in zip(
        extrinsics, intrinsics, others, other_lenses, strict=True
    ):
        pixels = random.uniform([0, 0], SIZE, (40, 2))
        rays = np.column_stack([pixels, np.ones(40)]) @ np.linalg.inv(lens).T
        points = rays * random.uniform(1.5, 30, (40, 1))
        between = other @ np.linalg.inv(one)
        seen = (points @ between[:3, :3].T + between[:3, 3]) @ other_lens.T
        worst = max(worst, np.abs(seen[:, :2] / seen[:, 2:] - pixels).max())
    return worst


def take_in(addon, path, kind="AUTO"):
    assert addon.bpy.ops.ex4d.import_camera(filepath=str(path), kind=kind) == {"FINISHED"}


def sampled(addon, camera, root, first=1, size=SIZE):
    frames = range(first, first + SOME)
    sample = addon.part("camera").sample_camera
    return sample(addon.bpy.context.scene, camera, root, frames, size=size)


@pytest.mark.parametrize("seed", range(8))
def test_36_a_new_camera_sees_what_the_file_says(shot, tmp_path, seed):
    poses, lens = random_path(seed)
    path = tmp_path / "move.npz"
    np.savez(path, extrinsics=poses, intrinsics=lens, size=SIZE)
    random, mesh, before = np.random.default_rng(seed), shot.shot.mesh, shot.shot.camera
    mesh.location, mesh.rotation_euler = random.uniform(-3, 3, (2, 3))
    mesh.scale = [random.uniform(0.5, 3)] * 3
    shot.bpy.context.scene.frame_set(3)
    take_in(shot, path)
    assert shot.bpy.context.scene.frame_current == 3
    camera = shot.shot.camera
    assert camera != before
    assert camera.name == "move"
    got = sampled(shot, camera, mesh)
    error = difference_px(poses, lens, got.extrinsics, got.intrinsics)
    print(f"{error:.5f} px")
    assert error <= 0.01


@pytest.mark.parametrize("own_format", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_36_a_source_camera_is_the_solved_one(shot, tmp_path, seed, own_format):
    poses, lens = random_path(seed)
    path = tmp_path / "kitchen" / "source_camera.npz"
    path.parent.mkdir()
    if own_format:
        to_blender = shot.part("axes").blender_from_world_to_camera
        np.savez(path, camera_to_world=to_blender(poses), intrinsics=lens, size=SIZE)
    else:
        np.savez(path, extrinsics=poses, intrinsics=lens, size=SIZE)
    settings, scene = shot.shot, shot.bpy.context.scene
    settings.starts_at = 1001
    before = settings.camera
    take_in(shot, path)
    assert settings.camera == before
    assert settings.solved_camera.name == "kitchen source camera"
    assert settings.solved_start == 1001
    solve = shot.part("camera.source_camera").sample_solved_camera
    got = solve(scene, settings.solved_camera, range(1001, 1001 + SOME), SIZE)
    back = shot.part("axes").world_to_camera_from_blender(got.camera_to_world)
    assert difference_px(poses, lens, back, got.intrinsics) <= 0.01


def test_36_a_hand_held_clip_goes_through_with_its_source_camera(shot, tmp_path):
    """The mesh then moves as the file's camera did, and the take's camera comes in again."""
    random = np.random.default_rng(1)
    poses = np.tile(np.eye(4), (49, 1, 1))
    poses[:, :3, 3] = np.cumsum(random.uniform(-0.02, 0.02, (49, 3)), axis=0)
    with np.load(SHOT / "depth.npz") as arrays:
        lens = arrays["intrinsics"]
    np.savez(tmp_path / "source_camera.npz", extrinsics=poses, intrinsics=lens, size=SIZE)
    bpy, settings = shot.bpy, shot.shot
    settings.start_frame, settings.num_frames, settings.stride = 4, SOME, 2
    take_in(shot, tmp_path / "source_camera.npz", "SOLVED")  # a pose for every frame of the clip
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert bpy.ops.ex4d.apply_preset(preset="30") == {"FINISHED"}
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    camera = settings.camera
    path = bpy.path.abspath(settings.takes[-1].folder) + "/camera.npz"
    with np.load(path) as arrays:
        sent = {name: arrays[name] for name in arrays.files}
    used = poses[4 : 4 + 2 * SOME : 2]
    np.testing.assert_allclose(sent["source_extrinsics"], used @ np.linalg.inv(used[0]), atol=1e-5)
    take_in(shot, path)
    assert settings.camera != camera
    first = shot.part("mesh.shot_start").mesh_start(settings.mesh)
    got = sampled(shot, settings.camera, settings.mesh, first)
    error = difference_px(sent["extrinsics"], sent["intrinsics"], got.extrinsics, got.intrinsics)
    assert error <= 0.01


def test_36_a_file_of_the_used_frames_and_a_step_of_them(shot, tmp_path):
    poses, lens = random_path(3)
    np.savez(tmp_path / "used.npz", extrinsics=poses, intrinsics=lens, size=SIZE)
    settings = shot.shot
    settings.start_frame, settings.stride = 4, 3
    take_in(shot, tmp_path / "used.npz", "SOLVED")
    first = shot.part("mesh.shot_start").first_solved_frame(settings)
    solve = shot.part("camera.source_camera").sample_solved_camera
    frames = range(first, first + 3 * SOME, 3)
    got = solve(shot.bpy.context.scene, settings.solved_camera, frames, SIZE)
    back = shot.part("axes").world_to_camera_from_blender(got.camera_to_world)
    assert difference_px(poses, lens, back, got.intrinsics) <= 0.01


def test_36_without_size_the_lens_is_for_the_picture_whose_middle_it_has(shot, tmp_path):
    poses, _ = random_path(0)
    lens = np.array([[600.0, 0, 480], [0, 600, 272], [0, 0, 1]])
    np.savez(tmp_path / "plain.npz", extrinsics=poses[:, :3], intrinsics=lens)
    take_in(shot, tmp_path / "plain.npz")
    got = sampled(shot, shot.shot.camera, shot.shot.mesh, size=(960, 544))
    assert difference_px(poses, [lens] * SOME, got.extrinsics, got.intrinsics) <= 0.01


def test_36_a_file_without_a_mesh_stands_in_the_world(addon, tmp_path):
    poses, lens = random_path(0)
    np.savez(tmp_path / "move.npz", extrinsics=poses, intrinsics=lens, size=SIZE)
    take_in(addon, tmp_path / "move.npz")
    scene, camera = addon.bpy.context.scene, addon.shot.camera
    for offset in range(SOME):
        scene.frame_set(scene.frame_start + offset)
        expected = addon.part("axes").blender_from_world_to_camera(poses[offset])
        np.testing.assert_allclose(np.array(camera.matrix_world), expected, atol=1e-5)


GOOD = dict(zip(("extrinsics", "intrinsics"), random_path(0), strict=True), size=SIZE)


def changed(name, place, value):
    arrays = {key: np.array(array, np.float64) for key, array in GOOD.items()}
    arrays[name][place] = value
    return arrays


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"intrinsics": GOOD["intrinsics"]}, "no 'extrinsics'"),
        ({"extrinsics": GOOD["extrinsics"]}, "no 'intrinsics'"),
        (changed("extrinsics", (2, 0, 0), np.nan), "Frame 2 of the camera path's extrinsics"),
        (changed("extrinsics", (1, 0, 0), 3.0), "Frame 1"),
        (changed("intrinsics", (3, 0, 0), -1.0), "Frame 3 .*focal length"),
        (changed("intrinsics", (0, 0, 1), 4.0), "skewed"),
        (changed("size", 0, 0), "size must be"),
        ({**GOOD, "extrinsics": GOOD["extrinsics"][0]}, r"must be \[T, 4, 4\]"),
        ({**GOOD, "intrinsics": GOOD["intrinsics"][:2]}, "intrinsics must be"),
        ({**GOOD, "extrinsics": np.array(["a"])}, "must be numbers"),
        ({**GOOD, "extrinsics": np.array([None])}, "no .npz file that can be read"),
        ({"camera_to_world": np.zeros((2, 4, 4)), "intrinsics": np.eye(3)}, "not rigid"),
    ],
)
def test_36_a_bad_file_is_refused_in_one_sentence_and_nothing_changes(
    addon, tmp_path, arrays, words
):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    before = len(addon.bpy.data.objects), len(addon.bpy.data.cameras)
    with pytest.raises(RuntimeError, match=words) as caught:
        addon.bpy.ops.ex4d.import_camera(filepath=str(path))
    assert "bad.npz" in str(caught.value)
    assert (len(addon.bpy.data.objects), len(addon.bpy.data.cameras)) == before
    assert addon.shot.camera is None


def test_36_what_is_no_npz_is_refused(addon, tmp_path):
    good = io.BytesIO()
    np.savez_compressed(good, **GOOD)
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("extrinsics.npy", bytes(1 << 29))
    cases = {
        "empty": b"",
        "text": b"hello",
        "cut": good.getvalue()[:-40],
        "damaged": good.getvalue()[:200] + bytes(100) + good.getvalue()[300:],
        "huge": huge.getvalue(),
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match=f"{name}.npz") as caught:
            addon.bpy.ops.ex4d.import_camera(filepath=str(path))
        assert "Traceback" not in str(caught.value)
    with pytest.raises(RuntimeError, match="There is no camera file"):
        addon.bpy.ops.ex4d.import_camera(filepath=str(tmp_path / "none.npz"))
    with pytest.raises(RuntimeError, match="Choose a camera file"):
        addon.bpy.ops.ex4d.import_camera()


def test_36_nothing_else_in_the_file_changes(shot, tmp_path):
    from tests.blender_addon.dumps import changed as differing
    from tests.blender_addon.dumps import dump

    poses, lens = random_path(0)
    np.savez(tmp_path / "move.npz", extrinsics=poses, intrinsics=lens, size=SIZE)
    for kind, chosen in (("NEW", "ex4d.camera"), ("SOLVED", "ex4d.solved")):
        before = dump()
        take_in(shot, tmp_path / "move.npz", kind)
        paths = {path for path in differing(before, dump()) if path in before}
        allowed = (chosen, "ex4d.has_solved_start", "ex4d.solved_given", "objects")
        allowed += ("['ex4d']",)  # before 5.0 all of it is one value, too
        assert not {path for path in paths if not any(word in path for word in allowed)}
        assert not {path for path in paths if path.startswith(("objects[", "cameras["))}


def test_36_poses_that_fit_no_frames_of_the_clip_are_refused(shot, tmp_path):
    poses, lens = random_path(0, 7)
    np.savez(tmp_path / "source_camera.npz", extrinsics=poses, intrinsics=lens, size=SIZE)
    with pytest.raises(RuntimeError, match="7 poses; the clip has 49 frames, of which 5 are used"):
        shot.bpy.ops.ex4d.import_camera(filepath=str(tmp_path / "source_camera.npz"))
    assert shot.shot.solved_camera is None


def test_36_the_panels_offer_it_and_the_source_camera_is_not_folded(shot):
    assert draw(shot, "camera").operators["ex4d.import_camera"].kind == "NEW"
    assert draw(shot, "lens").operators["ex4d.import_camera"].kind == "SOLVED"
    assert "DEFAULT_CLOSED" not in getattr(shot.bpy.types.EX4D_PT_lens, "bl_options", set())
