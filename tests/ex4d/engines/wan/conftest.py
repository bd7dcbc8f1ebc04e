"""Tiny models on disk and small conditions for the engine wan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ex4d.conditions.render import Conditions
from ex4d.engines.base import EngineOptions, GenerateSettings, Watcher
from ex4d.engines.choose import choose_engine
from tests.ex4d.torch_threads import one_thread  # noqa: F401  (a fixture)

from . import tiny

GOLDEN = sorted((Path(__file__).parents[5] / "shared" / "golden").glob("wan_*.safetensors"))
FAST = GenerateSettings(num_inference_steps=2, prompt="a red room", negative_prompt="static")


@pytest.fixture(params=GOLDEN or [None], ids=lambda path: path.stem if path else "none")
def golden(request):
    """A file of tensors that the public code computed."""
    if request.param is None:
        pytest.skip("there is no folder ../shared/golden beside this clone")
    return request.param


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder of the tiny models; nobody changes anything but the prompts in it."""
    return tiny.write_models(tmp_path_factory.mktemp("tiny") / "models")


def make_conditions(n_frames=9, size=(48, 32), hole=np.s_[:, 8:24, 12:30]):
    """A coloured wall whose hole moves; frame 0 is whole."""
    width, height = size
    color = np.empty((n_frames, height, width, 3), np.uint8)
    color[..., 0] = np.linspace(40, 240, width)[None, None, :]
    color[..., 1] = np.linspace(40, 240, height)[None, :, None]
    color[..., 2] = np.linspace(60, 200, n_frames)[:, None, None]
    mask = np.ones((n_frames, height, width), bool)
    mask[hole] = False
    mask[0] = True
    color[~mask] = 0
    return Conditions(color, mask)


class Recorder(Watcher):
    """Notes what an engine tells, and may stop it."""

    def __init__(self, stop_at=None):
        self.stages, self.pictures, self.stop_at = [], [], stop_at

    def progress(self, stage, done, total):
        self.stages.append((stage, done, total))
        if self.stop_at == (stage, done):
            raise KeyboardInterrupt

    def preview(self, draw):
        self.pictures.append(draw())


@pytest.fixture(scope="session")
def wan(models):
    """A function: the engine on the tiny models, loaded once for each profile."""
    engines = {}

    def make(vram=80, lora="fused"):
        if (vram, lora) not in engines:
            options = EngineOptions(models, vram, lora)
            engines[vram, lora] = choose_engine("wan", options)[0]
        return engines[vram, lora]

    return make


@pytest.fixture(scope="session")
def generate(wan):
    """A function that makes a clip with the tiny models; settings may be changed by name."""

    def run(conditions=None, *, vram=80, lora="fused", seed=0, watcher=None, **changes):
        return wan(vram, lora).generate(
            conditions or make_conditions(),
            seed=seed,
            settings=replace(FAST, **changes),
            watcher=watcher or Watcher(),
        )

    return run
