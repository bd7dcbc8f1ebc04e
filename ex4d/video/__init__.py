"""Video files in and out: clips, conditions and finished shots."""

from ex4d.video.reader import Clip, FrameRange, VideoInfo, probe, read_clip
from ex4d.video.size import working_size
from ex4d.video.writer import (
    read_color,
    read_mask,
    read_metadata,
    write_color,
    write_mask,
    write_video,
)

__all__ = [
    "Clip",
    "FrameRange",
    "VideoInfo",
    "probe",
    "read_clip",
    "read_color",
    "read_mask",
    "read_metadata",
    "working_size",
    "write_color",
    "write_mask",
    "write_video",
]
