"""What can go wrong in Blender, each with a sentence for the artist.

AddonError
+-- CameraError           this camera cannot be used; choose or change it
+-- ReconstructionError   what the backend sent does not fit together; reconstruct again
+-- CacheError            the files beside the scene are missing or cut; import again
+-- MovieError            this movie cannot be read; render or choose it again
+-- SequencerError        there is no room for the strip
+-- SettingsError         something in the panel or the preferences is missing or wrong
+-- NoPlace               the scene for a result is not open, or busy; the result is kept
"""

from __future__ import annotations

__all__ = [
    "AddonError",
    "CacheError",
    "CameraError",
    "MovieError",
    "NoPlace",
    "ReconstructionError",
    "SequencerError",
    "SettingsError",
]


class AddonError(Exception):
    """Anything the add-on refuses; its text is meant for the artist."""


class CameraError(AddonError):
    """A camera that cannot be sampled or animated."""


class ReconstructionError(AddonError):
    """Arrays of a reconstruction that do not fit together."""


class CacheError(AddonError):
    """A file that the scene plays from is missing or incomplete."""


class MovieError(AddonError):
    """A movie file that is missing, empty or damaged."""


class SequencerError(AddonError):
    """A sequencer that has no free channel."""


class SettingsError(AddonError):
    """A setting that is missing or makes no sense."""


class NoPlace(AddonError):
    """A result whose scene is not open, or cannot be changed at this moment."""
