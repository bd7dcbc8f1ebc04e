"""EX-4D: from a video and its depth to the same shot filmed by another camera."""

__version__ = "0.1.0"
