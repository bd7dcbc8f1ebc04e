"""Where a shot lies in the scene's time: its clip, the camera that was solved for it, its mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compat import fcurves_of

if TYPE_CHECKING:
    import bpy

    from ..scene.properties import Ex4dShot

__all__ = [
    "CACHE_MODIFIER",
    "faster_text",
    "first_frame_of_clip",
    "first_solved_frame",
    "inside_text",
    "mesh_start",
    "moved_text",
    "tracked_start",
    "usual_start",
]

CACHE_MODIFIER = "EX-4D Positions"
_MOVING = ("location", "rotation", "delta_location", "delta_rotation")
_NEAR = 1e-3  # scene units
_BLENDERS_START = 1  # of a clip in the motion tracking


def usual_start(settings: Ex4dShot) -> int:
    """The scene frame of the clip's frame 0, where nobody says another: the scene's first; pictures
    lie where their numbers say."""
    if settings.is_sequence:
        return int(settings.clip_first)
    return int(settings.id_data.frame_start)


def first_frame_of_clip(settings: Ex4dShot) -> int:
    """The scene frame of the first frame that is used: frame k of the clip lies k frames after its
    frame 0."""
    return int(settings.starts_at + settings.start_frame - settings.clip_first)


def first_solved_frame(settings: Ex4dShot) -> int:
    """The scene frame at which the solved camera films the first frame that is used."""
    return int(settings.solved_start + settings.start_frame - settings.clip_first)


def tracked_start(settings: Ex4dShot) -> int:
    """The scene frame at which the solved camera films the clip's frame 0, as far as can be seen.

    A Camera Solver constraint tells it; else a path that is keyed tells it by its first key where
    that is the scene's first frame or after frame 1, at which Blender begins its tracking, as it is
    else taken to have done. A camera without keys is there when the clip is, and that of pictures
    is at their numbers.
    """
    camera, scene = settings.solved_camera, settings.id_data
    if camera is None:
        return int(settings.starts_at)
    clip = _solved_clip(camera, scene)
    if clip is not None:
        return int(clip.frame_start - clip.frame_offset)
    first = None if settings.is_sequence else _first_key(camera)
    if first is None:
        return int(settings.clip_first if settings.is_sequence else settings.starts_at)
    return first if first == scene.frame_start or first > _BLENDERS_START else _BLENDERS_START


def mesh_start(mesh: bpy.types.Object) -> int:
    """The scene frame of a mesh's first frame, also where the artist has moved it in time."""
    cache = mesh.modifiers.get(CACHE_MODIFIER)
    if cache is not None and cache.type == "MESH_CACHE":
        return round(cache.frame_start)
    return int(mesh["ex4d_first_frame"])


def moved_text(mesh: bpy.types.Object) -> str:
    """Where a mesh is that the artist has moved in time, as a sentence; else nothing."""
    first = mesh_start(mesh)
    if first == int(mesh["ex4d_first_frame"]):
        return ""
    last = first + int(mesh["ex4d_n_frames"]) - 1
    return (
        f"The mesh was moved by hand: the camera is sampled at scene frames {first} to {last}. "
        "Its picture and holes move with the next Reconstruct."
    )


def inside_text(scene: bpy.types.Scene, mesh: bpy.types.Object) -> str:
    """That another clip's mesh is at the same place at the same time, as a sentence, or nothing."""
    first, end = _span(mesh)
    for other in scene.objects:
        if other == mesh or "ex4d_source" not in other or not _is_visible(scene, other):
            continue
        other_first, other_end = _span(other)
        apart = (other.matrix_world.translation - mesh.matrix_world.translation).length
        if first < other_end and other_first < end and apart < _NEAR:
            return (
                f"It stands inside of {other.name} at the same frames: hide or move one, or give "
                "it another Starts at Scene Frame."
            )
    return ""


def _is_visible(scene: bpy.types.Scene, item: bpy.types.Object) -> bool:
    """Whether a view layer of the scene shows an object."""
    return any(
        layer.objects.get(item.name) == item and item.visible_get(view_layer=layer)
        for layer in scene.view_layers
    )


def _span(mesh: bpy.types.Object) -> tuple[int, int]:
    first = mesh_start(mesh)
    return first, first + int(mesh["ex4d_n_frames"])


def faster_text(stride: int) -> str:
    """How a clip plays of which not every frame is used, as a sentence."""
    return (
        f"Of every {stride} frames of the clip one is used, for one scene frame: it plays {stride} "
        f"times as fast, unless the scene has 1/{stride} of the clip's rate."
    )


def _solved_clip(camera: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.MovieClip | None:
    """The clip that a Camera Solver constraint of the camera, or of what it hangs on, follows."""
    item = camera
    while item is not None:
        for constraint in item.constraints:
            if constraint.type == "CAMERA_SOLVER" and not constraint.mute:
                return scene.active_clip if constraint.use_active_clip else constraint.clip
        item = item.parent
    return None


def _first_key(camera: bpy.types.Object) -> int | None:
    """The first frame that a key moves the camera at, or what it hangs on."""
    item = camera
    while item is not None:
        frames = [
            curve.keyframe_points[0].co.x
            for curve in fcurves_of(item)
            if len(curve.keyframe_points) > 1 and curve.data_path.startswith(_MOVING)
        ]
        if frames:
            return round(min(frames))
        item = item.parent
    return None
