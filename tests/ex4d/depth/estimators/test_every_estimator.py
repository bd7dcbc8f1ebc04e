"""What every estimator of the catalogue keeps, on tiny weights in the published formats."""

from __future__ import annotations

import logging
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.depth.estimators.loading import load_estimator
from ex4d.errors import TooLargeError, WeightsError

from .conftest import frames

# diffusers 0.42 hands tensors to NumPy 2 in a way that NumPy says will end
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DISTINCT = ("moge", "depth-anything", "depth-pro", "depthcrafter")  # the others load as one of them
FILES = [
    pytest.param(name, part, file, id=f"{name}-{file}")
    for name in DISTINCT
    for part in ESTIMATORS[name].parts
    for file in part.files
]
TENSORS = [case for case in FILES if case.values[2].endswith(".safetensors")]


def load(name, models):
    return load_estimator(ESTIMATORS[name], models, torch.device("cpu"))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_single_frame_of_an_odd_size_has_a_prediction_of_its_size(models, name):
    prediction = load(name, models).predict(frames(1, (53, 37)), lambda done, total: None)
    assert prediction.disparity.shape == (1, 37, 53)
    assert prediction.disparity.dtype == np.float32
    assert np.isfinite(prediction.disparity).all()
    if prediction.scale == "metric":
        assert prediction.disparity.min() >= 0
    if prediction.intrinsics is not None:
        assert prediction.intrinsics.shape == (1, 3, 3)
    if prediction.confidence is not None:
        assert prediction.confidence.shape == (1, 37, 53)
        assert 0 <= prediction.confidence.min() <= prediction.confidence.max() <= 1


@pytest.mark.parametrize("name", DISTINCT)
def test_a_lack_of_memory_is_said_with_what_would_fit(models, name):
    def full(done, total):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    with pytest.raises(TooLargeError) as caught:
        load(name, models).predict(frames(2, (128, 96)), full)
    assert "2 frames of 128x96" in str(caught.value)
    assert "try 96x72, or fewer frames" in str(caught.value)


@contextmanager
def library_reports():
    """What the libraries log. Their loggers write to the terminal themselves."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


def test_a_gpu_without_room_for_the_weights_is_said_with_what_would_fit(tmp_path, monkeypatch):
    raises = 'raise __import__("torch").OutOfMemoryError("CUDA out of memory.")'
    (tmp_path / "full_gpu.py").write_text(f"def load(folders, device):\n    {raises}\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = replace(ESTIMATORS["moge"], module="full_gpu")
    with pytest.raises(TooLargeError, match=r"MoGe-2 needs 6 GiB .* try depth-anything, "):
        load_estimator(entry, tmp_path, torch.device("cpu"))


def refusal(name, models, tmp_path, change) -> str:
    """What is said of weights that `change`, given the folder of all models, has changed. The
    libraries must say nothing beside it."""
    for part in ESTIMATORS[name].parts:
        shutil.copytree(models / part.folder, tmp_path / part.folder)
    change(tmp_path)
    with library_reports() as reports, pytest.raises(WeightsError) as caught:
        load(name, tmp_path)
    assert reports == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "part", "file"), FILES)
@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_damaged_file_is_told_by_its_folder(models, tmp_path, name, part, file, content):
    def change(folder):
        path = folder / part.folder / file
        path.unlink()
        if content is not None:
            path.write_bytes(content)

    text = refusal(name, models, tmp_path, change)
    assert str((tmp_path / part.folder / file).parent) in text


@pytest.mark.parametrize(("name", "part", "file"), TENSORS)
@pytest.mark.parametrize(
    ("given", "problem"),
    [(None, "missing keys"), (torch.zeros(3, 5, 7), "has the shape [3, 5, 7]")],
)
def test_a_tensor_that_does_not_fit_is_named(models, tmp_path, name, part, file, given, problem):
    tensors = load_file(models / part.folder / file)
    tensor = sorted(tensors)[3]
    del tensors[tensor]
    if given is not None:
        tensors[tensor] = given

    def change(folder):
        save_file(tensors, folder / part.folder / file, {"format": "pt"})

    text = refusal(name, models, tmp_path, change)
    assert tensor in text
    assert problem in text


@pytest.mark.parametrize(("name", "part", "file"), TENSORS)
def test_a_tensor_too_many_is_named(models, tmp_path, name, part, file):
    tensors = load_file(models / part.folder / file) | {"no.such.weight": torch.zeros(2)}

    def change(folder):
        save_file(tensors, folder / part.folder / file, {"format": "pt"})

    assert "no.such.weight" in refusal(name, models, tmp_path, change)
