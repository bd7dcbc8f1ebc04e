"""A finished take put into a scene: its strip, and its line in the list of takes.

That it arrives is no step of undo: it is nothing that the artist did. What an undo takes away with
the step before it comes back at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..compat import scene_of_shown_strips
from ..errors import AddonError
from ..jobs.requests import render_request_from, stored
from ..jobs.take_files import write_take
from ..project.file_paths import change_texts
from ..project.paths import stored_path
from .sequencer_views import show_new_strip
from .strip_insertion import Take, insert_take

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..jobs.flows import FinishedTake
    from ..jobs.requests import RenderRequest

__all__ = ["ArrivedTakes", "place_take"]


def place_take(
    scene: bpy.types.Scene,
    target: bpy.types.Scene,  # gets the strip
    request: RenderRequest,
    finished: FinishedTake,
) -> str:
    """Bring a take into the sequencer and the list, and return what the artist should know.
    Raises MovieError or SequencerError, and changes nothing then."""
    summary = finished.summary
    take = Take(
        finished.movie,
        request.label,
        finished.job_id,
        summary.seed,
        summary.engine,
        summary.n_frames,
        summary.size,
    )
    active = target.sequence_editor.active_strip if target.sequence_editor else None
    inserted = insert_take(target, take, request.frame_start)
    with suppress(OSError):  # it can then not be taken in again, no more
        write_take(request, finished.job_id)
    item = scene.ex4d.takes.add()
    item.name, item.folder, item.job_id = (
        request.label,
        stored_path(request.folder),
        finished.job_id,
    )
    item.request = json.dumps(stored(request))
    item.engine, item.seed = summary.engine, str(summary.seed)
    item.coverage, item.quality = summary.coverage, request.quality
    notes = (*inserted.notes, *_seen_elsewhere(target), *(f"{note}." for note in summary.notes))
    item.note = " ".join(notes)
    selected = inserted.strip.select
    scene.ex4d.active_take = len(scene.ex4d.takes) - 1  # which selects it
    inserted.strip.select, target.sequence_editor.active_strip = selected, active
    show_new_strip(target, inserted.strip)
    return str(item.note)


class ArrivedTakes:
    """The takes that came in this session of Blender, which an undo must not lose."""

    def __init__(self, scene_of: Callable[[str], bpy.types.Scene]) -> None:
        self._scene_of = scene_of
        self._known: dict[str, tuple[RenderRequest, FinishedTake]] = {}  # by job
        self._removed: set[str] = set()

    def add(self, request: RenderRequest, finished: FinishedTake) -> None:
        """Take note of one that comes in."""
        self._known[finished.job_id] = request, finished
        self._removed.discard(finished.job_id)

    def remove(self, job_id: str) -> None:
        """Take note that the artist has taken one out."""
        self._removed.add(job_id)

    def move(self, moved: Callable[[str], str]) -> None:
        """Take note that files have moved; `moved` tells where a path leads now."""
        for job_id, (request, finished) in self._known.items():
            there = render_request_from(change_texts(stored(request), moved))
            movie = Path(moved(str(finished.movie)))
            self._known[job_id] = there, replace(finished, movie=movie)

    def bring_back(self) -> None:
        """Place again what an undo has taken away, in the scenes that are open."""
        for job_id, (request, finished) in self._known.items():
            try:
                scene = self._scene_of(request.scene_id)
                target = self._scene_of(request.sequencer_id)
            except AddonError:
                continue  # another file is open
            if any(take.job_id == job_id for take in scene.ex4d.takes):
                self._removed.discard(job_id)  # an undo may have brought it back
            elif job_id not in self._removed:
                with suppress(AddonError):  # its files are gone
                    place_take(scene, target, request, finished)


def _seen_elsewhere(scene: bpy.types.Scene) -> list[str]:
    """That a window shows the strips of another scene, as a sentence (5.x)."""
    for window in bpy.context.window_manager.windows:
        shown = scene_of_shown_strips(window)
        if window.scene == scene and shown != scene:
            return [
                f"The strip is in the scene {scene.name}; the sequencer shows {shown.name}: "
                "choose the scene there."
            ]
    return []
