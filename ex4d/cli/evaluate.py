"""evaluate: how near results come to the truth, of one clip or of clips held out from training"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import progress_bar, say, tell
from ex4d.cli.reading_flags import add_reading_flags, reading_of_flags
from ex4d.engines.base import EngineOptions, GenerateSettings
from ex4d.engines.catalogue import engine_named
from ex4d.engines.choose import ENGINE_NAMES, choose_engine
from ex4d.errors import UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_folder
from ex4d.training.dataset import read_settings
from ex4d.training.evaluation.generating import Generation, held_out_subjects
from ex4d.training.evaluation.report import REPORT_FILES, table_lines, write_report
from ex4d.training.evaluation.scoring import NetworkFiles, Scorer, Subject

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

__all__ = ["add_arguments", "run"]

_DEFAULTS = GenerateSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.epilog = (
        "Nothing is downloaded. Licences of the weights, as their authors state them: AlexNet "
        "BSD-3-Clause, LPIPS BSD-2-Clause, Inception and I3D Apache-2.0."
    )
    add = parser.add_argument
    add("--output_dir", required=True, type=Path, help="for scores.csv, scores.json, curves.png")
    one = parser.add_argument_group("one result")
    add = one.add_argument
    add("--result_video", type=Path, help="what was generated")
    add("--truth_video", type=Path, help="what the camera really films; same size and length")
    add("--mask_video", type=Path, help="mask_<cam>.mp4 of recon: seen and unseen for themselves")
    add_reading_flags(one)  # of the truth: results are ready pictures
    many = parser.add_argument_group("clips of a dataset, generated first")
    add = many.add_argument
    add("--dataset", type=Path, help="folder made by ex4d masks")
    add("--held_out", type=int, default=4, help="as it was for ex4d train (default 4)")
    add("--engine", choices=ENGINE_NAMES, default="auto", help="as of ex4d generate")
    add("--models", type=Path, help="folder of the weights; default: $EX4D_MODELS")
    add("--checkpoint", type=Path, help="ex4d.ckpt of a training run")
    add("--vram", type=int, choices=(80, 48, 24, 16), help="GiB of the GPU to plan for")
    add("--seed", type=int, default=0)
    add("--num_inference_steps", type=int, default=_DEFAULTS.num_inference_steps)
    add("--guidance_scale", type=float, default=_DEFAULTS.guidance_scale)
    weights = parser.add_argument_group("metrics that need weights: yours")
    add = weights.add_argument
    add("--lpips_alexnet", type=Path, help="torchvision's alexnet-owt-7be5be79.pth")
    add("--lpips_heads", type=Path, help="LPIPS's weights/v0.1/alex.pth")
    add("--fid_weights", type=Path, help="pytorch-fid's pt_inception-2015-12-05-6726825d.pth")
    add("--fvd_network", type=Path, help="i3d_torchscript.pt; a program, from who you trust")


def run(arguments: argparse.Namespace) -> int:
    """Measure, and write what was measured."""
    single = (arguments.result_video, arguments.truth_video)
    if (arguments.dataset is None) == (None in single):
        raise UsageError("give --result_video and --truth_video, or --dataset")
    scorer = Scorer(
        NetworkFiles(
            arguments.lpips_alexnet,
            arguments.lpips_heads,
            arguments.fid_weights,
            arguments.fvd_network,
        )
    )
    reads = (*single, arguments.mask_video)
    made_by = Run("evaluate", reads=tuple(path for path in reads if path is not None))
    with staged_folder(arguments.output_dir, made_by, REPORT_FILES) as folder:
        with progress_bar("evaluate", "result") as report:
            scores = [scorer.score(subject) for subject in _subjects(arguments, report)]
        distances = scorer.distances()
        write_report(folder, scores, distances)
    for line in table_lines(scores, distances):
        tell(line)
    say("wrote", str(arguments.output_dir))
    return 0


def _subjects(
    arguments: argparse.Namespace, report: Callable[[int, int], None]
) -> Iterable[Subject]:
    if arguments.dataset is None:
        result: Path = arguments.result_video
        reading = reading_of_flags(arguments)
        return [Subject(result.stem, result, arguments.truth_video, arguments.mask_video, reading)]
    dataset = read_settings(arguments.dataset)
    options = EngineOptions(arguments.models, arguments.vram, checkpoint=arguments.checkpoint)
    engine, reason = choose_engine(arguments.engine, options)
    say("engine", f"{engine.name} ({reason})")
    settings = GenerateSettings(
        num_inference_steps=arguments.num_inference_steps,
        guidance_scale=arguments.guidance_scale,
        size=(dataset.width, dataset.height),
    )
    adapter = engine_named(engine.name).weights_id(options)
    generation = Generation(engine, settings, arguments.seed, adapter)
    results = arguments.output_dir / "results"
    return held_out_subjects(arguments.dataset, arguments.held_out, results, generation, report)
