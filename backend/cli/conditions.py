"""What `submit` sends in place of a clip: conditions that were rendered elsewhere; and the flags of
the engine that makes the finished clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.link import send_file
from ex4d.conditions.files import backdrop_beside
from ex4d.engines.base import PRECISIONS, WITH_STEPS_LORA
from ex4d.errors import UsageError
from ex4d.video.reader import probe
from protocol.messages.jobs import EngineSettings, Generate

if TYPE_CHECKING:
    import argparse

    from protocol.client import Client

__all__ = [
    "add_condition_flags",
    "add_engine_flags",
    "engine_settings_of",
    "files_of_conditions",
    "generate_job",
    "gives_conditions",
]

_SETTINGS = {  # the fields of EngineSettings that are flags
    "num_inference_steps": int,
    "guidance_scale": float,
    "guidance_until": float,
    "step_cache": float,
    "shift": float,
    "prompt": str,
    "negative_prompt": str,
}


def add_condition_flags(parser: argparse.ArgumentParser) -> None:
    """Add --color and --mask."""
    add = parser.add_argument_group("conditions in place of a clip").add_argument
    add("--color", type=Path, help="color_<cam>.mp4 of recon, its backdrop beside it")
    add("--mask", type=Path, help="mask_<cam>.mp4 of recon")


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
    """Add those of the engine and its settings."""
    add = parser.add_argument_group("the finished clip").add_argument
    add("--engine", default="auto")
    add("--seed", type=int, default=0)
    for name, kind in _SETTINGS.items():
        add(f"--{name}", type=kind, help="default: the engine's own")
    add("--precision", choices=PRECISIONS, help="of the engine wan; fp8 is faster, and coarser")
    add("--keep_source", action="store_true", help="the source's own pixels where they are seen")
    add(
        "--steps_lora",
        action="store_true",
        help="4 steps without guidance, with the server's step-distilled LoRA",
    )


def engine_settings_of(arguments: argparse.Namespace) -> EngineSettings | None:
    """What the flags say; None where they say nothing. The server checks the values."""
    given = {name: getattr(arguments, name) for name in (*_SETTINGS, "precision")}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.steps_lora:
        usual = ("num_inference_steps", "guidance_scale")
        given = {name: getattr(WITH_STEPS_LORA, name) for name in usual} | given
    if not given and not arguments.keep_source:
        return None
    return EngineSettings(
        keep_source=arguments.keep_source, steps_lora=arguments.steps_lora, **given
    )


def gives_conditions(arguments: argparse.Namespace) -> bool:
    """Whether the flags give conditions. Raises UsageError for half of them, or for a clip, too."""
    given = [flag for flag in ("color", "mask") if getattr(arguments, flag) is not None]
    if given and (len(given) == 1 or arguments.input_video is not None):
        raise UsageError("--color and --mask go together, in place of --input_video")
    if given and arguments.kind != "shot":
        raise UsageError(
            f"--color and --mask are conditions already: leave --kind {arguments.kind}"
        )
    return bool(given)


def files_of_conditions(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """The videos and the backdrop, if there is one. Raises UsageError where they do not belong
    together, VideoError."""
    files: tuple[Path, ...] = (arguments.color, arguments.mask)
    color, mask = (probe(path) for path in files)
    if (color.native_size, color.n_frames) != (mask.native_size, mask.n_frames):
        raise UsageError(
            f"{arguments.color} and {arguments.mask} do not belong together: "
            f"{_measures(color.native_size, color.n_frames)} and "
            f"{_measures(mask.native_size, mask.n_frames)}"
        )
    backdrop = backdrop_beside(arguments.color)
    is_there = backdrop != arguments.color.with_suffix(".npz") and backdrop.is_file()
    return (*files, backdrop) if is_there else files


def _measures(size: tuple[int, int], n_frames: int | None) -> str:
    return f"{n_frames} frames of {size[0]}x{size[1]}"


def generate_job(
    client: Client, arguments: argparse.Namespace, files: tuple[Path, ...]
) -> Generate:
    """Send the files of `files_of_conditions`; the job that makes the finished clip of them."""
    color, mask, *backdrop = (send_file(client, path) for path in files)
    return Generate(
        color,
        mask,
        backdrop=backdrop[0] if backdrop else None,
        engine=arguments.engine,
        seed=arguments.seed,
        settings=engine_settings_of(arguments),
    )
