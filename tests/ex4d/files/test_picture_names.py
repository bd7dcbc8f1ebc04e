"""Which pictures are a sequence, and in which order."""

from __future__ import annotations

import pytest

from ex4d.files.picture_names import PictureNamesError, find_pictures


@pytest.fixture
def found(tmp_path):
    """A function that makes files, and gives the names that `source` means."""

    def find(source: str, names: list[str]) -> list[str] | None:
        for name in names:
            (tmp_path / name).touch()
        pictures = find_pictures(tmp_path / source)
        return None if pictures is None else [path.name for path in pictures]

    return find


def numbered(form: str, *numbers: int) -> list[str]:
    return [form.format(number) for number in numbers]


VERSIONED = numbered("shot_{:04d}_v02.exr", 1001, 1002, 1003)
OTHERS = numbered("shot_{:04d}_v01.exr", 1001, 1002, 1003, 1004)
BITS = numbered("shot.{}.depth32.exr", 8, 9, 10)
NEGATIVE = ["z.-0002.exr", "z.-0001.exr", "z.0000.exr", "z.0001.exr"]
DASHED = numbered("z-{:04d}.exr", 1, 2, 3)
SHOTS = numbered("shot020_{:04d}.exr", 1001, 1002, 1003)
TIMES = ["f1_t0041.exr", "f2_t0083.exr", "f3_t0125.exr"]


@pytest.mark.parametrize(
    ("source", "expected", "others"),
    [
        ("shot_####_v02.exr", VERSIONED, OTHERS),
        ("shot_%04d_v02.exr", VERSIONED, OTHERS),
        ("shot_1002_v02.exr", VERSIONED, OTHERS),
        ("shot_1001_v##.exr", ["shot_1001_v01.exr", "shot_1001_v02.exr"], VERSIONED + OTHERS),
        ("", VERSIONED, []),
        ("", BITS, []),
        ("shot.#.depth32.exr", BITS, ["shot.9.depth16.exr"]),
        ("shot.9.depth32.exr", BITS, ["shot.9.depth16.exr"]),
        ("", NEGATIVE, []),
        ("z.####.exr", NEGATIVE, []),
        ("z.%04d.exr", NEGATIVE, []),
        ("z.-0001.exr", NEGATIVE, []),
        ("", DASHED, []),
        ("z-####.exr", DASHED, []),
        ("z-0002.exr", DASHED, []),
        ("shot020_1001.exr", SHOTS, ["shot010_1001.exr", "shot010_1002.exr"]),
        ("", TIMES, []),
        ("f2_t0083.exr", TIMES, []),
        ("z_##.exr", numbered("z_{}.exr", 9, 10), []),
        ("z_####.exr", numbered("z_{:04d}.exr", 9, 10), ["z_9.exr", "z_10.exr"]),
        ("take#2_####.exr", ["take#2_0001.exr"], ["take1_0001.exr"]),
        ("take#2_0001.exr", ["take#2_0001.exr"], ["take1_0001.exr"]),
        ("", ["Z_0001.EXR", "Z_0002.EXR"], [".Z_0003.EXR", "readme.txt"]),
        ("only_v02.exr", ["only_v02.exr"], []),
        ("z_1.exr", ["z_1.exr", "z_2.exr"], ["z_1.png", "thumb.png", "y_3.exr"]),
    ],
)
def test_the_number_is_where_the_pattern_says_or_what_changes(found, source, expected, others):
    assert found(source, [*expected, *others]) == expected


@pytest.mark.parametrize(
    ("source", "names", "words"),
    [
        ("", numbered("z_{}.exr", 1, 2, 4), ["frame 3 is missing before", "z_4.exr"]),
        (
            "z_#.exr",
            numbered("z_{}.exr", 1, 5, 8),
            ["frames 2 to 4 are missing before", "z_5.exr, and 2 more after it"],
        ),
        ("", numbered("z.{}.exr", -2, 0), ["frame -1 is missing"]),
        ("", ["z_1.exr", "z_01.exr", "z_2.exr"], ["z_01.exr and ", "z_1.exr are both frame 1"]),
        ("", VERSIONED + OTHERS, ["v01.exr and ", "v02.exr are both frame 1001", "####"]),
        ("", ["a_1.exr", "a_2.exr", "b_3.exr"], ["a_1.exr and ", "b_3.exr are of two sequences"]),
        ("", ["s1_1.exr", "s1_2.exr", "s2_3.exr"], ["s1_1.exr and ", "s2_3.exr are of two"]),
        ("", ["z_1.exr", "z_1.png"], ["z_1.exr and ", "z_1.png are both frame 1"]),
        ("", ["z_1.exr", "thumb.png"], ["thumb.png has no frame number"]),
        ("", ["readme.txt"], ["there are no pictures"]),
        ("a_##_b_##.exr", ["a_01_b_01.exr"], ["two places for the frame number"]),
        ("b_####.exr", ["a_0001.exr"], ["there are no pictures"]),
        ("b_0001.exr", ["a_0001.exr"], ["there is no file"]),
        ("thumb.png", ["thumb.png"], ["no frame number"]),
    ],
)
def test_names_that_make_no_sequence_are_told(found, source, names, words):
    with pytest.raises(PictureNamesError) as caught:
        found(source, names)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_no_pictures(found):
    assert found("depth.npz", ["depth.npz"]) is None
