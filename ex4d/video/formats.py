"""Which kinds of file are opened as a video: those that hold their own pictures.

A playlist, a reference movie or a script names other files, which FFmpeg would read for whoever
hands the playlist in: other people's videos, or an address inside the network.
"""

from __future__ import annotations

import re

__all__ = ["FORMATS", "what_it_is"]

# FFmpeg's demuxers, chosen by what a file begins with, never by its name. Left out: those that
# open other files (hls, dash, concat, imf, sdp, rtsp, mlv, vobsub, image2, ...), devices and
# generators (lavfi), raw data without a header, single pictures, sound alone, and old games.
FORMATS = (
    *("apng", "asf", "av1", "avi", "cine", "dirac", "dnxhd", "dv", "evc", "flv", "gif", "gxf"),
    *("h261", "h263", "h264", "hevc", "ivf", "jpegxl_anim", "live_flv", "lxf", "m4v", "matroska"),
    *("mjpeg", "mov", "mpeg", "mpegts", "mpegvideo", "mxf", "nut", "nuv", "obu", "ogg"),
    *("r3d", "rm", "ty", "vc1", "vvc", "wtv", "yuv4mpegpipe"),
)

_REFERS = "{} that names other files; send the video itself"
_PICTURE = "a single picture, not a video"
_SOUND = "sound only: it has no video in it"
_BINARY = (
    (rb"\x89PNG|\xff\xd8\xff|II\*\0|MM\0\*|II\+\0|MM\0\+|BM|8BPS|SDPX|XPDS|P[1-7]\s", _PICTURE),
    (rb"\x76\x2f\x31\x01|RIFF....WEBPVP8[L ]|\0\0\0\x0cjP  |\xff\x4f\xff\x51|qoif", _PICTURE),
    (rb"RIFF....WEBP", "an animated WebP, which cannot be decoded here; send it as mp4 or gif"),
    (rb"RIFF....WAVE|fLaC|ID3|FORM....AIF|caff|\xff[\xf1\xf9\xfa\xfb]", _SOUND),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf", "an archive; send the video in it"),
    (rb"%PDF", "a document, not a video"),
    (rb"L\0\0\0\x01\x14\x02\0", _REFERS.format("a shortcut")),
)
_TEXT = (
    (r"#extm3u|#ext-x-", "a playlist (HLS or M3U)"),
    (r"ffconcat|file[ \t]+\S", "a playlist (concat)"),
    (r"\[playlist\]", "a playlist (PLS)"),
    (r"\[reference\]|asf\s+http", "a playlist (ASX)"),
    (r"\[internetshortcut\]", "a shortcut"),
    (r"v=0\s", "a session description (SDP)"),
    (r"title:|tc\s+title", "an edit list (EDL)"),
    (r"rtsptext|smjpegrtsp", "a redirection"),
    (r"[a-z][a-z0-9]{1,11}:/{0,3}\S+(\s|\Z)", "a list of addresses"),
    (r"(?s)(?!<).*(avisource|directshowsource|ffvideosource|vapoursynth)", "a script"),
)
_XML = (
    (r"<mpd\b", "a playlist (DASH)"),
    (r"<asx\b", "a playlist (ASX)"),
    (r"<smil\b", "a playlist (SMIL)"),
    (r"compositionplaylist|assetmap|packinglist", "a playlist (IMF)"),
    (r"<playlist|<wpl\b|<\?wpl", "a playlist (XSPF or WPL)"),
    (r"smoothstreamingmedia|<manifest\b", "a playlist (streaming manifest)"),
    (r"<svg\b", "a drawing (SVG)"),
    (r"<(xmeml|fcpxml|mlt|otio)\b", "an edit"),
    (r"", "an XML text"),
)


def what_it_is(start: bytes) -> str | None:
    """What a file that begins with `start` (some kB) is instead of a video, as the end of a
    sentence; None when that cannot be told."""
    for beginning, what in _BINARY:
        if re.match(beginning, start, re.DOTALL):
            return what
    text = _decoded(start).lstrip("\ufeff \t\r\n").lower()
    for pattern, what in _XML if text.startswith("<") else _TEXT:
        if (re.search if text.startswith("<") else re.match)(pattern, text):
            return _REFERS.format(what)
    return None


def _decoded(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start[: len(start) // 2 * 2].decode("utf-16", "replace")
    return start.decode("utf-8", "replace")
