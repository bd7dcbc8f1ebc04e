"""Which channel of an EXR file is the depth, over what programs write."""

from __future__ import annotations

import numpy as np
import OpenEXR
import pytest

from ex4d.depth.depth_files import open_depth
from ex4d.depth.exr import read_exr
from ex4d.depth.files import read_depth
from ex4d.errors import DepthError

DEPTH = np.random.default_rng(0).uniform(1, 30, (12, 20)).astype(np.float32)
OTHER = np.full((12, 20), 0.9, np.float32)
RGB = dict.fromkeys(("R", "G", "B"), OTHER)
COLOURS = {"R": DEPTH, "G": DEPTH + 1, "B": DEPTH}
VECTOR = dict.fromkeys(("N.X", "N.Y", "N.Z"), OTHER)
HEADER = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}


def window(width, height):
    return np.array([0, 0], np.int32), np.array([width - 1, height - 1], np.int32)


def write(path, *parts, **header):
    """Write parts, each (name, channels) or (name, channels, header); one alone may be channels."""
    with (
        OpenEXR.File({**HEADER, **header}, parts[0])
        if isinstance(parts[0], dict)
        else OpenEXR.File(
            [
                OpenEXR.Part({**HEADER, **(rest[0] if rest else {})}, dict(channels), name)
                for name, channels, *rest in parts
            ]
        )
    ) as file:
        file.write(str(path))
    return path


def passes(**named):
    """Blender's layers: Depth="Z" is `ViewLayer.Depth.Z`."""
    return {
        f"ViewLayer.{name}.{letter}": DEPTH if name == "Depth" else OTHER
        for name, letters in named.items()
        for letter in letters
    }


HALF = {"dataWindow": window(10, 6), "displayWindow": window(20, 12)}
WHOLE = {"dataWindow": window(20, 12), "displayWindow": window(20, 12)}
SMALL = DEPTH[::2, ::2].copy()
BLENDER = passes(Combined="RGBA", Depth="Z", Mist="Z", Normal="XYZ", Vector="XYZW", UV="UVA")

ONE_PART = {
    "blender": (BLENDER, "ViewLayer.Depth.Z"),
    "blender's V": (passes(Combined="RGBA", Depth="V", Mist="V"), "ViewLayer.Depth.V"),
    "a layer called Normal": (
        {"Normal.Combined.R": OTHER, "Normal.Depth.Z": DEPTH, "Normal.Mist.Z": OTHER},
        "Normal.Depth.Z",
    ),
    "beside a normal": ({**RGB, **VECTOR, "Z": DEPTH}, "Z"),
    "depth before Z": ({"depth.Z": DEPTH, "Z": OTHER}, "depth.Z"),
    "Z before other layers' Z": ({"Z": DEPTH, "fog.Z": OTHER, "near.Z": OTHER}, "Z"),
    "z-depth": ({**RGB, "Z-Depth": DEPTH}, "Z-Depth"),
    "V-Ray's": (
        {**RGB, **{f"VRayZDepth.{letter}": DEPTH for letter in "RGBA"}},
        "VRayZDepth.R = VRayZDepth.G = VRayZDepth.B",
    ),
    "distance": ({**RGB, "distance.Y": DEPTH}, "distance.Y"),
    "equal colours": ({**dict.fromkeys("RGB", DEPTH), "A": OTHER}, "R = G = B"),
    "equal colours of a layer": (
        {**RGB, **{f"Depth.{letter}": DEPTH for letter in "RGB"}},
        "Depth.R = Depth.G = Depth.B",
    ),
    "depth and alpha": ({**RGB, "depth.Y": DEPTH, "depth.A": OTHER}, "depth.Y"),
}


@pytest.mark.parametrize("name", ONE_PART)
def test_the_rule_within_one_part(tmp_path, name):
    channels, said = ONE_PART[name]
    picture = read_exr(write(tmp_path / "a.exr", channels))
    np.testing.assert_array_equal(picture.values, DEPTH)
    assert picture.said == f"depth from {said}"


