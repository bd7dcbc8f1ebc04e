"""How many frames a video file holds, when they are shown, and at which rate they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from ex4d.errors import VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.runtime.lack_of_memory import has_room
from ex4d.video.clip import Steps
from ex4d.video.opening import open_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

__all__ = [
    "PacketTally",
    "Rate",
    "declared_rate",
    "is_steady",
    "packets_of",
    "rate_of",
    "steps_of",
]

_USUAL_RATE = Fraction(25)  # what FFmpeg takes for a stream without any times
# FFmpeg's demuxers of bare streams: their times are made up from a rate that they make up too
_BARE = frozenset(("dirac", "h261", "h263", "h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu"))
_BARE_TOO = frozenset(("dnxhd", "evc", "vc1", "vvc"))
# those whose clock may begin anew: FFmpeg's AVFMT_TS_DISCONT, with its limit for a jump
_JUMPING = frozenset(("mpeg", "mpegts", "ogg", "live_flv"))
_JUMP_S = 10
_LARGEST = 65535  # denominator of a rate
_PAUSE = 1.5  # usual steps; the times of Matroska and FLV are rounded to ms


@dataclass(frozen=True, eq=False)
class PacketTally:
    """What lies in a video file, counted without decoding."""

    n_frames: int  # frames that a decoder would show, if it can decode them all
    n_declared: int  # packets that the file's index lists, 0 when it has none
    is_cut: bool  # packets are missing or incomplete
    times: NDArray[np.int64] | None  # of the frames, rising, in the stream's unit; None if untold
    last_duration: int  # of the last frame, 0 if untold
    is_joined: bool  # the clock begins anew somewhere: parts were put together
    n_corrupt: int = 0  # packets of a broadcast that lack a part and are decoded all the same

    @classmethod
    def of(cls, path: Path, budget: Budget = COMMAND_LINE) -> PacketTally:
        """Count the packets of the video in `path`. Raises VideoError as open_video does, and for
        more frames than the budget has."""
        shown: list[tuple[int, int]] = []  # time and duration
        decoding_times: list[int] = []
        n_shown = n_packets = n_corrupt = 0
        with open_video(path, budget) as (container, stream):
            formats = set(container.format.name.split(","))
            is_broadcast = bool(formats & _JUMPING)  # where packets are lost now and then
            for packet in packets_of(path, container, stream):
                n_packets += packet.size > 0
                if n_packets > budget.video_frames:
                    most = budget.video_frames
                    raise VideoError(f"{path} has more than {most} frames, the most that are read")
                n_corrupt += packet.is_corrupt
                is_whole = is_broadcast or not packet.is_corrupt
                if packet.size > 0 and is_whole and not packet.is_discard:
                    n_shown += 1
                    if packet.pts is not None:
                        shown.append((packet.pts, packet.duration or 0))
                    if packet.dts is not None:
                        decoding_times.append(packet.dts)
            # mp4's index is exact and leaves out what an edit list cuts; others only estimate
            is_mp4 = "mp4" in formats
            n_listed = len(stream.index_entries) if is_mp4 else stream.frames
            is_cut = (n_corrupt > 0 and not is_broadcast) or (is_mp4 and n_packets < n_listed)
            jump = Fraction(_JUMP_S) / (stream.time_base or 1) if is_broadcast else None
        is_told = bool(shown) and len(shown) == n_shown and not formats & (_BARE | _BARE_TOO)
        times, durations = np.array(sorted(shown), np.int64).reshape(-1, 2).T
        return cls(
            n_frames=n_shown,
            n_declared=n_listed,
            is_cut=is_cut,
            times=times if is_told else None,
            last_duration=int(durations[-1]) if is_told else 0,
            is_joined=_is_joined(np.array(decoding_times, np.int64), jump),
            n_corrupt=n_corrupt if is_broadcast else 0,
        )


@dataclass(frozen=True)
class Rate:
    """Frames a second, and a sentence where they are not simply what the file says."""

    fps: Fraction
    note: str = ""
    pauses: bool = False


def rate_of(path: Path, stream: VideoStream, tally: PacketTally, n_lost: int = 0) -> Rate:
    """The rate to take a file's frames at, one after the other: the declared one, or the average
    where the file pauses. GIF and Matroska declare the rate of the first frames only, or of their
    clock. `n_lost` frames at the beginning cannot be decoded."""
    if set(stream.container.format.name.split(",")) & (_BARE | _BARE_TOO):
        return _bare_rate(path, stream)
    declared = stream.average_rate or stream.guessed_rate
    if tally.is_joined:
        rate = _short(declared or _USUAL_RATE)
        return Rate(rate, f"{path} is joined of parts with clocks of their own: {_said(rate)}")
    times = None if tally.times is None or tally.is_cut else tally.times[n_lost:]
    average = _average(stream, times, tally.last_duration)
    if average is not None and (not declared or average < declared * Fraction(95, 100)):
        declared = average
    if not declared:
        return Rate(_USUAL_RATE, f"{path} does not tell its rate: {_said(_USUAL_RATE)}")
    rate = _short(declared)
    if times is None or not _pauses(times):
        return Rate(rate)
    return Rate(
        rate,
        f"{path} has frames of unequal length; each is taken once, one after the other: "
        f"{_said(rate)}, the average",
        pauses=True,
    )


def steps_of(
    stream: VideoStream,
    tally: PacketTally,
    numbers: NDArray[np.int64],  # [N], of the frames, those that cannot be decoded counted too
) -> Steps | None:
    """When frames of a file that pauses are shown, in steps of its own rate."""
    rate = stream.guessed_rate or stream.average_rate
    if tally.times is None or not rate or not stream.time_base or numbers[-1] >= len(tally.times):
        return None
    per_tick = float(rate * stream.time_base)
    steps = np.rint((tally.times - tally.times[0]) * per_tick).astype(np.int64)
    count = int(steps[-1]) + max(1, round(tally.last_duration * per_tick))
    return Steps(steps[numbers], count)


def is_steady(stream: VideoStream, tally: PacketTally) -> bool:
    """Whether programs that pick frames by time, as Blender does, show frame k of a file at k steps
    of its rate: each frame has begun by then, and the next has not. A clock's rounding may make it
    late already, where the file begins between two of its ticks."""
    times, unit = tally.times, stream.time_base
    rate = stream.guessed_rate or stream.average_rate  # Blender's choice, too
    if times is None or not unit or not rate:
        return False
    since = times - times[0]
    asked = np.floor(np.arange(len(since)) / float(rate * unit) + 0.5)  # halves go up
    return bool((since <= asked).all() and (since[1:] > asked[:-1]).all())


def declared_rate(stream: VideoStream) -> Fraction:
    """What the head of a file says of its rate."""
    return _short(stream.average_rate or stream.guessed_rate or _USUAL_RATE)


def packets_of(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[av.Packet[VideoStream]]:
    """The packets of one stream; the last is empty. Raises VideoError."""
    try:
        yield from container.demux(stream)
    except MemoryError as error:
        if not has_room():
            raise
        raise VideoError(
            f"{path} is damaged: a part of it asks for more memory than any video's"
        ) from error
    except av.FFmpegError as error:
        raise VideoError(f"{path} is damaged: {error.strerror}") from error
    except IndexError as error:  # PyAV's, for a packet of a stream that comes up in the middle
        raise VideoError(f"{path} is damaged: it has a stream that it did not announce") from error


def _is_joined(decoding_times: NDArray[np.int64], jump: Fraction | None) -> bool:
    if jump is None or len(decoding_times) < 2:
        return False
    steps = np.diff(decoding_times)
    return bool((steps < 0).any() or (steps > float(jump)).any())


def _bare_rate(path: Path, stream: VideoStream) -> Rate:
    own = stream.codec_context.framerate
    rate = _short(own or _USUAL_RATE)
    what = "as its codec says" if own else "as FFmpeg assumes"
    return Rate(rate, f"{path} is a bare stream without times: {_said(rate)}, {what}")


def _average(
    stream: VideoStream, times: NDArray[np.int64] | None, last_duration: int
) -> Fraction | None:
    """Frames over the time that they are shown; None for less than two."""
    if times is None or len(times) < 2 or not stream.time_base:
        return None
    steps = np.diff(times)
    # one tick of the clock, as H.264 in a transport stream has it, is no frame's length
    is_told = last_duration > int(steps.min()) / 2
    last = last_duration if is_told else int(np.median(steps))
    span = int(times[-1] - times[0]) + last
    return Fraction(len(times)) / (span * stream.time_base) if span > 0 else None


def _pauses(times: NDArray[np.int64]) -> bool:
    steps = np.diff(times)
    return len(steps) > 1 and float(steps.max()) > _PAUSE * float(np.median(steps)) > 0


def _short(rate: Fraction) -> Fraction:
    """A rate in short numbers; what a damaged file says of it may be next to nothing, or less."""
    return max(rate.limit_denominator(_LARGEST), Fraction(1, _LARGEST))


def _said(rate: Fraction) -> str:
    return f"{float(rate):.6g} frames a second are taken"
