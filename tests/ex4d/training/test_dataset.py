"""A dataset on disk: what is written is what is read, and what is wrong is named."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.errors import InputError
from ex4d.training.dataset import (
    ClipRecord,
    DatasetSettings,
    MaskRecord,
    PathRecord,
    clip_folder,
    read_dataset,
    read_record,
    read_settings,
    write_record,
    write_settings,
)

SETTINGS = DatasetSettings(512, 512, 49, 1, 0, {"rendering": 1, "tracking": 1}, "dis", None)
MASKS = (
    MaskRecord("rendering", "mask_rendering_0.mp4", 7, PathRecord("orbit", {"a": 40.5}), 0.6, 0.25),
    MaskRecord("tracking", "mask_tracking_0.mp4", 8, None, 0.7, 0.5),
)


def record_of(name: str = "walk", **changes: object) -> ClipRecord:
    given = {"source": f"{name}.mp4", "first_frame": 0, "stride": 1, "fps": Fraction(30000, 1001)}
    given |= {"depth": f"{name}.npz", "prompt": "a walk", "masks": MASKS}
    return ClipRecord(name, **{**given, **changes})


def add(dataset, record: ClipRecord):
    """Write a clip whose videos are empty files; return its folder."""
    folder = clip_folder(dataset, record.name)
    folder.mkdir(parents=True)
    for name in ("gt.mp4", *(mask.file for mask in record.masks)):
        (folder / name).touch()
    write_record(folder, record)
    return folder


@pytest.fixture
def dataset(tmp_path):
    write_settings(tmp_path, SETTINGS)
    add(tmp_path, record_of())
    return tmp_path


@given(
    source=st.text(st.characters(exclude_characters="\0"), min_size=1),
    prompt=st.text(st.characters(exclude_categories=["Cs"])),
    fps=st.fractions(Fraction(1, 1000), 1000),
)
def test_a_record_comes_back_as_it_was(tmp_path_factory, source, prompt, fps):
    record = record_of(source=source, prompt=prompt, fps=fps)
    folder = add(tmp_path_factory.mktemp("dataset"), record)
    assert read_record(folder) == record


def test_a_name_that_is_not_utf8_comes_back_as_it_was(tmp_path):
    record = record_of(source="Bl\udcfcte.mp4")
    assert read_record(add(tmp_path, record)) == record


def test_settings_come_back_as_they_were(tmp_path):
    write_settings(tmp_path, SETTINGS)
    assert read_settings(tmp_path) == SETTINGS


def test_the_rate_is_written_as_a_fraction(dataset):
    content = json.loads((clip_folder(dataset, "walk") / "clip.json").read_text())
    assert (content["format"], content["fps"]) == (1, "30000/1001")


def test_clips_come_in_the_order_of_their_sources_and_frames(dataset):
    for name, source, first_frame in (
        ("b", "zoo.mp4", 98),
        ("c", "zoo.mp4", 49),
        ("d", "a.mp4", 0),
    ):
        add(dataset, record_of(name, source=source, first_frame=first_frame))
    assert [clip.name for clip in read_dataset(dataset).clips] == ["d", "walk", "c", "b"]


def test_videos_of_a_clip_lie_in_its_folder(dataset):
    read = read_dataset(dataset)
    folder = dataset / "clips" / "walk"
    assert read.video(read.clips[0]) == folder / "gt.mp4"
    assert read.mask(read.clips[0], MASKS[1]) == folder / "mask_tracking_0.mp4"


def test_unfinished_work_is_not_read(dataset):
    (dataset / "clips" / ".walk-2.partial").mkdir()
    assert len(read_dataset(dataset).clips) == 1


def test_a_dataset_without_clips_is_empty(tmp_path):
    write_settings(tmp_path, SETTINGS)
    assert read_dataset(tmp_path).clips == ()


def test_a_folder_that_is_no_dataset_is_named(tmp_path):
    with pytest.raises(InputError, match=r"is not a dataset .* no dataset\.json in it") as caught:
        read_dataset(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("file", ["dataset.json", "clips/walk/clip.json"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b"\x00\xff\xfe", "is damaged"),
        (b'{"format": 1', "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "has format None"),
        (b'{"format": 2}', "has format 2, this version reads format 1"),
        (b'{"format": 1}', "missing required field"),
    ],
)
def test_a_damaged_file_is_named(dataset, file, content, words):
    (dataset / file).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_dataset(dataset)
    assert str(dataset / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("fps", "24/0", "'24/0' is no frame rate"),
        ("fps", -24, "-24 is no frame rate"),
        ("first_frame", "0", "Expected `int`, got `str`"),
        ("masks", [{"kind": "stencil"}], r"`\$.masks\[0\].kind`|missing required"),
    ],
)
def test_a_wrong_value_is_named(dataset, field, value, words):
    path = clip_folder(dataset, "walk") / "clip.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=words):
        read_dataset(dataset)


@pytest.mark.parametrize("name", ["gt.mp4", "mask_tracking_0.mp4", "clip.json"])
def test_a_missing_file_is_named(dataset, name):
    (clip_folder(dataset, "walk") / name).unlink()
    with pytest.raises(InputError, match="there is no ") as caught:
        read_dataset(dataset)
    assert name in str(caught.value)


def test_a_copied_folder_is_named(dataset):
    clip_folder(dataset, "walk").rename(clip_folder(dataset, "run"))
    with pytest.raises(InputError, match=r"run/clip\.json belongs to another clip, walk"):
        read_dataset(dataset)
