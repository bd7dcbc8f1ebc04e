"""Files of weights, read strictly: every tensor is accounted for, and nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Shapes",
    "StoredTensor",
    "assign",
    "check_names",
    "open_tensors",
    "shapes_of",
    "with_names",
]

_NAMED_FILES = 8  # at most, in a sentence

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file; it is read when it is asked for."""

    path: Path
    shape: tuple[int, ...]
    load: Callable[[], torch.Tensor]


def open_tensors(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Return the tensors of one file, or of the parts of one model, by their names.

    Reads safetensors, and torch's own files with `weights_only`, mapped into memory.
    Raises WeightsError for what is missing, damaged or stored twice.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        for name, tensor in _open(path).items():
            if name in tensors:
                raise WeightsError(f"{name} is in {tensors[name].path} and in {path}")
            tensors[name] = tensor
    return tensors


def _open(path: Path) -> dict[str, StoredTensor]:
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    try:
        return _open_safetensors(path) if path.suffix == ".safetensors" else _open_torch(path)
    except WeightsError:
        raise
    except Exception as problem:  # a damaged file makes both libraries raise a dozen types
        reason = (str(problem) or type(problem).__name__).partition("\n")[0]
        raise WeightsError(f"{path} is not a readable file of weights ({reason})") from None


def _open_safetensors(path: Path) -> dict[str, StoredTensor]:
    file: Any = safe_open(path, framework="pt")

    def stored(name: str) -> StoredTensor:
        def load() -> torch.Tensor:
            try:
                return file.get_tensor(name)
            except SafetensorError as problem:
                raise WeightsError(f"{name} in {path} cannot be read ({problem})") from None

        return StoredTensor(path, tuple(file.get_slice(name).get_shape()), load)

    return {name: stored(name) for name in file.keys()}  # noqa: SIM118  (not a dict)


def _open_torch(path: Path) -> dict[str, StoredTensor]:
    contents = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    if isinstance(contents, dict) and len(contents) == 1:  # some files wrap the tensors once
        inner = next(iter(contents.values()))
        contents = inner if isinstance(inner, dict) else contents
    if not isinstance(contents, dict) or not contents:
        raise WeightsError(f"{path} holds no named tensors")
    for name, tensor in contents.items():
        if not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"{name} in {path} is not a tensor")
    return {
        name: StoredTensor(path, tuple(tensor.shape), partial(_itself, tensor))
        for name, tensor in contents.items()
    }


def _itself(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"  # the older format cannot be mapped


def with_names(
    tensors: Mapping[str, StoredTensor], rename: Callable[[str], str | None]
) -> dict[str, StoredTensor]:
    """Return the tensors under new names; those whose new name is None are left out."""
    named = {rename(name): replace(tensor) for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in named.items() if name is not None}


def shapes_of(tensors: Mapping[str, StoredTensor]) -> Shapes:
    """The shape of every tensor."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def _files_of(tensors: Mapping[str, StoredTensor]) -> str:
    """Where tensors lie: the names of some files, and their folder."""
    paths = sorted({tensor.path for tensor in tensors.values()})
    names = [path.name for path in paths[:_NAMED_FILES]]
    more = f" and {len(paths) - _NAMED_FILES} more" if len(paths) > _NAMED_FILES else ""
    return f"{', '.join(names)}{more} in {paths[0].parent}"


def check_names(tensors: Mapping[str, StoredTensor], expected: Shapes, what: str) -> None:
    """Raise WeightsError for the first tensor that is missing, unexpected or has another shape."""
    if not tensors:
        raise WeightsError(f"there are no weights of {what}")
    files = _files_of(tensors)
    for name, shape in expected.items():
        if name not in tensors:
            raise WeightsError(f"{name} of {what} is missing in {files}")
        if tensors[name].shape != tuple(shape):
            raise WeightsError(
                f"{name} in {tensors[name].path} has the shape {_text(tensors[name].shape)}; "
                f"{what} needs {_text(shape)}"
            )
    for name, tensor in tensors.items():
        if name not in expected:
            raise WeightsError(f"{name} in {tensor.path} is no part of {what}")


def _text(shape: Iterable[int]) -> str:
    return "x".join(str(side) for side in shape) or "of a single number"


def assign(
    module: Any,
    tensors: Mapping[str, StoredTensor],
    what: str,
    dtype: torch.dtype,
    change: Callable[[str, torch.Tensor], torch.Tensor] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    device: torch.device | None = None,
) -> None:
    """Give a module made `without_values` its weights, in `dtype` on the device, or on the CPU,
    ready to run.

    `change` may alter a tensor between the file and the module; `report` gets the tensors done and
    those in all. Raises WeightsError.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    check_names(tensors, expected, what)
    for done, name in enumerate(expected):
        report(done, len(expected))
        stored = tensors[name].load()
        # A copy: what a file was mapped to must not stay in use, it may be replaced.
        changed = stored if change is None else change(name, stored)
        value = changed.to(device or "cpu", dtype, copy=True)
        if not torch.isfinite(value).all():
            raise WeightsError(f"{name} in {tensors[name].path} is not finite: the file is damaged")
        module.load_state_dict({name: value}, strict=False, assign=True)
    module.eval().requires_grad_(False)
