"""Depth as pictures: EXR as Blender and Nuke write it, PNG with 16 bits."""

from __future__ import annotations

import cv2
import numpy as np
import OpenEXR
import pytest

from ex4d.depth.cleaning import DepthCleaning
from ex4d.depth.exr import read_exr, write_exr
from ex4d.depth.files import read_depth
from ex4d.depth.reading import DepthReading
from ex4d.depth.sequence import find_pictures, read_picture
from ex4d.errors import DepthError

DEPTH = np.random.default_rng(0).uniform(1, 30, (4, 12, 20)).astype(np.float32)


def write_channels(path, channels, **header):
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(kind, channels).write(str(path))
    return path


@pytest.fixture
def clip(make_clip):
    return make_clip(4, size=(20, 12))


@pytest.fixture
def pictures(tmp_path):
    """A function that writes the four frames with `write(path, depth)` and gives their folder."""

    def make(write, suffix, first=1001):
        folder = tmp_path / "depth"
        folder.mkdir(exist_ok=True)
        for number, depth in enumerate(DEPTH, start=first):
            write(folder / f"shot_v2.{number:04d}{suffix}", depth)
        return folder

    return make


@pytest.mark.parametrize("place", ["", "shot_v2.####.exr", "shot_v2.%04d.exr", "shot_v2.1003.exr"])
def test_an_exr_sequence_comes_back_bit_for_bit(pictures, clip, place):
    folder = pictures(write_exr, ".exr")
    np.testing.assert_array_equal(read_depth(folder / place, clip).depth, DEPTH)


def test_a_png_sequence_comes_back_to_half_a_step(pictures, clip):
    def write(path, depth):
        cv2.imwrite(str(path), np.round((depth - 1) / 29 * 65535).astype(np.uint16))

    read = read_depth(pictures(write, ".png"), clip, reading=DepthReading(near=1, far=30))
    assert np.abs(read.depth - DEPTH).max() <= 0.51 * 29 / 65535


