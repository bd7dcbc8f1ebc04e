"""Files that name other files in place of holding a video, and a watch on what they name."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ex4d.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

__all__ = ["REFERENCES", "Watch", "reference_movie", "watched"]

_IN_OPEN, _IN_NONBLOCK = 0x20, 0o4000


class Watch:
    """Another artist's video, and an address, that nothing may open."""

    def __init__(self, canary: Path, inotify: int, listener: socket.socket) -> None:
        self.canary, self._inotify, self._listener = canary, inotify, listener
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}/canary.mp4"

    def was_opened(self) -> bool:
        """Whether anybody has opened the file since this was last asked."""
        try:
            return bool(os.read(self._inotify, 4096))
        except BlockingIOError:
            return False

    def was_called(self) -> bool:
        """Whether anybody has connected to the address since this was last asked."""
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@contextmanager
def watched(folder: Path, frames: np.ndarray) -> Iterator[Watch]:
    """Write the other artist's video of `frames` in a folder, and watch it."""
    folder.mkdir()
    canary = folder / "canary.mp4"
    write_video(canary, frames, 24)
    libc = ctypes.CDLL(None)
    inotify = libc.inotify_init1(_IN_NONBLOCK)
    libc.inotify_add_watch(inotify, os.fsencode(canary), _IN_OPEN)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        try:
            yield Watch(canary, inotify, listener)
        finally:
            os.close(inotify)


def _hls(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{target}\n#EXT-X-ENDLIST\n"


def _hls_key(target: str) -> str:
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"'
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{key}\n#EXTINF:1.0,\n{target}\n#EXT-X-ENDLIST\n"


def _dash(target: str) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-main:2011">'
        '<Period><AdaptationSet mimeType="video/mp4">'
        '<Representation id="1" bandwidth="1" width="64" height="36">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def _imf(target: str) -> str:
    return (
        '<?xml version="1.0"?><CompositionPlaylist '
        f'xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>{target}</Id>'
        "</CompositionPlaylist>"
    )


def _svg(target: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="64" height="36"><image xlink:href="{target}"/></svg>'
    )


_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\n"
    "t=0 0\nm=video 22222 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)

# The suffix that players know, and the text that names a target.
REFERENCES: dict[str, tuple[str, Callable[[str], str]]] = {
    "hls": (".m3u8", _hls),
    "hls with a key": (".m3u8", _hls_key),
    "hls after a byte order mark": (".m3u8", lambda target: "\ufeff" + _hls(target)),
    "m3u": (".m3u", "#EXTM3U\n#EXTINF:1,clip\n{}\n".format),
    "dash": (".mpd", _dash),
    "concat": (".ffconcat", "ffconcat version 1.0\nfile '{}'\n".format),
    "concat without a head": (".txt", "file '{}'\n".format),
    "sdp": (".sdp", lambda _: _SDP),
    "asx": (".asx", '<asx version="3.0"><entry><ref href="{}"/></entry></asx>'.format),
    "old asx": (".asx", "[Reference]\nRef1={}\n".format),
    "pls": (".pls", "[playlist]\nFile1={}\nNumberOfEntries=1\n".format),
    "xspf": (".xspf", "<playlist><track><location>{}</location></track></playlist>".format),
    "smil": (".smil", '<smil><body><video src="{}"/></body></smil>'.format),
    "ram": (".ram", "{}\n".format),
    "imf": (".xml", _imf),
    "svg": (".svg", _svg),
    "avisynth": (".avs", 'AviSource("{}")\n'.format),
    "vapoursynth": (".vpy", "import vapoursynth\nclip = core.ffms2.Source('{}')\n".format),
    "shortcut": (".url", "[InternetShortcut]\nURL={}\n".format),
    "edl": (".edl", "TITLE: x\n001 AX V C 0 1 0 1\n* FROM CLIP NAME: {}\n".format),
}


def reference_movie(path: Path, frames: np.ndarray, target: str) -> Path:
    """A mov whose data reference says that its pictures lie in `target`."""
    write_video(path, frames, 24)
    data = bytearray(path.read_bytes())
    entry = data.index(b"url ", data.index(b"dref")) - 4
    given = target.encode() + b"\0"
    data[entry : entry + 12] = struct.pack(">I4sI", 12 + len(given), b"url ", 0) + given
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.index(parent) - 4
        size = int.from_bytes(data[at : at + 4], "big") + len(given)
        data[at : at + 4] = size.to_bytes(4, "big")
    path.write_bytes(data)
    return path
