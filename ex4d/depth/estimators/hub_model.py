"""Models loaded strictly from a folder as the hub has it."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["load_hub_model", "loading_errors", "read_settings"]


def load_hub_model(
    model_class: Any,  # of transformers or diffusers
    folder: Path,
    device: torch.device,
    *,
    dtype: torch.dtype = torch.float32,
    variant: str | None = None,  # of the weights' file: "fp16" for model.fp16.safetensors
) -> Any:
    """Load a model, ready to run, from `config.json` and its weights as safetensors.

    Nothing is fetched and no code of the folder is run. Raises WeightsError, naming the folder and
    the tensor, when something is missing, left over, damaged or of another shape.
    """
    read_settings(folder / "config.json")
    with loading_errors(folder):
        model, found = model_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are told, and refused below
            output_loading_info=True,
            dtype=dtype,
            variant=variant,
        )
    _check(found, folder)
    return model.to(device).eval().requires_grad_(False)


def _check(found: dict[str, Any], folder: Path) -> None:
    """Raise WeightsError for what a library reports of tensors that do not fit."""
    for name, given, needed in sorted(found.pop("mismatched_keys", ())):
        shapes = f"{list(given)}; {list(needed)} is needed"
        raise WeightsError(f"{name} in {folder} has the shape {shapes}")
    for problem, names in found.items():
        if names:
            name = sorted(map(str, names))[0]
            raise WeightsError(f"{problem.replace('_', ' ')} in {folder}: {name}, for one")


@contextmanager
def loading_errors(folder: Path) -> Iterator[None]:
    """Turn whatever a library raises for files that do not fit into WeightsError.

    Meanwhile the libraries draw no progress bars and write no reports of their own: these call
    some tensors harmless that are refused here.
    """
    from transformers.utils.logging import (
        disable_progress_bar,
        enable_progress_bar,
        is_progress_bar_enabled,
    )

    shows = is_progress_bar_enabled()
    disable_progress_bar()
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # of a dozen types
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"the weights in {folder} cannot be loaded ({reason})") from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if shows:
            enable_progress_bar()


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises WeightsError when it is missing or none."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read ({error})") from None
    if not isinstance(settings, dict):
        raise WeightsError(f"{path} is no JSON object")
    return settings
