"""M8: every reader compares what a file claims with its budget, before it takes memory for it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import OpenEXR
import pytest

from backend.settings import ServerSettings
from ex4d.conditions.files import read_conditions
from ex4d.depth.depth_files import open_depth
from ex4d.depth.exr import read_exr
from ex4d.depth.integers import read_integers
from ex4d.errors import DepthError, InputError, UsageError, VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.npz import open_frames, read_npz, write_npz
from ex4d.video import FrameRange, read_clip, write_color, write_mask

SMALL = Budget(picture_pixels=1000, clip_pixels=10_000, video_frames=100, array_bytes=10_000)
LENS = np.array([[50.0, 0, 20], [0, 50, 15], [0, 0, 1]])
SCANLINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}

SERVER = ServerSettings().budget()


def refusal(read, path, *arguments, error=DepthError) -> str:
    with pytest.raises(error) as caught:
        read(path, *arguments)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_server_gives_less_than_the_command_line_and_less_with_less_memory():
    for name in ("picture_pixels", "clip_pixels", "video_frames", "array_bytes"):
        assert getattr(SERVER, name) < getattr(COMMAND_LINE, name)
    assert SERVER.within(1 << 40) == SERVER
    tight = SERVER.within(1 << 30)
    assert tight.array_bytes == 1 << 28
    assert tight.clip_pixels * 3 <= 1 << 28


def test_pictures_of_whole_numbers_are_measured_by_their_headers(tmp_path):
    for suffix in (".png", ".tif"):
        path = tmp_path / f"depth{suffix}"
        cv2.imwrite(str(path), np.full((40, 25), 7, np.uint16))
        np.testing.assert_array_equal(read_integers(path, SMALL), 7)
        cv2.imwrite(str(path), np.full((40, 26), 7, np.uint16))
        assert "26x40 pixels" in refusal(read_integers, path, SMALL)
        assert "1000 and 10000 are the most" in refusal(read_integers, path, SMALL)


@pytest.mark.parametrize("field", [3, 4])
def test_a_tiff_that_claims_more_is_refused_before_it_is_unpacked(tmp_path, field):
    path = tmp_path / "depth.tif"
    cv2.imwrite(str(path), np.zeros((64, 64), np.uint16))
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    for number in range(struct.unpack_from("<H", data, first)[0]):
        at = first + 2 + 12 * number
        if struct.unpack_from("<H", data, at)[0] in (256, 257, 278):
            struct.pack_into("<HHII", data, at, struct.unpack_from("<H", data, at)[0], field, 1, 0)
            struct.pack_into("<H" if field == 3 else "<I", data, at + 8, 60_000)
    path.write_bytes(data)
    assert "60000x60000 pixels" in refusal(read_integers, path, SERVER)


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"P5 9 9 "]
)
def test_pictures_of_other_kinds_are_refused_whatever_they_are_called(tmp_path, content):
    for name in ("depth.png", "depth.tif"):
        (tmp_path / name).write_bytes(content + bytes(100))
        assert "is not a PNG or TIFF picture" in refusal(read_integers, tmp_path / name)


def test_an_exr_is_measured_by_its_header(tmp_path):
    path = tmp_path / "depth.exr"
    with OpenEXR.File(dict(SCANLINES), {"Z": np.zeros((40, 26), np.float32)}) as file:
        file.write(str(path))
    assert "26x40 pixels; 1000 are the most" in refusal(read_exr, path, None, SMALL)
    assert "blocks of 4160 bytes; 4000 are the most" in refusal(
        read_exr, path, None, replace(SMALL, picture_pixels=2000, array_bytes=4000)
    )


def test_only_the_channel_that_is_needed_is_unpacked(tmp_path):
    channels = {f"c{number:02}": np.zeros((1000, 1000), np.float32) for number in range(60)}
    with OpenEXR.File(
        dict(SCANLINES), {**channels, "Z": np.full((1000, 1000), 3, np.float32)}
    ) as file:
        file.write(str(tmp_path / "depth.exr"))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ex4d.depth.exr import read_exr\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert (read_exr(Path(sys.argv[1])).values == 3).all()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "depth.exr"]
    grown_kb = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kb < 60_000  # all of them have 244 MB


@pytest.mark.parametrize("kind", [OpenEXR.scanlineimage, OpenEXR.tiledimage])
@pytest.mark.parametrize("compression", [OpenEXR.NO_COMPRESSION, OpenEXR.PIZ_COMPRESSION])
def test_any_part_of_a_file_is_read_alone(tmp_path, kind, compression):
    wanted = np.random.default_rng(0).random((70, 90)).astype(np.float32)
    header = {"type": kind, "compression": compression}
    if kind == OpenEXR.tiledimage:
        header["tiles"] = OpenEXR.TileDescription()
    parts = [
        OpenEXR.Part(dict(header), {name: wanted * number}, f"part {number}")
        for number, name in enumerate(("A", "Depth.Z", "B"), start=1)
    ]
    with OpenEXR.File(parts) as file:
        file.write(str(tmp_path / "depth.exr"))
    for layer, number in (("A", 1), (None, 2), ("B", 3)):
        np.testing.assert_array_equal(
            read_exr(tmp_path / "depth.exr", layer).values, wanted * number
        )


def test_a_multi_part_file_that_is_cut_is_refused(tmp_path):
    parts = [
        OpenEXR.Part(dict(SCANLINES), {name: np.ones((70, 90), np.float32)}, name) for name in "AZ"
    ]
    with OpenEXR.File(parts) as file:
        file.write(str(tmp_path / "depth.exr"))
    data = (tmp_path / "depth.exr").read_bytes()
    for length in (len(data) - 20, len(data) // 2, 300, 40, 9, 4):
        (tmp_path / "depth.exr").write_bytes(data[:length])
        refusal(read_exr, tmp_path / "depth.exr")


def test_the_frames_of_an_npz_are_unpacked_one_by_one(tmp_path):
    depth = np.random.default_rng(0).random((20, 30, 40)).astype(np.float32)
    write_npz(tmp_path / "depth.npz", {"depth": depth, "intrinsics": LENS})
    stored = open_depth(tmp_path / "depth.npz", budget=replace(SMALL, picture_pixels=1200))
    assert depth.nbytes > SMALL.array_bytes
    assert (stored.n_frames, stored.size) == (20, (40, 30))
    for number in (0, 1, 5, 5, 2, 19, 0):
        np.testing.assert_array_equal(stored.frame(number), depth[number])
    stored.close()
    text = refusal(lambda path: open_depth(path, budget=SMALL), tmp_path / "depth.npz")
    assert "40x30 pixels; 1000 are the most" in text


def test_an_array_in_fortrans_order_is_read_whole_within_the_budget(tmp_path):
    depth = np.asfortranarray(np.random.default_rng(0).random((20, 30, 40)))
    np.savez_compressed(tmp_path / "depth.npz", depth=depth)
    stored = open_depth(tmp_path / "depth.npz")
    np.testing.assert_array_equal([stored.frame(number) for number in range(20)], depth)
    text = refusal(lambda path: open_depth(path, budget=SMALL), tmp_path / "depth.npz")
    assert "192000 bytes when unpacked; at most 10000 are read" in text


def test_damage_in_a_later_frame_is_found_when_it_is_read(tmp_path):
    depth = np.random.default_rng(0).random((20, 30, 40)).astype(np.float32)
    np.savez(tmp_path / "depth.npz", depth=depth)
    data = bytearray((tmp_path / "depth.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "depth.npz").write_bytes(data)
    stored = open_depth(tmp_path / "depth.npz")
    text = refusal(lambda _: [stored.frame(number) for number in range(20)], tmp_path / "depth.npz")
    assert "Bad CRC-32" in text


def test_the_arrays_of_an_npz_are_counted_before_they_are_read(tmp_path):
    path = tmp_path / "arrays.npz"
    write_npz(path, {"a": np.zeros(700), "b": np.zeros(700)})
    assert "bytes when unpacked; at most 10000" in refusal(read_npz, path, DepthError, SMALL)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}.npy", b"")
    assert "1001 arrays; at most 1000" in refusal(read_npz, path, DepthError)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"array {number}.npy", b"")
    assert "list of arrays has more than" in refusal(read_npz, path, DepthError)


def test_another_packing_than_numpys_is_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    for packing in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(path, "w", packing) as archive:
            archive.writestr("depth.npy", b"")
        assert "compressed in another way" in refusal(read_npz, path, DepthError)
        assert "compressed in another way" in refusal(open_frames, path, DepthError, "depth")


def test_a_clip_is_measured_by_its_frames_and_its_pictures(tmp_path):
    frames = np.zeros((12, 32, 32, 3), np.uint8)
    write_color(tmp_path / "clip.mp4", frames, 24)
    few = FrameRange(num_frames=9)
    clip = read_clip(tmp_path / "clip.mp4", few, budget=replace(SMALL, picture_pixels=9000))
    assert len(clip.frames) == 9
    with pytest.raises(UsageError, match=r"12 frames of 32 x 32 .* 10000 pixels"):
        read_clip(tmp_path / "clip.mp4", budget=replace(SMALL, picture_pixels=9000))
    with pytest.raises(VideoError, match="pictures of 32 x 32: more than 1000 pixels"):
        read_clip(tmp_path / "clip.mp4", budget=SMALL)
    with pytest.raises(VideoError, match="12 frames; at most 11"):
        read_clip(tmp_path / "clip.mp4", budget=replace(SMALL, video_frames=11))
    write_mask(tmp_path / "mask.mp4", frames[..., 0] > 0, 24)
    with pytest.raises(InputError, match="more than"):
        read_conditions(tmp_path / "clip.mp4", tmp_path / "mask.mp4", SMALL)


def test_a_mov_whose_index_is_longer_than_any_film_is_refused_before_it_is_built(tmp_path):
    write_color(tmp_path / "clip.mp4", np.zeros((12, 32, 32, 3), np.uint8), 24)
    data = bytearray((tmp_path / "clip.mp4").read_bytes())
    sizes = data.index(b"stsz") + 8
    struct.pack_into(">II", data, sizes, 1, 2_000_000_000)  # each of one byte: none is listed
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(VideoError, match=r"clip\.mp4 says that it has 2000000000 frames; at most"):
        read_clip(tmp_path / "clip.mp4", budget=SERVER)