@pytest.mark.parametrize(
    "name", ["Z", "depth.Z", "ViewLayer.Depth.Z", "View Layer.Depth.V", "depth", "RenderLayer.Z"]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_usual_names_of_depth_are_found_beside_colours(tmp_path, name, dtype):
    colours = {letter: np.zeros((12, 20), np.float16) for letter in "RGBA"}
    path = write_channels(tmp_path / "a.exr", {**colours, name: DEPTH[0].astype(dtype)})
    np.testing.assert_array_equal(read_exr(path).values, DEPTH[0].astype(dtype))


def test_the_only_channel_is_depth_whatever_it_is_called(tmp_path):
    np.testing.assert_array_equal(
        read_exr(write_channels(tmp_path / "a.exr", {"Y": DEPTH[0]})).values, DEPTH[0]
    )


@pytest.mark.parametrize("layer", ["near.Z", "near", "NEAR"])
def test_a_layer_may_be_named(tmp_path, layer):
    channels = {"near.Z": DEPTH[0], "far.Z": DEPTH[1]}
    path = write_channels(tmp_path / "a.exr", channels)
    np.testing.assert_array_equal(read_exr(path, layer).values, DEPTH[0])


@pytest.mark.parametrize("layer", [None, "middle"])
def test_a_layer_that_is_not_there_or_not_alone_is_refused_with_all_names(tmp_path, layer):
    path = write_channels(tmp_path / "a.exr", {"near.Z": DEPTH[0], "far.Z": DEPTH[1]})
    with pytest.raises(DepthError, match=r"name one of far\.Z, near\.Z"):
        read_exr(path, layer)


def test_a_part_of_a_file_with_several_is_found(tmp_path):
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    colour = OpenEXR.Part({**kind, "name": "rgba"}, {"R": DEPTH[1]})
    depth = OpenEXR.Part({**kind, "name": "depth"}, {"depth.Z": DEPTH[0]})
    OpenEXR.File([colour, depth]).write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr").values, DEPTH[0])


def test_a_data_window_lies_where_it_belongs(tmp_path):
    """Nuke writes only what is not empty."""

    def window(left, top, right, bottom):
        return np.array([left, top], np.int32), np.array([right, bottom], np.int32)

    path = write_channels(
        tmp_path / "a.exr",
        {"Z": DEPTH[0]},
        dataWindow=window(-3, 2, 16, 13),
        displayWindow=window(0, 0, 24, 9),
    )
    picture = read_exr(path).values
    assert picture.shape == (10, 25)
    np.testing.assert_array_equal(picture[2:, :17], DEPTH[0][:8, 3:])
    assert np.isnan(picture[:2]).all()
    assert np.isnan(picture[:, 17:]).all()


def test_blenders_nothing_is_the_sky_or_unknown(tmp_path, clip):
    """Blender writes 1e10 where there is nothing."""
    for number in range(4):
        depth = DEPTH[number].copy()
        depth[:4] = 1e10
        write_exr(tmp_path / f"{number}.exr", depth)
    sky = read_depth(tmp_path, clip, cleaning=DepthCleaning(sky_distance=500))
    assert (sky.depth[:, :4] == 500).all()
    assert sky.unknown_share == 0
    unknown = read_depth(tmp_path, clip)
    assert unknown.depth.max() <= DEPTH.max()
    assert unknown.unknown_share == pytest.approx(4 / 12)


def refusal(source, clip) -> str:
    with pytest.raises(DepthError) as caught:
        read_depth(source, clip)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_frame_is_named(pictures, clip):
    folder = pictures(write_exr, ".exr")
    (folder / "shot_v2.1002.exr").unlink()
    assert "frame 1002 is missing" in refusal(folder, clip)


def test_another_size_in_the_middle_is_named(pictures, clip):
    folder = pictures(write_exr, ".exr")
    write_exr(folder / "shot_v2.1003.exr", DEPTH[0][:6])
    assert "shot_v2.1003.exr has 20x6 pixels" in refusal(folder, clip)


def test_two_sequences_in_one_folder_are_refused(pictures, clip):
    folder = pictures(write_exr, ".exr")
    write_exr(folder / "other.1002.exr", DEPTH[0])
    assert "are both frame 1002" in refusal(folder, clip)


def test_a_negative_value_is_named_with_its_file(pictures, clip):
    folder = pictures(write_exr, ".exr")
    write_exr(folder / "shot_v2.1004.exr", -DEPTH[0])
    text = refusal(folder, clip)
    assert "shot_v2.1004.exr has depth -" in text


@pytest.mark.parametrize("content", [b"", b"EXR", b"\x76\x2f\x31\x01" + b"\0" * 60])
def test_what_is_no_exr_is_refused(tmp_path, clip, content):
    (tmp_path / "d1.exr").write_bytes(content)
    assert "is not a readable EXR file" in refusal(tmp_path, clip)


def test_an_exr_that_is_cut_short_is_refused(pictures, clip):
    path = pictures(write_exr, ".exr") / "shot_v2.1002.exr"
    path.write_bytes(path.read_bytes()[:-200])
    assert f"{path} is damaged" in refusal(path.parent, clip)


def test_an_empty_folder_and_a_picture_without_number_are_refused(tmp_path, clip):
    assert "there are no pictures" in refusal(tmp_path, clip)
    write_exr(tmp_path / "depth.exr", DEPTH[0])
    assert "no frame number" in refusal(tmp_path / "depth.exr", clip)
    assert "there is no file" in refusal(tmp_path / "none.exr", clip)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((4, 4), np.uint8), "8 bits"),
        (np.random.default_rng(0).integers(0, 9, (4, 4, 3)).astype(np.uint16), "coloured"),
    ],
)
def test_a_png_that_holds_no_depth_is_refused(tmp_path, picture, words):
    cv2.imwrite(str(tmp_path / "d1.png"), picture)
    with pytest.raises(DepthError, match=words):
        read_picture(tmp_path / "d1.png")


def test_a_damaged_png_is_refused(tmp_path):
    (tmp_path / "d1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    with pytest.raises(DepthError, match="not a picture that can be read"):
        read_picture(tmp_path / "d1.png")


def test_other_files_are_no_sequence(tmp_path):
    assert find_pictures(tmp_path / "depth.npz") is None
