"""Models loaded strictly from a folder as the hub has it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ex4d.errors import WeightsError
from ex4d.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

__all__ = ["check_loaded", "load_hub_model", "loading_errors", "read_settings"]


def load_hub_model(name: str, folder: Path, device: torch.device) -> Any:
    """Load a model of the class `name`, ready to run in fp32, from `config.json` and
    `model.safetensors`.

    Nothing is fetched and no code of the folder is run. Raises WeightsError, naming the folder and
    the tensor, when something is missing, left over, damaged or of another shape.
    """
    read_settings(folder / "config.json")
    declare_torchvision_operators()
    import transformers

    with loading_errors(folder):
        model, found = getattr(transformers, name).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype="float32",
        )
    check_loaded(found, folder)
    return model.to(device).eval().requires_grad_(False)


@contextmanager
def loading_errors(folder: Path) -> Iterator[None]:
    """Turn whatever a library raises for files that do not fit into WeightsError, and keep
    transformers from drawing progress bars of its own."""
    from transformers.utils import logging

    shows = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as error:  # of a dozen types
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"the weights in {folder} cannot be loaded ({reason})") from None
    finally:
        if shows:
            logging.enable_progress_bar()


def check_loaded(found: dict[str, Any], folder: Path) -> None:
    """Raise WeightsError for what a library reports of tensors that were missing or left over."""
    for problem, names in found.items():
        if names:
            name = sorted(map(str, names))[0]
            raise WeightsError(f"{problem.replace('_', ' ')} in {folder}: {name}, for one")


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
