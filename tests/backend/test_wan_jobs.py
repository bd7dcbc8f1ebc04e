"""The diffusion engine in a worker: tiny models, real processes."""

from __future__ import annotations

import json
import shutil
import uuid

import cv2
import numpy as np
import psutil
import pytest
from msgspec import structs
from safetensors.torch import save_file

from backend.executors.base import WorkerState
from backend.executors.local import LocalExecutor
from backend.offers import extra_of
from backend.service import JobService
from backend.settings import ServerSettings
from ex4d.engines.wan.folder import STEPS_LORA_FILE, STEPS_LORA_FOLDER
from ex4d.video.reader import probe
from ex4d.video.writer import read_metadata
from protocol.messages.jobs import EngineSettings, JobState, Shot
from tests.ex4d.cli.conftest import make_shot
from tests.ex4d.engines.wan import tiny

from .conftest import OWNER, Harness
from .test_job_runner import REAL, SIZE, arrays_of, path_of, source_of


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tiny.write_models(tmp_path_factory.mktemp("tiny") / "models")


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    return make_shot(tmp_path_factory.mktemp("shot"), 5, SIZE)


@pytest.fixture
def new(make_service, models, monkeypatch):
    """A service whose worker finds the tiny models, and has not loaded them yet."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return make_service(runner=REAL, settings=ServerSettings(models=models))


@pytest.fixture(scope="module")
def lasting(models, tmp_path_factory):
    """The same for the tests that do not ask what is loaded: to load torch takes longer than they
    do."""
    settings, before = ServerSettings(models=models), psutil.Process().children(recursive=True)
    executors = [LocalExecutor("cpu", settings, runner=REAL)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        service = JobService(tmp_path_factory.mktemp("wan") / "state", executors, settings)
    harness = Harness(service, executors)
    harness.until(lambda: executors[0].state is WorkerState.READY, "the worker's start")
    yield harness
    service.close()
    assert psutil.Process().children(recursive=True) == before


@pytest.fixture
def wan(lasting):
    lasting.events.clear()
    yield lasting
    lasting.service.on_preview = lambda picture: None
    lasting.service.shown = set()


def submit(harness, shot, settings=None) -> str:
    source = source_of(harness, shot, num_frames=5)
    job = Shot(source, arrays_of(path_of(5)), engine="wan", settings=settings)
    return harness.service.submit(OWNER, uuid.uuid4().hex, job)[0].job_id


def stages_of(harness, job_id) -> list[str]:
    stages = [info.stage for info in harness.events if info.job_id == job_id]
    return list(dict.fromkeys(stage for stage in stages if stage))


def test_a_shot_is_generated_and_the_models_stay_warm(new, shot):
    first = submit(new, shot)
    [info] = new.ended(first)
    assert info.state is JobState.DONE, info.error_text
    video = probe(new.service.blobs.path_of(info.results["result.mp4"]))
    assert (video.native_size, video.n_frames) == (SIZE, 5)
    expected = ["read", "render", "load", "text", "encode", "denoise", "decode", "write"]
    assert stages_of(new, first) == expected
    steps = [i.done for i in new.events if i.job_id == first and i.stage == "denoise"]
    assert steps[-1] == 25
    second = submit(new, shot)
    [again] = new.ended(second)
    assert "load" not in stages_of(new, second)
    assert again.results["result.mp4"] == info.results["result.mp4"]


def test_who_looks_sees_the_clip_as_it_becomes(wan, shot):
    pictures = []
    wan.service.on_preview = pictures.append
    job_id = submit(wan, shot)
    wan.service.shown = {job_id}
    [info] = wan.ended(job_id)
    assert info.state is JobState.DONE, info.error_text
    assert {picture.job_id for picture in pictures} == {job_id}
    picture = cv2.imdecode(np.frombuffer(pictures[-1].data, np.uint8), cv2.IMREAD_COLOR)
    assert pictures[-1].frames == 2  # latents of 5 frames
    assert picture.shape == (pictures[-1].height, pictures[-1].width, 3)


def test_a_cancel_ends_it_between_steps_and_the_worker_goes_on(wan, shot):
    job_id = submit(wan, shot)
    wan.reaches(job_id, "denoise")
    pid = wan.executors[0].pid
    wan.service.cancel(OWNER, job_id)
    [info] = wan.ended(job_id)
    assert info.state is JobState.CANCELLED
    assert info.done < 25
    following = submit(wan, shot)
    [done] = wan.ended(following)
    assert done.state is JobState.DONE
    assert wan.executors[0].pid == pid


def test_weights_that_do_not_fit_fail_the_job_in_a_sentence(new, shot, models, monkeypatch):
    checkpoint = models / "EX-4D" / "ex4d.ckpt"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    try:
        [info] = new.ended(submit(new, shot))
    finally:
        checkpoint.write_bytes(whole)
    assert (info.state, info.error_code) == (JobState.FAILED, "invalid_weights")
    assert "ex4d.ckpt is not a readable file of weights" in info.error_text


def test_one_server_makes_fast_clips_and_finals_in_turns(make_service, models, shot, tmp_path):
    """And a wrong LoRA among the weights costs only the jobs that ask for it."""
    weights = shutil.copytree(models, tmp_path / "models")
    lora = weights / STEPS_LORA_FOLDER / STEPS_LORA_FILE
    lora.parent.mkdir(parents=True)
    lora.write_bytes(b"no weights")
    settings = ServerSettings(models=weights)
    assert extra_of(settings.engine_options()) == {"steps_lora": lora.name}
    harness = make_service(runner=REAL, settings=settings)
    fast = EngineSettings(num_inference_steps=4, guidance_scale=1.0, steps_lora=True)
    plain = structs.replace(fast, steps_lora=False)
    [refused] = harness.ended(submit(harness, shot, fast))
    [first] = harness.ended(submit(harness, shot, plain))
    assert (refused.state, refused.error_code) == (JobState.FAILED, "invalid_weights")
    assert lora.name in refused.error_text
    assert first.state is JobState.DONE, first.error_text
    save_file(tiny.make_steps_lora(), lora)
    [made] = harness.ended(submit(harness, shot, fast))
    [again] = harness.ended(submit(harness, shot, plain))
    assert made.state is JobState.DONE, made.error_text
    assert made.results["result.mp4"] != first.results["result.mp4"]
    assert again.results["result.mp4"] == first.results["result.mp4"]


def test_a_fast_clip_needs_the_lora(wan, shot):
    fast = EngineSettings(num_inference_steps=4, guidance_scale=1.0, steps_lora=True)
    [info, wrong] = wan.ended(
        submit(wan, shot, fast), submit(wan, shot, structs.replace(fast, guidance_scale=5.0))
    )
    assert (info.error_code, wrong.error_code) == ("missing_part", "invalid_usage")
    assert info.error_text == "there is no step-distilled LoRA here"
    assert extra_of(wan.service.settings.engine_options()) == {}


def test_a_jobs_settings_reach_the_engine(wan, shot):
    asked = EngineSettings(
        num_inference_steps=2,
        guidance_until=0.5,
        step_cache=0.1,
        prompt="a red room",
        width=48,
        height=32,
    )
    one_side = EngineSettings(width=48)
    [info, refused] = wan.ended(submit(wan, shot, asked), submit(wan, shot, one_side))
    assert info.state is JobState.DONE, info.error_text
    result = wan.service.blobs.path_of(info.results["result.mp4"])
    assert probe(result).native_size == (48, 32)
    made = json.loads(read_metadata(result)["comment"])["settings"]
    assert (made["num_inference_steps"], made["prompt"]) == (2, "a red room")
    assert (made["guidance_until"], made["step_cache"]) == (0.5, 0.1)
    assert made["negative_prompt"].startswith("Bright tones")
    assert (refused.state, refused.error_code) == (JobState.FAILED, "invalid_usage")
