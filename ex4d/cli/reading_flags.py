"""The flags that say how a clip's pictures are to be read, the same for every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.video.clip import HDR_CHOICES, VideoReading

if TYPE_CHECKING:
    import argparse

__all__ = ["add_reading_flags", "reading_of_flags"]


def add_reading_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add --hdr and --deinterlace."""
    add = parser.add_argument
    add("--hdr", choices=HDR_CHOICES, default="tonemap", help="PQ and HLG: to sRGB, or as coded")
    add("--deinterlace", action="store_true", help="a frame for each pair of fields")


def reading_of_flags(arguments: argparse.Namespace) -> VideoReading:
    """What these flags say."""
    return VideoReading(arguments.hdr, arguments.deinterlace)
