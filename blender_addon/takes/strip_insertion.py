"""A result as a movie strip in the Video Sequencer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..compat import (
    show_in_sequencer,
    strip_content_frames,
    strip_range,
    strips_held,
    strips_in,
    strips_of,
)
from ..errors import MovieError, SequencerError
from ..project.movie import load_movie
from ..project.paths import stored_path
from .strip_colors import keep_colors

if TYPE_CHECKING:
    from pathlib import Path

    import bpy

__all__ = ["InsertedStrip", "Take", "insert_take"]

_CHANNELS = 128
_SEQUENCER_OFF = (
    "Renders go on to show the 3D scene: for the strips instead, turn on Sequencer in Output "
    "Properties > Post Processing."
)
_FPS_TOLERANCE = 5e-4  # of the rate; 29.97 and 30 are 1e-3 apart


@dataclass(frozen=True)
class Take:
    """A finished clip and how it was made."""

    path: Path
    name: str
    job_id: str
    seed: int
    engine: str
    n_frames: int | None = None  # as promised; None: any
    size: tuple[int, int] | None = None  # (W, H) as promised; None: any


@dataclass(frozen=True)
class InsertedStrip:
    """A strip, where it lies, and what the artist should know about it."""

    strip: Any
    channel: int
    notes: tuple[str, ...]


def insert_take(
    scene: bpy.types.Scene,
    take: Take,
    frame_start: int,
    *,
    over: Any | None = None,  # a strip that it lies above, in the meta strip that this is in
) -> InsertedStrip:
    """Put a take into a scene's sequencer at a frame: above the takes that lie there, on the lowest
    channel that is free and not muted. Nothing else is selected or deselected.

    Where a render of the scene showed no strips, it goes on to show none: `Sequencer` is then
    turned off in the scene's post processing. The file is looked at first. Raises MovieError when
    it is missing, damaged or not what was promised, SequencerError when all channels are taken;
    the sequencer is then unchanged.
    """
    movie = load_movie(take.path)
    if take.size is not None and movie.size != take.size:
        raise MovieError(
            f"{take.path} is {movie.size[0]}x{movie.size[1]}, not {take.size[0]}x{take.size[1]}."
        )
    if take.n_frames is not None and movie.n_frames != take.n_frames:
        raise MovieError(f"{take.path} has {movie.n_frames} frames, not {take.n_frames}.")
    strips_of(scene)  # makes the sequencer where there is none
    holder = (over and over.parent_meta()) or scene.sequence_editor
    strips = strips_held(holder)
    muted = {number for number, channel in enumerate(holder.channels) if channel.mute}
    channel = _free_channel(strips, frame_start, frame_start + movie.n_frames, muted, over)
    rendered = _renders_strips(scene)
    strip = strips.new_movie(
        name=take.name,
        filepath=stored_path(take.path),
        channel=channel,
        frame_start=frame_start,
        fit_method="FIT",
    )
    if strip_content_frames(strip) != movie.n_frames:
        frames = strip_content_frames(strip)
        strips.remove(strip)
        raise MovieError(f"{take.path}: the sequencer sees {frames} of {movie.n_frames} frames.")
    strip["ex4d_job_id"], strip["ex4d_engine"] = take.job_id, take.engine
    strip["ex4d_seed"] = str(take.seed)  # 32 bits without a sign do not fit Blender's integers
    strip.select = False
    show_in_sequencer(scene)
    notes = [_rate_note(scene, strip), keep_colors(scene, strip)]
    if scene.render.use_sequencer and not rendered:
        scene.render.use_sequencer = False
        notes.append(_SEQUENCER_OFF)
    return InsertedStrip(strip, int(strip.channel), tuple(note for note in notes if note))


def _free_channel(strips: Any, first: int, end: int, muted: set[int], below: Any | None) -> int:
    """The lowest channel with nothing in the frames from `first` to before `end`, that is not muted
    and above the takes there; above `below` alone where that is given."""
    taken, lowest = set(muted), 1
    for strip in strips:
        strip_first, strip_end = strip_range(strip)
        if strip_first < end and first < strip_end:
            taken.add(strip.channel)
            if below is None and "ex4d_job_id" in strip:
                lowest = max(lowest, strip.channel + 1)
    if below is not None:
        lowest = below.channel + 1
    for channel in range(lowest, _CHANNELS + 1):
        if channel not in taken:
            return channel
    raise SequencerError(f"All {_CHANNELS} channels are taken between frames {first} and {end}.")


def _renders_strips(scene: bpy.types.Scene) -> bool:
    """Whether a render of the scene shows its strips: any that has a picture and is not muted."""
    return scene.render.use_sequencer and any(
        not strip.mute and strip.type != "SOUND" for strip in strips_in(scene)
    )


def _rate_note(scene: bpy.types.Scene, strip: Any) -> str:
    scene_fps = scene.render.fps / scene.render.fps_base
    clip_fps = strip.elements[0].orig_fps or scene_fps
    if abs(clip_fps - scene_fps) <= _FPS_TOLERANCE * scene_fps:
        return ""
    return (
        f"The clip has {clip_fps:.5g} frames per second, the scene {scene_fps:.5g}: it plays "
        "frame by frame, at the scene's speed."
    )
