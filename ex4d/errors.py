"""What can go wrong, typed by what the caller can do about it.

    Ex4dError
      InputError        something given is wrong: mend it and run again (exit code 2)
        UsageError      options that do not fit together, or an unknown name
        VideoError      a video file
        DepthError      depths or their file
        CameraError     a camera path or its file
        WeightsError    a file of weights: missing, damaged, or not the one that is needed
      OutputError       the place for the results: not writable, or full (exit code 2)
      MissingPartError  an optional part is not installed; the text says how to get it (exit code 2)
      TooLargeError     the memory does not suffice; the text says what would fit (exit code 2)

Every error's text is one plain sentence that names the file, frame or value that is wrong. What
only somebody at this machine's command line can do about it is its `advice`; an artist who hears of
it in Blender gets the `reason` alone.
"""

from __future__ import annotations

__all__ = [
    "CameraError",
    "DepthError",
    "Ex4dError",
    "InputError",
    "MissingPartError",
    "OutputError",
    "TooLargeError",
    "UsageError",
    "VideoError",
    "WeightsError",
]


class Ex4dError(Exception):
    """Base of everything that this library raises on purpose. Its text is `REASON: ADVICE`."""

    code = "error"
    exit_code = 1

    def __init__(self, reason: str = "", *, advice: str = "") -> None:
        super().__init__(f"{reason}: {advice}" if advice else reason)
        self.reason = reason
        self.advice = advice


class InputError(Ex4dError):
    """Something that was given is wrong."""

    code = "invalid_input"
    exit_code = 2


class UsageError(InputError):
    """Options do not fit together, or a name is not known."""

    code = "invalid_usage"


class VideoError(InputError):
    """A video file is wrong."""

    code = "invalid_video"


class DepthError(InputError):
    """Depths or their file are wrong."""

    code = "invalid_depth"


class CameraError(InputError):
    """A camera path or its file is wrong."""

    code = "invalid_camera"


class WeightsError(InputError):
    """A file of weights is missing, damaged, or not the one that is needed."""

    code = "invalid_weights"


class OutputError(Ex4dError):
    """The results cannot be written where they were asked for."""

    code = "output_failed"
    exit_code = 2


class MissingPartError(Ex4dError):
    """An optional part is not installed."""

    code = "missing_part"
    exit_code = 2


class TooLargeError(Ex4dError):
    """The memory does not suffice for what was asked."""

    code = "out_of_memory"
    exit_code = 2
