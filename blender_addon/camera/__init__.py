"""Cameras of the scene as camera paths, and camera paths as keyframes."""

from __future__ import annotations

from .sampling import render_size, sample_camera

__all__ = ["render_size", "sample_camera"]
