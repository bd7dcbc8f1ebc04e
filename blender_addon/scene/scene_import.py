"""A reconstruction as things in the scene: one animated mesh and two cameras.

They lie in the collection "EX-4D <name>". Importing the same name into the same scene again sets
mesh, materials and source camera anew; the object's transform and the shot camera stay, and so
does all that an artist copied, edited, or shows in another scene.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from ..camera.shot_cameras import keep_still, make_shot_camera, make_source_camera
from ..camera.source_camera import key_root, unkey_root
from ..errors import MovieError
from ..jobs.cache_files import check_cache
from ..mesh.holes import HOLES_MODIFIER, build_hole_nodes
from ..mesh.made_state import is_as_made, note_as_made, tree_state
from ..mesh.material import SourceClip, build_hole_material, build_source_material
from ..mesh.mesh_geometry import fill_mesh
from ..mesh.shot_materials import movie_of, put_materials, replaceable_material
from ..mesh.shot_parts import TAG, ShotParts, new_part, parts_named, remember_parts, users_of
from ..mesh.shot_start import CACHE_MODIFIER
from ..mesh.source_frames import keep_points_sharp
from ..project.movie import load_movie, load_pictures
from ..project.paths import stored_path
from ..project.played_pictures import CODED, LINEAR, holds_light
from .scene_parts import set_scene_parts

if TYPE_CHECKING:
    from pathlib import Path

    from ..jobs.cache_files import CacheFiles
    from ..jobs.reconstruction import Reconstruction
    from ..jobs.solved_camera import SolvedCamera
    from ..project.played_pictures import PlayedPictures

__all__ = ["ImportedShot", "ShotSettings", "import_shot"]

_TIMING = ("rate", "range", "colors")  # the source camera sets the size, with its pixel aspect
_KEPT = (
    "The mesh object keeps its keys, for they were edited: clear them, and it moves with the "
    "solved camera again."
)


@dataclass(frozen=True)
class ShotSettings:
    """How a shot comes into the scene."""

    name: str
    movie: Path  # the source clip; of pictures, what was chosen
    first_frame: int = 1  # scene frame of the clip's first frame
    movie_start: int = 0  # movie frame that the reconstruction begins with
    movie_stride: int = 1  # movie frames from one reconstructed frame to the next
    solved: SolvedCamera | None = None  # the path of the clip's own camera; None: it stood still
    set_scene: bool = False  # rate, range, size and camera of the scene become the clip's
    pictures: PlayedPictures | None = None  # where the clip is a sequence of them


@dataclass(frozen=True)
class ImportedShot:
    """What was made."""

    root: bpy.types.Object  # the mesh; poses are relative to it
    collection: bpy.types.Collection
    source_camera: bpy.types.Object
    shot_camera: bpy.types.Object
    notes: tuple[str, ...] = ()  # what the artist should know


def import_shot(
    scene: bpy.types.Scene,
    reconstruction: Reconstruction,
    files: CacheFiles,
    settings: ShotSettings,
) -> ImportedShot:
    """Build or replace the shot's mesh, materials and cameras.

    Raises CacheError or MovieError before anything of the scene is changed.
    """
    check_cache(files)
    name = settings.name
    clip = _source_clip(settings, reconstruction.n_frames)
    _check_movie(clip, settings)
    known, first_frame = parts_named(scene, name), settings.first_frame
    collection = _collection(scene, known, name)
    root = _mesh_object(known, name, reconstruction, files)
    if known is None:
        collection.objects.link(root)
    _add_modifiers(root, name, files, first_frame)
    _add_materials(root, name, clip, is_sequence=settings.pictures is not None)
    keep_points_sharp(root)
    root["ex4d_name"], root["ex4d_first_frame"] = name, first_frame
    root["ex4d_n_frames"] = reconstruction.n_frames
    notes = _move_root(root, settings)
    cameras = _cameras(scene, known, root, reconstruction, settings)
    for camera in cameras:
        if scene not in camera.users_scene:
            collection.objects.link(camera)
    if settings.set_scene:
        set_scene_parts(scene, reconstruction, first_frame, _TIMING)
        scene.camera = cameras[1]
    remember_parts(scene, ShotParts(name, root, *cameras, collection))
    return ImportedShot(root, collection, *cameras, notes)


def _move_root(root: bpy.types.Object, settings: ShotSettings) -> tuple[str, ...]:
    """Let the mesh object move with the solved camera, or stand."""
    if settings.solved is None:
        unkey_root(root)
    elif not key_root(root, settings.solved, settings.first_frame):
        return (_KEPT,)
    return ()


def _cameras(
    scene: bpy.types.Scene,
    known: ShotParts | None,
    root: bpy.types.Object,
    reconstruction: Reconstruction,
    settings: ShotSettings,
) -> tuple[bpy.types.Object, bpy.types.Object]:
    """The camera that re-shows the plate, and the one to animate."""
    name, first_frame = settings.name, settings.first_frame
    render = scene.render if settings.set_scene else None
    source = make_source_camera(
        known, root, reconstruction, name=name, first_frame=first_frame, render=render
    )
    shot = known.shot_camera if known else None
    if shot is not None:
        keep_still(scene, shot, root, first_frame)
        return source, shot
    return source, make_shot_camera(scene, root, reconstruction, name=name, first_frame=first_frame)


def _source_clip(settings: ShotSettings, n_frames: int) -> SourceClip:
    """What the mesh shows: Blender finds a movie's frame by its place, a picture by its number."""
    path, start = settings.movie, settings.movie_start
    if settings.pictures is not None:
        path, start = settings.pictures.first, settings.pictures.number + start - 1
    return SourceClip(path, n_frames, settings.first_frame, start, settings.movie_stride)


