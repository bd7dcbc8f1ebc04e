"""The job kinds, done with the library.

reconstruct   reconstruction.npz; depth.npz where the depth was estimated; plate.mp4 where
              other programs show the clip otherwise than it was read
conditions    color.mp4, mask.mp4, backdrop.npz, camera.npz, summary.json
generate      result.mp4
shot          all of the last two; the engine gets the conditions from memory
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.devices import check_device
from backend.worker.clips import shown_clip_names
from backend.worker.condition_files import write_condition_files, written_meanwhile
from backend.worker.estimators import WarmEstimator
from backend.worker.library_inputs import link_blob, trajectory_of
from backend.worker.memory import allowed_bytes
from backend.worker.previews import make_strip
from backend.worker.reconstruction import reconstruct
from backend.worker.scenes import read_scene
from backend.worker.summary import write_summary
from ex4d.conditions.files import read_conditions
from ex4d.conditions.render import render_conditions
from ex4d.depth.files import write_depth
from ex4d.engines.base import (
    NEGATIVE_PROMPT,
    PROMPT,
    GenerateSettings,
    Watcher,
    result_metadata,
)
from ex4d.engines.choose import choose_engine
from ex4d.errors import Ex4dError, UsageError
from ex4d.files.npz import write_npz
from ex4d.raster.choose import make_rasterizer
from ex4d.video.frame_numbers import first_number_of, numbered_metadata
from ex4d.video.writer import write_video
from protocol.messages.jobs import Conditions, DepthEstimate, Generate, Reconstruct, Shot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np

    from backend.settings import ServerSettings
    from backend.worker.worker import JobContext
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.render import Conditions as RenderedConditions
    from ex4d.engines.base import Draw, Engine
    from ex4d.video.reader import Clip
    from protocol.messages.jobs import EngineSettings, Job

__all__ = ["JobRunner"]

_SUMMARY = "summary.json"
_PREVIEW_S = 0.5  # between two pictures


class JobRunner:
    """Does jobs on one device; engines and the rasteriser are made once.

    A job's files may make of themselves what `settings` say, and what the memory of this process
    allows. Raises RuntimeError when the device does not work, and what make_rasterizer raises.
    """

    def __init__(self, device: str, settings: ServerSettings) -> None:
        check_device(device)  # the process sees no other
        self._budget = settings.budget()
        if (memory_bytes := allowed_bytes()) is not None:
            self._budget = self._budget.within(memory_bytes)
        self._rasterizer = make_rasterizer(settings.rasterizer)
        self._options = settings.engine_options()
        self._engines: dict[str, Engine] = {}
        self._estimator = WarmEstimator(settings.models_folder, self._engines.clear)

    def run(self, context: JobContext) -> list[str]:
        """Do one job and return the names of the results in the scratch folder."""
        inputs = context.scratch / "inputs"
        inputs.mkdir()
        try:
            return self._run(context, context.job, inputs)
        except Ex4dError as error:
            text = error.reason
            for path, name in _shown_names(context.job, inputs, context.scratch):
                text = text.replace(path, name)
            raise type(error)(text, advice=error.advice) from error

    def free_memory(self) -> None:
        """Let go of the engines, and of what a framework keeps on the GPU."""
        self._engines.clear()
        self._estimator.free()

    def _run(self, context: JobContext, job: Job, inputs: Path) -> list[str]:
        match job:
            case Reconstruct():
                return self._reconstruct(context, job, inputs)
            case Conditions():
                conditions, trajectory, clip = self._rendered(context, job, inputs)
                told = _reporter(context, "write")
                write_condition_files(context, conditions, trajectory, clip, told)
                _summarise(context, conditions, clip)
                return _condition_names(context)
            case Generate():
                self._generate(context, job, inputs)
            case Shot():
                engine = self._engine(job.engine)  # one that cannot run costs no rendering
                conditions, trajectory, clip = self._rendered(context, job, inputs)
                timing = _Timing(clip.fps, clip.start_number)
                with written_meanwhile(context, conditions, trajectory, clip):
                    width, height = self._finish(context, engine, job, conditions, timing)
                settings: dict[str, str | int] = {"engine": engine.name, "seed": job.seed}
                settings |= {"width": width, "height": height}  # the engine may choose its own
                _summarise(context, conditions, clip, settings)
                return [*_condition_names(context), "result.mp4"]
        return ["result.mp4"]

    def _reconstruct(self, context: JobContext, job: Reconstruct, inputs: Path) -> list[str]:
        clip, scene, depth = read_scene(context, job, inputs, self._estimator, self._budget)
        arrays = reconstruct(scene, clip, _reporter(context, "mesh"))
        context.progress("write", 0, 1)
        write_npz(context.scratch / "reconstruction.npz", arrays)
        names = ["reconstruction.npz"]
        if isinstance(job.source.depth, DepthEstimate):
            write_depth(context.scratch / "depth.npz", depth)
            names.append("depth.npz")
        if not clip.is_as_stored:
            write_video(context.scratch / "plate.mp4", _watched(context, clip.frames), clip.fps)
            names.append("plate.mp4")
        context.progress("write", 1, 1)
        return names

    def _rendered(
        self, context: JobContext, job: Conditions | Shot, inputs: Path
    ) -> tuple[RenderedConditions, Trajectory, Clip]:
        clip, scene, _ = read_scene(context, job, inputs, self._estimator, self._budget)
        trajectory = trajectory_of(job.trajectory, clip)
        conditions = render_conditions(
            scene,
            trajectory,
            self._rasterizer,
            with_backdrop=True,
            progress=_reporter(context, "render"),
        )
        return conditions, trajectory, clip

    def _generate(self, context: JobContext, job: Generate, inputs: Path) -> None:
        engine = self._engine(job.engine)
        context.progress("read", 0, 1)
        color = link_blob(context.inputs, job.color, inputs / "color.mp4")
        mask = link_blob(context.inputs, job.mask, inputs / "mask.mp4")
        if job.backdrop is not None:
            link_blob(context.inputs, job.backdrop, inputs / "backdrop.npz")
        conditions, fps = read_conditions(color, mask, self._budget)
        timing = _Timing(fps, first_number_of(color))
        self._finish(context, engine, job, conditions, timing)

    def _finish(
        self,
        context: JobContext,
        engine: Engine,
        job: Generate | Shot,
        conditions: RenderedConditions,
        timing: _Timing,
    ) -> tuple[int, int]:
        """Make the clip; return its width and height."""
        settings = _settings(job.settings)
        watcher = _JobWatcher(context)
        frames = engine.generate(conditions, seed=job.seed, settings=settings, watcher=watcher)
        metadata = result_metadata(engine, job.seed, settings)
        metadata = numbered_metadata(metadata, timing.first_number)
        watched = _watched(context, frames)
        write_video(context.scratch / "result.mp4", watched, timing.fps, metadata=metadata)
        return int(frames.shape[2]), int(frames.shape[1])

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._estimator.free()
            engine = choose_engine(name, self._options)[0]
            # One that was made under another name is the same, and its models fit only once.
            self._engines[name] = self._engines.setdefault(engine.name, engine)
        return self._engines[name]


@dataclass(frozen=True)
class _Timing:
    """How a result's frames follow each other, and what the first is called."""

    fps: Fraction
    first_number: int | None


