"""What the tests of training share; nobody writes into what lasts for the session."""

from __future__ import annotations

import pytest

from ex4d.cli.main import main
from ex4d.training.cache.creation import CacheJob, make_cache
from ex4d.training.dataset_creation import make_dataset
from ex4d.training.videos import MasksJob
from tests.ex4d.engines.wan import tiny
from tests.ex4d.torch_threads import one_thread  # noqa: F401  (a fixture)

from .jobs import settings_of
from .scenes import write_clip


@pytest.fixture
def job(tmp_path) -> MasksJob:
    return MasksJob(tmp_path / "videos", tmp_path / "dataset", settings_of())


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tiny.write_models(tmp_path_factory.mktemp("tiny") / "models")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Four clips of 9 frames, 64x64, from three videos; one has a prompt."""
    folder = tmp_path_factory.mktemp("dataset")
    for name, n_frames, seed in (("a", 18, 0), ("b", 9, 1), ("c", 9, 2)):
        write_clip(folder / "videos", name, n_frames=n_frames, size=(80, 64), seed=seed)
    (folder / "videos" / "b.txt").write_text("a red room")
    settings = settings_of(num_frames=9, masks={"rendering": 1, "tracking": 1})
    job = MasksJob(folder / "videos", folder / "dataset", settings)
    make_dataset(job, workers=1, report=lambda *_: None)
    return job.dataset


@pytest.fixture(scope="session")
def make_cache_of(models, dataset):
    """A function that encodes the dataset, or another, into a folder."""

    def make(folder, *, dataset=dataset, models=models, flip=False, devices=("cpu",)):
        job = CacheJob(dataset, folder, models, flip, devices)
        return make_cache(job, lambda *_: None)

    return make


@pytest.fixture(scope="session")
def cache(make_cache_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache_of(folder, flip=True)
    return folder


@pytest.fixture
def ex4d(capsys):
    """A function that runs the command in this process: its exit code, and what it printed."""

    def run(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run
