"""From a dataset to a cache, in this process and in others."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from ex4d.engines.base import NEGATIVE_PROMPT, PROMPT
from ex4d.engines.wan.folder import find_models
from ex4d.errors import InputError, MissingPartError, UsageError, WeightsError
from ex4d.training.cache.encoding import ClipEncoder, read_pictures
from ex4d.training.cache.files import read_cache, tensor_name
from ex4d.training.dataset import clip_folder, read_dataset, write_record, write_settings
from ex4d.video.writer import read_mask, write_mask
from tests.ex4d.engines.wan import tiny


@pytest.fixture
def copy(dataset, tmp_path):
    """The dataset, to be changed."""
    return shutil.copytree(dataset, tmp_path / "copy")


@pytest.fixture
def made(cache, tmp_path):
    """The cache, to be changed."""
    return shutil.copytree(cache, tmp_path / "made")


def stamps(cache):
    return {path.name: path.stat().st_mtime_ns for path in (cache / "clips").iterdir()}


def test_a_cache_has_every_clip_mask_and_prompt(cache, dataset):
    clips = read_dataset(dataset).clips
    ours = read_cache(cache)
    assert [entry.name for entry in ours.entries] == sorted(clip.name for clip in clips)
    assert {entry.prompt for entry in ours.entries} == {"", "a red room"}
    latents, features = (1, 16, 3, 8, 8), (1, 257, 1280)
    for entry in ours.entries:
        for mask, flipped in ((0, False), (1, True)):
            encoded = ours.encoded(entry, mask, flipped=flipped)
            shapes = [tuple(tensor.shape) for tensor in vars(encoded).values()]
            assert shapes == [latents] * 4 + [features]
    for prompt in ("", "a red room", PROMPT, NEGATIVE_PROMPT):
        assert ours.text(prompt).shape[1] == tiny.TEXT_DIM
    with pytest.raises(WeightsError, match="no file"):
        ours.text("another prompt")


def test_the_color_follows_the_mask_and_the_first_frame_does_not(cache):
    ours = read_cache(cache)
    one, other = (ours.encoded(ours.entries[0], mask) for mask in (0, 1))
    for part in ("video", "first", "features"):
        torch.testing.assert_close(getattr(one, part), getattr(other, part), rtol=0, atol=0)
    for part in ("color", "mask"):
        assert not torch.equal(getattr(one, part), getattr(other, part))


def test_flipped_entries_are_those_of_the_mirrored_clip(dataset, models, cache):
    ours, given = read_cache(cache), read_dataset(dataset)
    clip = given.clips[0]
    encoder = ClipEncoder(find_models(models), torch.device("cpu"))
    mirrored = encoder.encode(read_pictures(given, clip).flipped(), flip=False)
    entry = next(entry for entry in ours.entries if entry.name == clip.name)
    for mask in (0, 1):
        encoded = ours.encoded(entry, mask, flipped=True)
        for part, tensor in vars(encoded).items():
            number = mask if part in ("color", "mask") else None
            expected = mirrored[tensor_name(part, number)].half().float()
            torch.testing.assert_close(tensor[0], expected, rtol=0, atol=0)


def test_a_second_run_makes_only_what_is_missing_damaged_or_changed(make_cache_of, made, copy):
    first, second, third, _ = read_cache(made).entries
    (made / "clips" / f"{first.name}.safetensors").unlink()
    (made / "clips" / f"{second.name}.safetensors").write_bytes(b"cut")
    clips = {clip.name: clip for clip in read_dataset(copy).clips}
    changed = replace(clips[third.name], prompt="a wide view")
    write_record(clip_folder(copy, third.name), changed)
    before = stamps(made)
    summary = make_cache_of(made, dataset=copy, flip=True)
    assert (summary.n_made, summary.n_kept, summary.problems) == (3, 1, ())
    kept = {name for name, stamp in stamps(made).items() if before.get(name) == stamp}
    assert kept == {f"{read_cache(made).entries[3].name}.safetensors"}
    assert read_cache(made).entries[2].prompt == "a wide view"
    assert len(read_cache(made).text("a wide view")) > 0


def test_clips_that_are_no_longer_in_the_dataset_are_counted(make_cache_of, made, copy):
    shutil.rmtree(clip_folder(copy, read_dataset(copy).clips[0].name))
    assert make_cache_of(made, dataset=copy, flip=True).n_others == 1


@pytest.mark.slow
def test_two_workers_make_the_same_as_one(make_cache_of, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in this process: sums have one order
    summary = make_cache_of(tmp_path / "two", flip=True, devices=("cpu", "cpu"))
    assert summary.n_made == 4
    for path in sorted((cache / "clips").iterdir()):
        assert (tmp_path / "two" / "clips" / path.name).read_bytes() == path.read_bytes()


def test_a_cache_of_other_settings_is_refused_by_the_name_of_the_setting(
    make_cache_of, made, copy, models, tmp_path
):
    before = stamps(made)
    with pytest.raises(UsageError, match="has_flipped is True there, and False now"):
        make_cache_of(made)
    other = shutil.copytree(models, tmp_path / "models")
    vae = next(other.rglob("Wan2.1_VAE.pth"))
    torch.save(tiny.make_vae(seed=9).state_dict(), vae)
    with pytest.raises(UsageError, match="vae is"):
        make_cache_of(made, models=other, flip=True)
    write_settings(copy, replace(read_dataset(copy).settings, num_frames=13))
    with pytest.raises(UsageError, match="num_frames is 9 there, and 13 now"):
        make_cache_of(made, dataset=copy, flip=True)
    assert stamps(made) == before


def test_a_folder_of_something_else_is_left_alone(make_cache_of, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match="something else than a cache"):
        make_cache_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_clips_that_cannot_be_encoded_are_named_and_the_others_made(make_cache_of, copy, tmp_path):
    dataset = read_dataset(copy)
    first, second, third, _ = dataset.clips
    dataset.video(first).write_bytes(b"no video")
    path = dataset.mask(second, second.masks[0])
    mask, fps = read_mask(path)
    mask[0, :8] = False
    write_mask(path, mask, fps)
    write_mask(dataset.mask(third, third.masks[1]), np.ones((5, 64, 64), np.bool_), fps)
    summary = make_cache_of(tmp_path / "cache", dataset=copy)
    assert summary.n_made == 1
    words = ("gt.mp4", "does not show all of frame 0", "has 5 frames of 64x64; its dataset has 9")
    for problem, word in zip(summary.problems, words, strict=True):
        assert word in problem


def test_an_empty_dataset_and_missing_weights_are_refused(make_cache_of, copy, tmp_path):
    with pytest.raises(MissingPartError, match=r"Wan2.1_VAE.pth and 3 more\): ex4d download"):
        make_cache_of(tmp_path / "cache", models=tmp_path)
    shutil.rmtree(copy / "clips")
    with pytest.raises(InputError, match="holds no clips"):
        make_cache_of(tmp_path / "cache", dataset=copy)
    assert not (tmp_path / "cache").exists()
