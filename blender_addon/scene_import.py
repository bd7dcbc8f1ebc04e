"""A reconstruction as things in the scene: one animated mesh and two cameras.

They lie in the collection "EX-4D <name>". Importing the same name again replaces mesh, materials
and source camera in place; the object's transform and the shot camera's animation stay.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from .cache_files import check_cache
from .errors import MovieError
from .holes import HOLES_MODIFIER, add_cells, build_hole_nodes
from .material import SourceClip, build_hole_material, build_source_material
from .movie import load_movie, load_pictures
from .paths import stored_path
from .played_pictures import CODED, LINEAR, holds_light
from .source_camera import place_source_camera

if TYPE_CHECKING:
    from pathlib import Path

    from .cache_files import CacheFiles
    from .played_pictures import PlayedPictures
    from .reconstruction import Grid, Reconstruction

__all__ = ["ImportedShot", "ShotSettings", "import_shot", "set_scene_timing"]

_TAG = "ex4d_part"
_CACHE_MODIFIER = "EX-4D Positions"
_LONGEST_NAME = 40  # Blender keeps 63 bytes, and parts add their own words
_NEAR_SHARE, _FAR_FACTOR = 0.02, 4.0  # of the nearest depth and of the border depth


@dataclass(frozen=True)
class ShotSettings:
    """How a shot comes into the scene."""

    name: str
    movie: Path  # the source clip; of pictures, what was chosen
    first_frame: int = 1  # scene frame of the clip's first frame
    movie_start: int = 0  # movie frame that the reconstruction begins with
    movie_stride: int = 1  # movie frames from one reconstructed frame to the next
    set_scene: bool = False  # rate, range, size and camera of the scene become the clip's
    pictures: PlayedPictures | None = None  # where the clip is a sequence of them


@dataclass(frozen=True)
class ImportedShot:
    """What was made."""

    root: bpy.types.Object  # the mesh; poses are relative to it
    collection: bpy.types.Collection
    source_camera: bpy.types.Object
    shot_camera: bpy.types.Object


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
    collection = _part("collection", name, bpy.data.collections)
    if collection.name not in scene.collection.children:
        scene.collection.children.link(collection)
    root = _mesh_object(collection, name, reconstruction, files)
    _add_modifiers(root, name, files, settings.first_frame)
    _add_materials(root, name, clip, is_sequence=settings.pictures is not None)
    cameras = _cameras(root, collection, name, reconstruction, settings)
    root["ex4d_name"], root["ex4d_first_frame"] = settings.name, settings.first_frame
    root["ex4d_n_frames"] = reconstruction.n_frames
    if settings.set_scene:
        set_scene_timing(scene, reconstruction, settings.first_frame)
        scene.camera = cameras[1]
        place_source_camera(
            cameras[0],
            reconstruction.intrinsics,
            reconstruction.size,
            first_frame=settings.first_frame,
            render=scene.render,
        )
    return ImportedShot(root, collection, *cameras)


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


def set_scene_timing(
    scene: bpy.types.Scene, reconstruction: Reconstruction, first_frame: int
) -> None:
    """Give a scene the clip's frame rate and range, and colours that show the movie unchanged."""
    fps = reconstruction.fps
    whole = max(1, round(fps))
    scene.render.fps, scene.render.fps_base = whole, float(whole / fps)
    scene.frame_start = first_frame
    scene.frame_end = first_frame + reconstruction.n_frames - 1
    scene.view_settings.view_transform = "Standard"


def _part(part: str, name: str, collection: Any, *arguments: Any) -> Any:
    """The datablock that plays a part in a shot: found by its tag, or made and tagged.

    Names are the artist's to change, and Blender adds .001 to those that are taken.
    """
    tag = f"{part}:{name}"
    for datablock in collection:
        if datablock.get(_TAG) == tag and datablock.library is None:
            return datablock
    words = {"collection": "", "mesh": " Mesh", "object": " Mesh"}.get(part, f" {part.title()}")
    datablock = collection.new(f"EX-4D {name[:_LONGEST_NAME]}{words}", *arguments)
    datablock[_TAG] = tag
    return datablock