LEFT, RIGHT = {"view": "left"}, {"view": "right"}
PARTS = {
    "views": (
        [("l", {**RGB, "Z": DEPTH}, LEFT), ("r", {**RGB, "Z": OTHER}, RIGHT)],
        "Z of part 1 of 2, view left, not right",
    ),
    "views in the parts' names": (
        [("depth.left", {"Z": DEPTH}), ("depth.right", {"Z": OTHER})],
        "Z of part 1 of 2, view left, not right",
    ),
    "depth in a part of its name": (
        [("rgba", RGB), ("Depth", dict.fromkeys("RGB", DEPTH)), ("N", {"Z": OTHER})],
        "R = G = B of part 2 of 3",
    ),
    "proxy last": (
        [("main", {"Z": DEPTH}, WHOLE), ("small", {"Z": SMALL}, HALF)],
        "Z of part 1 of 2",
    ),
    "proxy first": (
        [("small", {"depth.Z": SMALL}, HALF), ("main", {"Z": DEPTH}, WHOLE)],
        "Z of part 2 of 2",
    ),
    "only pass": (
        [("mist", {"Z": OTHER}), ("normal", {"Z": OTHER}), ("z", {"V": DEPTH})],
        "V of part 3 of 3",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_the_rule_over_parts(tmp_path, name):
    parts, said = PARTS[name]
    picture = read_exr(write(tmp_path / "a.exr", *parts))
    np.testing.assert_array_equal(picture.values, DEPTH)
    assert picture.said == f"depth from {said}"


def test_a_view_within_one_part_is_the_first_of_the_file(tmp_path):
    channels = {"right.Z": OTHER, "Z": DEPTH, **RGB}
    path = write(tmp_path / "a.exr", channels, multiView=["left", "right"])
    np.testing.assert_array_equal(read_exr(path).values, DEPTH)
    np.testing.assert_array_equal(read_exr(path, "right").values, OTHER)
    blenders = {"V.Depth.right.Z": OTHER, "V.Depth.left.Z": DEPTH, "V.Mist.left.Z": OTHER}
    path = write(tmp_path / "b.exr", blenders, multiView=["left", "right"])
    np.testing.assert_array_equal(read_exr(path, "V.Depth.Z").values, DEPTH)


def test_a_proxy_alone_is_the_whole_picture(tmp_path):
    path = write(tmp_path / "a.exr", ("rgb", RGB, WHOLE), ("depth", {"Z": SMALL}, HALF))
    picture = read_exr(path)
    np.testing.assert_array_equal(picture.values, SMALL)
    assert picture.said == "depth from Z of part 2 of 2, a proxy"


@pytest.mark.parametrize(
    ("layer", "factor"),
    [
        ("right", 2),
        ("right.main", 2),
        ("right.main.Z", 2),
        ("LEFT.main", 1),
        ("Z", 1),
        ("depth", 3),
    ],
)
def test_parts_and_views_may_be_named(tmp_path, layer, factor):
    path = write(
        tmp_path / "a.exr",
        ("left.main", {**RGB, "Z": DEPTH}, LEFT),
        ("right.main", {**RGB, "Z": DEPTH * 2}, RIGHT),
        ("depth", {"Y": DEPTH * 3}),
    )
    np.testing.assert_array_equal(read_exr(path, layer).values, DEPTH * factor)


@pytest.mark.parametrize("layer", ["ViewLayer.Mist.Z", "mist", "ViewLayer.Normal.Z"])
def test_what_is_no_depth_is_taken_by_name(tmp_path, layer):
    np.testing.assert_array_equal(read_exr(write(tmp_path / "a.exr", BLENDER), layer).values, OTHER)


REFUSED = {
    "normals": ([{**RGB, **VECTOR}], None, "no channel is called depth; name one of B, G, N.X"),
    "mist": ([{**RGB, "Mist.Z": OTHER}], None, "no channel is called depth"),
    "only a mist": ([{"Mist.Z": OTHER}], None, "no channel is called depth"),
    "a position": ([{"X": OTHER, "Y": OTHER, "Z": OTHER}], None, "no channel is called depth"),
    "alpha": ([{"A": OTHER}], None, "no channel is called depth"),
    "a vector": ([BLENDER], "Normal", "all are called 'Normal'"),
    "colours": ([COLOURS], None, "is a coloured picture: R, G, B differ"),
    "two parts": (
        [("fg", {"Z": DEPTH}), ("bg", {"Z": OTHER})],
        None,
        "bg.Z, fg.Z all are called depth; name one of bg.Z, fg.Z",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_depth_or_twice_is_refused(tmp_path, name):
    parts, layer, words = REFUSED[name]
    with pytest.raises(DepthError) as caught:
        read_exr(write(tmp_path / "a.exr", *parts), layer)
    assert words in str(caught.value)


def test_a_sequence_says_once_where_its_depth_is_and_keeps_to_it(tmp_path, make_clip):
    for number in range(4):
        write(tmp_path / f"{number}.exr", BLENDER)
    read = read_depth(tmp_path, make_clip(4, size=(20, 12)))
    np.testing.assert_array_equal(read.depth, np.stack([DEPTH] * 4))
    assert read.notes == ("depth from ViewLayer.Depth.Z",)
    write(tmp_path / "2.exr", {"Z": DEPTH})
    with pytest.raises(DepthError, match=r"2\.exr gives depth from Z, .*0\.exr depth from View"):
        open_depth(tmp_path).frame(2)


@pytest.mark.parametrize(("aspect", "n_warnings"), [(2.0, 0), (1.0, 1)])
def test_oblong_pixels_are_no_other_aspect(tmp_path, make_clip, aspect, n_warnings):
    for number in range(4):
        squeezed = DEPTH[:, ::2].copy()
        write(tmp_path / f"{number}.exr", {"Z": squeezed}, pixelAspectRatio=aspect)
    read = read_depth(tmp_path, make_clip(4, size=(20, 12)))
    assert sum("is stretched" in warning for warning in read.warnings) == n_warnings