def _check_movie(clip: SourceClip, settings: ShotSettings) -> None:
    needed = settings.movie_start + clip.stride * (clip.n_frames - 1) + 1
    if settings.pictures is not None:
        load_pictures([clip.path])
        if settings.pictures.count < needed:
            raise MovieError(
                f"{settings.movie} has {settings.pictures.count} pictures, the reconstruction "
                f"needs {needed}."
            )
        return
    movie = load_movie(clip.path)
    if movie.n_frames < needed - 1:  # containers are off by one now and then
        raise MovieError(
            f"{clip.path} has {movie.n_frames} frames, the reconstruction needs {needed}."
        )


def _mesh_object(
    known: ShotParts | None, name: str, reconstruction: Reconstruction, files: CacheFiles
) -> bpy.types.Object:
    """The object with its base mesh, the clip's first frame. A mesh that other objects show, too,
    stays theirs."""
    mesh = known.mesh.data if known else None
    if mesh is None or users_of(mesh) > 1 or mesh.library is not None:
        mesh = new_part("mesh", name, bpy.data.meshes)
        for material in known.mesh.data.materials if known else ():
            mesh.materials.append(material)
    fill_mesh(mesh, files.grid, reconstruction.vertices(0, files.grid))
    root: bpy.types.Object = (
        known.mesh if known else new_part("object", name, bpy.data.objects, mesh)
    )
    root.data = mesh
    return root


def _collection(scene: bpy.types.Scene, known: ShotParts | None, name: str) -> Any:
    """Where new objects go: the shot's own collection, or where the artist has put its mesh."""
    if known is not None:
        return known.collection or known.mesh.users_collection[0]
    collection = new_part("collection", name, bpy.data.collections)
    scene.collection.children.link(collection)
    return collection


def _add_modifiers(root: bpy.types.Object, name: str, files: CacheFiles, first_frame: int) -> None:
    cache = root.modifiers.get(CACHE_MODIFIER)
    cache = cache or next((m for m in root.modifiers if m.type == "MESH_CACHE"), None)
    if cache is None:
        cache = root.modifiers.new(CACHE_MODIFIER, "MESH_CACHE")
        cache.cache_format, cache.interpolation, cache.deform_mode = "PC2", "NONE", "OVERWRITE"
    cache.filepath, cache.frame_start = stored_path(files.positions), first_frame
    holes = root.modifiers.get(HOLES_MODIFIER) or root.modifiers.new(HOLES_MODIFIER, "NODES")
    group = before = holes.node_group
    if before is None or users_of(before) > 1 or not is_as_made(before, tree_state(before)):
        group = new_part("holes", name, bpy.data.node_groups, "GeometryNodeTree")
        if before is not None and users_of(before) == 1:
            before.use_fake_user = True  # an artist has edited it
    masks = _image("holes", name, files.masks[0], _masks_of(group))
    masks.source = "SEQUENCE"
    masks.colorspace_settings.name = "Non-Color"
    build_hole_nodes(group, masks, first_frame=first_frame, n_frames=files.n_frames)
    note_as_made(group, tree_state(group))
    holes.node_group = group


def _masks_of(group: bpy.types.NodeTree) -> bpy.types.Image | None:
    """The pictures that a group looks holes up in, if nothing else shows them."""
    for node in group.nodes:
        image = node.inputs["Image"].default_value if "Image" in node.inputs else None
        if image is not None and users_of(image) == 1 and image.library is None:
            return image
    return None


def _image(part: str, name: str, path: Path, before: bpy.types.Image | None) -> bpy.types.Image:
    """The shot's image of a part, showing `path` as it now is on disk."""
    if before is not None:
        before.filepath = stored_path(path)
        before.reload()
        return before
    image = bpy.data.images.load(stored_path(path), check_existing=False)
    image.name, image[TAG] = f"EX-4D {name[:40]} {part.title()}", f"{part}:{name}"
    return image


def _add_materials(
    root: bpy.types.Object, name: str, clip: SourceClip, *, is_sequence: bool
) -> None:
    before = [replaceable_material(root, place) for place in (0, 1)]
    movie = _image("movie", name, clip.path, movie_of(*before))
    movie.source = "SEQUENCE" if is_sequence else "MOVIE"
    if is_sequence:
        with suppress(TypeError):  # another configuration of colours lacks the name
            movie.colorspace_settings.name = LINEAR if holds_light(clip.path) else CODED
    source = before[0] or new_part("source", name, bpy.data.materials)
    hole = before[1] or new_part("hole", name, bpy.data.materials)
    build_source_material(source, movie, clip)
    build_hole_material(hole, movie, clip)
    put_materials(root, (source, hole))
