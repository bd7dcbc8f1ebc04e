"""Real work that is soon done: a few small frames of the example shot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from protocol.messages.jobs import DepthFiles, Reconstruct, Source

if TYPE_CHECKING:
    from protocol.client import Client

__all__ = ["SHOT", "reconstruction"]

SHOT = Path(__file__).parents[2] / "examples" / "shot"


def reconstruction(
    client: Client,
    n_frames: int = 2,
    size: tuple[int, int] = (64, 36),
    *,
    fov_deg: float | None = None,
) -> Reconstruct:
    """A reconstruction, small if nothing else is said, with its files on the server."""
    clip, depth = client.upload(SHOT / "input.mp4"), client.upload(SHOT / "depth.npz")
    source = Source(
        clip,
        "input.mp4",
        DepthFiles([depth]),
        num_frames=n_frames,
        width=size[0],
        height=size[1],
        fov_deg=fov_deg,
    )
    return Reconstruct(source)