def _summarise(
    context: JobContext,
    conditions: RenderedConditions,
    clip: Clip,
    settings: dict[str, str | int] | None = None,
) -> None:
    write_summary(context.scratch / _SUMMARY, conditions.mask, clip, settings)


def _condition_names(context: JobContext) -> list[str]:
    names = ("color.mp4", "mask.mp4", "backdrop.npz", "camera.npz", _SUMMARY)
    return [name for name in names if (context.scratch / name).exists()]


def _settings(given: EngineSettings | None) -> GenerateSettings:
    """What a job asks of an engine, with the engine's own prompts where it names none."""
    if given is None:
        return GenerateSettings()
    if (given.width is None) != (given.height is None):
        raise UsageError("width and height of the engine's settings are given both or neither")
    return GenerateSettings(
        num_inference_steps=given.num_inference_steps,
        guidance_scale=given.guidance_scale,
        guidance_until=given.guidance_until,
        step_cache=given.step_cache,
        shift=given.shift,
        precision=given.precision,
        size=None if given.width is None or given.height is None else (given.width, given.height),
        keep_source=given.keep_source,
        steps_lora=given.steps_lora,
        prompt=PROMPT if given.prompt is None else given.prompt,
        negative_prompt=(
            NEGATIVE_PROMPT if given.negative_prompt is None else given.negative_prompt
        ),
    )


class _JobWatcher(Watcher):
    """Tells a job's client what its engine does, and stops the engine when the job is cancelled."""

    def __init__(self, context: JobContext, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._next_s = float("-inf")  # of a preview

    def progress(self, stage: str, done: int, total: int) -> None:
        self._context.progress(stage, done, total)

    def preview(self, draw: Draw) -> None:
        """Draw at most twice a second, and only while somebody looks."""
        if self._context.wants_previews and self._clock() >= self._next_s:
            self._next_s = self._clock() + _PREVIEW_S
            self._context.preview(make_strip(draw()))


def _reporter(context: JobContext, stage: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        context.progress(stage, done, total)

    return report


def _watched(context: JobContext, frames: np.ndarray) -> Iterator[np.ndarray]:
    """Give the frames to a writer one by one, so that a cancel is noticed between them."""
    for number, frame in enumerate(frames):
        context.progress("write", number, len(frames))
        yield frame
    context.progress("write", len(frames), len(frames))


def _shown_names(job: Job, inputs: Path, scratch: Path) -> list[tuple[str, str]]:
    """Paths that mean nothing to a client, and what it calls them."""
    names = [(f"{inputs}/", ""), (f"{scratch}/", "")]
    if isinstance(job, Generate):
        return names
    return [*shown_clip_names(job.source, inputs), *names]
