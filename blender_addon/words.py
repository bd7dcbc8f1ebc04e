"""What an artist reads: errors as one sentence, flags by the names of the panel, names that fit."""

from __future__ import annotations

import re

__all__ = ["LONGEST_NAME_BYTES", "fitting_name", "panel_words", "sentence_of"]

LONGEST_NAME_BYTES = 61  # what Blender keeps of a strip's name, in UTF-8; of others 63

_TAIL_BYTES = 9  # of a name that is cut: its number is there
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z_0-9]*)")
_FIELDS = {
    "depth_far": "Far",
    "depth_inverted": "Inverted",
    "depth_layer": "the depth's Layer",
    "depth_near": "Near",
    "depth_offset": "Offset",
    "depth_scale": "Scale",
    "depth_values": "Values",
    "deinterlace": "Deinterlace",
    "estimator": "Estimator",
    "fov": "Lens",
    "fps": "Rate",
    "hdr": "HDR",
    "layer": "Layer",
    "min_face_angle": "Hole Angle",
    "num_frames": "Frames",
    "start_frame": "First Frame",
    "stride": "Step",
}


def sentence_of(error: BaseException) -> str:
    """An error as one sentence, also where Python's own has none, or only a number."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[:1].lower() + error.strerror[1:]
        if error.filename:
            return f"{error.filename!s} cannot be used: {reason}."
        return f"The system refuses: {reason}."
    first = str(error).strip().partition("\n")[0]
    if not first:
        return f"That went wrong ({type(error).__name__})."
    return first


def panel_words(text: str) -> str:
    """A text of the server's first line, with the panel's names where it tells of a command's
    flags."""
    line = text.strip().partition("\n")[0]
    return _FLAG.sub(lambda flag: _FIELDS.get(flag[1], flag[1].replace("_", " ")), line)


def fitting_name(name: str, ending: str = "", *, most: int = LONGEST_NAME_BYTES) -> str:
    """A name with an ending that tells it apart, in at most so many bytes of UTF-8: what has no
    room is left out of its middle, and no character is cut."""
    room = most - len(ending.encode())
    if len(name.encode()) <= room:
        return name + ending
    data = name.encode()
    tail = data[-_TAIL_BYTES:].decode(errors="ignore")
    head = data[: max(0, room - len(f"…{tail}".encode()))].decode(errors="ignore")
    return f"{head.rstrip()}…{tail}{ending}"
