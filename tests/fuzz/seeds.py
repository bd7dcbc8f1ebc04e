"""Small inputs that are right, which the fuzzer changes."""

from __future__ import annotations

import io
import struct
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
import OpenEXR
import tifffile

from ex4d.files.manifest import MANIFEST, Run
from ex4d.files.outputs import staged_folder
from ex4d.training.dataset import DatasetSettings
from ex4d.training.fit.settings import TrainSettings, write_config
from ex4d.training.records import record_to_json
from tests.ex4d.video.mp4_boxes import add_to_entry, set_track_matrix
from tests.ex4d.video.pictures import write_dpx
from tests.ex4d.video.references import REFERENCES, reference_movie
from tests.protocol import samples

__all__ = ["seeds"]

_VIDEOS = (
    *(("mp4", "libx264", "yuv420p"), ("mov", "prores_ks", "yuv422p10le"), ("mov", "png", "rgb24")),
    *(("matroska", "ffv1", "yuv420p"), ("webm", "libvpx-vp9", "yuv420p"), ("gif", "gif", "rgb8")),
    *(("avi", "mjpeg", "yuvj420p"), ("mpeg", "mpeg2video", "yuv420p"), ("flv", "flv1", "yuv420p")),
    *(("mpegts", "libx264", "yuv420p"), ("mxf", "mpeg2video", "yuv420p")),
    *(("apng", "apng", "rgb24"), ("asf", "wmv2", "yuv420p"), ("nut", "mpeg4", "yuv420p")),
    *(("yuv4mpegpipe", "wrapped_avframe", "yuv420p"), ("ogg", "libvpx", "yuv420p")),
    ("3gp", "h263", "yuv420p"),
)
_COMPRESSIONS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA")


def seeds(target: str) -> list[bytes]:
    """Inputs for the target of this name."""
    return {
        "messages": _messages,
        "npz": _archives,
        "exr": _exrs,
        "picture": _pictures,
        "video": _videos,
        "text": _texts,
    }[target]()


def _messages() -> list[bytes]:
    values = [v if isinstance(v, list) else [v] for v in vars(samples).values()]
    messages = [m for value in values for m in value if isinstance(m, msgspec.Struct)]
    return [msgspec.msgpack.encode(message) for message in messages]


def _archives() -> list[bytes]:
    depth = np.random.default_rng(0).random((3, 5, 6)).astype(np.float32)
    found = []
    for save in (np.savez, np.savez_compressed):
        for array in (depth, np.asfortranarray(depth), depth[:, None], depth.astype(np.uint16)):
            buffer = io.BytesIO()
            save(buffer, depth=array, intrinsics=np.diag([9.0, 9, 1]))
            found.append(buffer.getvalue())
    return found


def _exrs() -> list[bytes]:
    found = []
    depth = np.random.default_rng(1).random((10, 12)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        for name in _COMPRESSIONS:
            for kind in (OpenEXR.scanlineimage, OpenEXR.tiledimage):
                header = {"compression": getattr(OpenEXR, f"{name}_COMPRESSION"), "type": kind}
                if kind == OpenEXR.tiledimage:
                    header["tiles"] = OpenEXR.TileDescription()
                channels = {"Z": depth, "a": depth.astype(np.float16)}
                OpenEXR.File(dict(header), channels).write(str(path))
                found.append(path.read_bytes())
                parts = [OpenEXR.Part(dict(header), {part: depth}, part) for part in ("Z", "a")]
                OpenEXR.File(parts).write(str(path))
                found.append(path.read_bytes())
    return found


def _pictures() -> list[bytes]:
    numbers = np.random.default_rng(2).integers(0, 65535, (10, 12)).astype(np.uint16)
    rgb, floats = np.repeat(numbers[..., None], 3, 2), numbers.astype(np.float32)
    options = [(".png", numbers, 1), (".png", rgb, 1), (".tif", rgb, 1), (".tif", floats, 1)]
    options += [(".tif", numbers, compression) for compression in (1, 5, 8, 32773)]
    options += [(".jpg", (rgb >> 8).astype(np.uint8), 1)]
    found = [
        cv2.imencode(suffix, picture, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()
        for suffix, picture, compression in options
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dpx"
        write_dpx(path, (rgb >> 8).astype(np.uint8))
        found.append(path.read_bytes())
        for planes in ("contig", "separate"):
            picture = rgb if planes == "contig" else np.moveaxis(rgb, -1, 0)
            tifffile.imwrite(path, picture, photometric="rgb", planarconfig=planes)
            found.append(path.read_bytes())
    return found


def _videos() -> list[bytes]:
    noise = np.random.default_rng(3).integers(0, 255, (3, 96, 128, 3)).astype(np.uint8)
    found = [text("/etc/hostname").encode() for _, text in REFERENCES.values()]
    for container_format, codec, pixels in _VIDEOS:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=container_format) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = (128, 96, pixels)
            for picture in noise // (255 if codec == "prores_ks" else 8):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode())
        found.append(buffer.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = reference_movie(Path(folder) / "a.mov", noise, "file:///etc/hostname")
        found.append(path.read_bytes())
        found += _special_videos(Path(folder) / "b.mov", noise // 8)
    return found


def _special_videos(path: Path, pictures: np.ndarray) -> list[bytes]:
    """HDR, interlaced, of unequal frames, turned, with oblong pixels and a clean aperture."""
    found = []
    for codec, options in (
        ("libx264", {"x264-params": "tff=1:log-level=none"}),
        ("mpeg2video", {"flags": "+ildct+ilme"}),
    ):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            stream.colorspace, stream.color_primaries, stream.color_trc = 9, 9, 18
            stream.sample_aspect_ratio = Fraction(4, 3)
            for time, picture in zip((0, 1, 9), pictures, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        set_track_matrix(path, (0, 1, -1, 0))
        aperture = struct.pack(">I4sIIIIiIiI", 40, b"clap", *(64, 1, 48, 1, 8, 1, 4, 1))
        add_to_entry(path, {"libx264": b"avc1", "mpeg2video": b"m2v1"}[codec], aperture)
        found.append(path.read_bytes())
    return found


def _texts() -> list[bytes]:
    """A config, the settings of a dataset, a list of results and a key, as editors save them."""
    settings = DatasetSettings(64, 64, 5, 1, 0, {"tracking": 1}, "dis", None)
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder) / "config.toml", TrainSettings())
        with staged_folder(Path(folder), Run("recon", "30", {"fov": "40"})) as staging:
            (staging / "a.mp4").write_text("a")
        given = [(Path(folder) / name).read_text() for name in ("config.toml", MANIFEST)]
    given += [record_to_json(settings), "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"]
    return [text.encode(coding) for text in given for coding in ("utf-8", "utf-16")]
