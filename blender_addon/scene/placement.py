"""Finished results brought into the scene they were made for.

Scenes are found by the id that is saved with them, so undo, File > Open and renaming do no harm.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..errors import NoPlace
from ..jobs.clip_pictures import clip_pictures
from ..jobs.flows import FinishedMesh, FinishedTake
from ..jobs.requests import ReconstructRequest, RenderRequest
from ..jobs.solved_camera import SolvedCamera
from ..mesh.shot_start import inside_text
from ..mesh.surroundings import show_surroundings
from ..mesh.viewport import show_shot
from ..project.clip_source import remember_source
from ..project.folders import mesh_name_of
from ..project.played_pictures import play_pictures
from ..project.start_objects import hide_start_cube
from ..takes.take_placement import ArrivedTakes, place_take
from .scene_import import ShotSettings, import_shot
from .scene_parts import set_scene_parts

if TYPE_CHECKING:
    from ..jobs.requests import Request

__all__ = ["Placement"]

_PLATE = "Blender would show it otherwise: the mesh wears the frames that the server read."
_ELSEWHERE = "Made for a scene that is not open. Open its file, or place it here."


class Placement:
    """Finds scenes and fills them. Belongs to one session of Blender."""

    def __init__(self) -> None:
        self._session_uids: dict[str, int] = {}  # of Blender's session: whose each id is
        self.arrived = ArrivedTakes(self.scene_of)

    def own_id_of(self, scene: bpy.types.Scene) -> str:
        """The id that a scene has or had; empty where it has none, or that of the scene that it
        was copied from. Changes nothing."""
        uid, own = scene.session_uid, str(scene.ex4d.scene_id)
        known = next((i for i, owner in self._session_uids.items() if owner == uid), "")
        others = {other.session_uid for other in bpy.data.scenes if other.ex4d.scene_id == own}
        is_copy = own and self._session_uids.get(own, uid) != uid and len(others) > 1
        return own if own and not is_copy else known

    def scene_id_of(self, scene: bpy.types.Scene) -> str:
        """The id of a scene, a new one where it has none of its own."""
        own = self.own_id_of(scene) or uuid.uuid4().hex
        if scene.ex4d.scene_id != own:
            scene.ex4d.scene_id = own
        self._session_uids[own] = scene.session_uid
        return own

    def scene_of(self, scene_id: str) -> bpy.types.Scene:
        """The scene of an id. Raises NoPlace when it is not in the open file."""
        own = [scene for scene in bpy.data.scenes if scene.library is None]
        uid = self._session_uids.get(scene_id)
        for scene in own:  # an undo may have taken its id away, not this
            if scene.session_uid == uid and scene.ex4d.scene_id in {"", scene_id}:
                scene.ex4d.scene_id = scene_id
                return scene
        for scene in own:
            if scene.ex4d.scene_id == scene_id:
                return scene
        raise NoPlace(_ELSEWHERE)

    def place(self, request: Request, finished: FinishedMesh | FinishedTake) -> str:
        """Bring a result into its scene and return what the artist should know.

        Raises NoPlace while the scene is not open or Blender is not to be disturbed, CacheError,
        MovieError or SequencerError for files that cannot be used.
        """
        if bpy.app.is_job_running("RENDER"):
            raise NoPlace("Blender is rendering; this comes in afterwards.")
        scene = self.scene_of(request.scene_id)
        match request, finished:
            case ReconstructRequest(), FinishedMesh():
                return _place_mesh(scene, request, finished)
            case RenderRequest(), FinishedTake():
                target = self.scene_of(request.sequencer_id)
                self.arrived.add(request, finished)
                return place_take(scene, target, request, finished)
        raise TypeError(f"{type(finished).__name__} does not answer {type(request).__name__}")


def _place_mesh(scene: bpy.types.Scene, request: ReconstructRequest, finished: FinishedMesh) -> str:
    if any(item.mode == "EDIT" for item in scene.objects):
        raise NoPlace("Leave Edit Mode, and the mesh comes in.")
    received = finished.received
    pictures = clip_pictures(Path(request.source.clip))
    movie, frames = Path(request.source.clip), (received.movie_start, received.movie_stride)
    if finished.plate is not None:
        movie, frames = finished.plate, (0, 1)
    solved = request.source.solved_camera
    played = None
    if pictures is not None:
        played = play_pictures(pictures.paths, Path(request.folder) / "plate")
    settings = ShotSettings(
        mesh_name_of(scene, request.source),
        movie,
        request.first_frame,
        *frames,
        SolvedCamera.read(Path(solved)) if solved else None,
        request.set_scene,
        played,
    )
    made = import_shot(scene, received.reconstruction, finished.files, settings)
    remember_source(made.root, request.source, Path(request.folder))
    made.root["ex4d_min_face_angle"] = request.min_face_angle_deg
    made.root["ex4d_radius"] = finished.orbit_radius
    scene.ex4d.mesh = made.root
    if scene.ex4d.camera is None:
        scene.ex4d.camera = made.shot_camera
    show_surroundings(made.shot_camera)
    if not request.set_scene:
        parts = request.set_parts.split(",")
        set_scene_parts(scene, received.reconstruction, request.first_frame, parts)
    if request.set_scene:
        hide_start_cube(scene)
        show_shot(scene)
    _remember("EX-4D Reconstruct")
    notes = [*(f"{note}." for note in received.notes), *made.notes]
    if finished.plate is not None:
        notes.append(_PLATE)
    notes.append(inside_text(scene, made.root))
    return " ".join(note for note in notes if note)


def _remember(message: str) -> None:
    """Make one step of undo of it, as an operator would."""
    if bpy.ops.ed.undo_push.poll():
        bpy.ops.ed.undo_push(message=message)
