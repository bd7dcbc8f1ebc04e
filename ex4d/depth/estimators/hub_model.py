"""Models of the library transformers, loaded strictly from a folder as the hub has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ex4d.errors import WeightsError
from ex4d.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__all__ = ["load_hub_model", "read_settings"]


def load_hub_model(name: str, folder: Path, device: torch.device) -> Any:
    """Load a model of the class `name`, ready to run in fp32, from `config.json` and
    `model.safetensors`.

    Nothing is fetched and no code of the folder is run. Raises WeightsError, naming the folder and
    the tensor, when something is missing, left over, damaged or of another shape.
    """
    read_settings(folder / "config.json")
    declare_torchvision_operators()
    import transformers

    try:
        model, found = getattr(transformers, name).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype="float32",
        )
    except Exception as error:  # the library raises a dozen types for files that do not fit
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"the weights in {folder} cannot be loaded ({reason})") from None
    for problem, names in found.items():
        if names:
            name = sorted(map(str, names))[0]
            raise WeightsError(f"{problem.replace('_', ' ')} in {folder}: {name}, for one")
    return model.to(device).eval().requires_grad_(False)


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