def _mesh_object(
    collection: bpy.types.Collection,
    name: str,
    reconstruction: Reconstruction,
    files: CacheFiles,
) -> bpy.types.Object:
    """The object with its base mesh, the clip's first frame."""
    mesh = _part("mesh", name, bpy.data.meshes)
    mesh.clear_geometry()
    _fill_mesh(mesh, files.grid, reconstruction.vertices(0, files.grid))
    root = _part("object", name, bpy.data.objects, mesh)
    root.data = mesh
    if root.name not in collection.objects:
        collection.objects.link(root)
    return root


def _fill_mesh(mesh: bpy.types.Mesh, grid: Grid, positions: np.ndarray) -> None:
    quads, caps = grid.quads(), grid.caps()
    corners = np.concatenate([quads.ravel(), caps.ravel()])
    starts = np.concatenate([np.arange(len(quads)) * 4, quads.size + np.arange(len(caps)) * 3])
    mesh.vertices.add(grid.n_vertices)
    mesh.vertices.foreach_set("co", positions.ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(starts))
    mesh.polygons.foreach_set("loop_start", starts.astype(np.int32))
    mesh.update(calc_edges=True)
    coordinates = grid.texture_coordinates()[corners]
    coordinates[quads.size :] = coordinates[0]  # caps are holes: one texel of the border
    layer = mesh.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", coordinates.ravel())
    add_cells(mesh, grid)


def _add_modifiers(root: bpy.types.Object, name: str, files: CacheFiles, first_frame: int) -> None:
    cache = root.modifiers.get(_CACHE_MODIFIER)
    cache = cache or root.modifiers.new(_CACHE_MODIFIER, "MESH_CACHE")
    cache.cache_format, cache.filepath = "PC2", stored_path(files.positions)
    cache.frame_start, cache.interpolation = first_frame, "NONE"
    cache.deform_mode = "OVERWRITE"
    masks = _image("holes", name, files.masks[0])
    masks.source = "SEQUENCE"
    masks.colorspace_settings.name = "Non-Color"
    group = _part("holes", name, bpy.data.node_groups, "GeometryNodeTree")
    build_hole_nodes(group, masks, first_frame=first_frame, n_frames=files.n_frames)
    holes = root.modifiers.get(HOLES_MODIFIER) or root.modifiers.new(HOLES_MODIFIER, "NODES")
    holes.node_group = group


def _image(part: str, name: str, path: Path) -> bpy.types.Image:
    """The shot's image of a part, showing `path` as it now is on disk."""
    tag = f"{part}:{name}"
    for image in bpy.data.images:
        if image.get(_TAG) == tag and image.library is None:
            image.filepath = stored_path(path)
            image.reload()
            return image
    image = bpy.data.images.load(stored_path(path), check_existing=False)
    image.name, image[_TAG] = f"EX-4D {name[:_LONGEST_NAME]} {part.title()}", tag
    return image


def _add_materials(
    root: bpy.types.Object, name: str, clip: SourceClip, *, is_sequence: bool
) -> None:
    movie = _image("movie", name, clip.path)
    movie.source = "SEQUENCE" if is_sequence else "MOVIE"
    if is_sequence:
        with suppress(TypeError):  # another configuration of colours lacks the name
            movie.colorspace_settings.name = LINEAR if holds_light(clip.path) else CODED
    source = _part("source", name, bpy.data.materials)
    hole = _part("hole", name, bpy.data.materials)
    build_source_material(source, movie, clip)
    build_hole_material(hole, movie, clip)
    root.data.materials.clear()
    for material in (source, hole):
        root.data.materials.append(material)


def _cameras(
    root: bpy.types.Object,
    collection: bpy.types.Collection,
    name: str,
    reconstruction: Reconstruction,
    settings: ShotSettings,
) -> tuple[bpy.types.Object, bpy.types.Object]:
    """The camera that re-shows the plate, and the one to animate, which begins as its copy."""
    cameras = []
    for part in ("source camera", "shot camera"):
        is_new = not any(item.get(_TAG) == f"{part}:{name}" for item in bpy.data.objects)
        data = _part(part, name, bpy.data.cameras)
        camera = _part(part, name, bpy.data.objects, data)
        if camera.name not in collection.objects:
            collection.objects.link(camera)
        if is_new or part == "source camera":
            camera.parent = root
            place_source_camera(
                camera,
                reconstruction.intrinsics,
                reconstruction.size,
                first_frame=settings.first_frame,
            )
            data.clip_start = _NEAR_SHARE * reconstruction.nearest_depth
            data.clip_end = _FAR_FACTOR * reconstruction.border_depth
        cameras.append(camera)
    return cameras[0], cameras[1]
