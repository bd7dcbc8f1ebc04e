"""verify: whether the real weights give what the public code gives; one report to send back"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import progress_bars, say
from ex4d.engines.base import EngineOptions
from ex4d.engines.catalogue import engine_named
from ex4d.engines.choose import choose_engine
from ex4d.engines.wan.engine import WanEngine
from ex4d.engines.wan.folder import find_models
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_folder
from ex4d.weights.example import FLOWER
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ex4d.verification.example import PublicExample
    from ex4d.verification.findings import Findings
    from ex4d.verification.modes import Mode

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--models", type=Path, help="folder of the weights; default: $EX4D_MODELS")
    add("--output_dir", type=Path, default=Path("outputs/verify"), help="for report and clips")
    add(
        "--example",
        type=Path,
        help="folder with render_180.mp4, mask_180.mp4 and output.mp4; default: that of ex4d "
        "download --example",
    )
    add("--golden", type=Path, help="a golden file; default: the one that comes with ex4d")
    add("--modes", help="some of the modes, such as exact,8-steps; default: all")
    add("--checkpoint", type=Path, help="ex4d.ckpt of a training run; default: the weights' own")
    add("--vram", type=int, choices=(80, 48, 24, 16), help="GiB of the GPU to plan for")


def run(arguments: argparse.Namespace) -> int:
    """Check the files, the golden model and the example, and write the report."""
    models = arguments.models or default_folder()
    options = EngineOptions(models, arguments.vram, checkpoint=arguments.checkpoint)
    choose_engine(WanEngine.name, options)  # raises, before anything is loaded, what is missing
    say("engine", engine_named(WanEngine.name).label)
    from ex4d.engines.wan.golden import bundled_golden
    from ex4d.verification.example import read_example
    from ex4d.verification.modes import modes_named
    from ex4d.verification.report import REPORT, SHEET, verdicts, write_report

    modes = modes_named(arguments.modes)
    folder = arguments.example or models / FLOWER.folder
    example, golden = read_example(folder), arguments.golden or bundled_golden()
    clips = [f"{mode.name}.mp4" for mode in modes]
    reads = [*(folder / file.name for file in FLOWER.files), golden, arguments.checkpoint]
    made_by = Run("verify", reads=tuple(path for path in reads if path is not None))
    with staged_folder(arguments.output_dir, made_by, [REPORT, SHEET, *clips]) as staging:
        with progress_bars("part") as report:
            findings = _found(options, golden, example, modes, report)
        _write_clips(staging, findings)
        write_report(staging, findings)
    for word, text in verdicts(findings):
        say(word, text)
    say("wrote", str(arguments.output_dir / REPORT))
    if findings.problem is not None:
        raise findings.problem
    return 0 if findings.is_right else 1


def _found(
    options: EngineOptions,
    golden: Path,
    example: PublicExample,
    modes: tuple[Mode, ...],
    report: Callable[[str, int, int], None],
) -> Findings:
    """Everything, one after the other; after a file that is wrong nothing more is run."""
    import torch

    from ex4d.verification.example import run_modes
    from ex4d.verification.files import check_files
    from ex4d.verification.findings import Findings, compare_all
    from ex4d.verification.golden import check_golden
    from ex4d.verification.machine import machine_facts, most_memory

    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if has_gpu else "cpu")
    machine = machine_facts()
    files = find_models(options.models or default_folder(), options.checkpoint)
    report("golden", 0, 1)
    checked = check_golden(golden, ("cpu", "cuda") if has_gpu else ("cpu",))
    found = check_files(files, device, lambda done, total: report("files", done, total))
    if any(check.problem is not None for check in found):
        return Findings(machine, found, checked, example)
    results = list(run_modes(example, modes, options, report))
    comparisons = compare_all(example, results)
    machine |= most_memory()
    return Findings(machine, found, checked, example, results, comparisons)


def _write_clips(folder: Path, findings: Findings) -> None:
    from ex4d.video.writer import write_video

    for result in findings.results:
        if result.frames is not None and findings.example is not None:
            path = folder / f"{result.mode.name}.mp4"
            write_video(path, result.frames, findings.example.fps)
