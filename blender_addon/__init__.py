"""EX-4D inside Blender: panel, animated mesh, cameras and result strips. GPL-3.0-or-later."""

__all__ = ["register", "unregister"]


def register() -> None:
    """Add classes, properties and the timer."""


def unregister() -> None:
    """Stop all work at once and take everything out."""
