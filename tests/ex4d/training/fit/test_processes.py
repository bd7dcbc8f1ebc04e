"""Several processes make the same steps as one."""

from __future__ import annotations

import pytest
import torch

from ex4d.cli.main import main

from .conftest import assert_same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not torch.distributed.is_gloo_available(), reason="this torch has no gloo for CPU processes"
    ),
]
LOOKS = {"held_out": 1, "samples": 1, "sample_steps": 2, "sample_every": 2}


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "one"
    assert main(["train", *flags(folder, **LOOKS)]) == 0
    return folder


def test_two_processes_train_as_one_that_takes_both_samples(train_in, alone, tmp_path):
    out = train_in(tmp_path / "two", 2, steps=2, **LOOKS)
    assert out.count("held out") == 1
    train_in(tmp_path / "two", 2, steps=4, **LOOKS)  # goes on in two, too
    assert_same(tmp_path / "two", alone, atol=1e-6)
    for video in (alone / "samples").rglob("*.mp4"):
        assert (tmp_path / "two" / video.relative_to(alone)).exists()


def test_split_frozen_weights_train_as_whole_ones(train_in, alone, tmp_path):
    out = train_in(tmp_path / "split", 2, "--shard", **LOOKS)
    assert "frozen weights split over the GPUs" in out
    assert_same(tmp_path / "split", alone, atol=1e-6)
