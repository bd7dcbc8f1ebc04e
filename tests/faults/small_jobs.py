"""Real work that is soon done: a few small frames of the example shot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.jobs import DepthFiles, Reconstruct, Source

from .server_process import ROOT

if TYPE_CHECKING:
    from protocol.client import Client

__all__ = ["SHOT", "reconstruction"]

SHOT = ROOT / "examples" / "shot"


def reconstruction(client: Client, n_frames: int = 2) -> Reconstruct:
    """A reconstruction of 64 x 36 pixels, with its files on the server."""
    clip, depth = client.upload(SHOT / "input.mp4"), client.upload(SHOT / "depth.npz")
    source = Source(
        clip, "input.mp4", DepthFiles([depth]), num_frames=n_frames, width=64, height=36
    )
    return Reconstruct(source)
