"""Every file of weights, read strictly: nothing missing, nothing over, all of the right shape."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ex4d.engines.base import PROMPT
from ex4d.engines.wan.architecture import make_transformer
from ex4d.engines.wan.checkpoint import read_checkpoint
from ex4d.engines.wan.load import load_geometry, load_image_encoder, load_vae, prompt_encoder
from ex4d.engines.wan.model import Sizes
from ex4d.engines.wan.prompts import fingerprint
from ex4d.engines.wan.weights import check_names, open_tensors, shapes_of
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.engines.wan.folder import ModelFiles

__all__ = ["FileCheck", "check_files"]


@dataclass(frozen=True)
class FileCheck:
    """What was found of one model."""

    model: str
    files: tuple[str, ...]  # their names
    size_bytes: int
    ids: tuple[str, ...]  # tell files apart: beginnings of a hash of their sizes and samples
    found: str  # what is in them
    problem: WeightsError | None
    seconds: float


def check_files(
    files: ModelFiles, device: torch.device, report: Callable[[int, int], None]
) -> list[FileCheck]:
    """Check all models, the one after the other. The transformer's values, 33 GB, are read when
    the engine loads, which checks them too; those of the others are read here."""
    steps: list[tuple[str, tuple[Path, ...], Callable[[], str]]] = [
        ("transformer", files.transformer, lambda: _transformer(files)),
        ("EX-4D's adapter", (files.checkpoint,), lambda: _adapter(files, device)),
        ("video autoencoder", (files.vae,), lambda: _count(files.vae, load_vae)),
        (
            "image encoder",
            (files.image_encoder,),
            lambda: _count(files.image_encoder, load_image_encoder),
        ),
        ("text encoder", (files.text_encoder,), lambda: _text_encoder(files, device)),
    ]
    checks = []
    for number, (model, paths, look) in enumerate(steps):
        report(number, len(steps))
        checks.append(_checked(model, paths, look))
    report(len(steps), len(steps))
    return checks


def _checked(model: str, paths: tuple[Path, ...], look: Callable[[], str]) -> FileCheck:
    started, found, problem = time.monotonic(), "", None
    try:
        found = look()
    except WeightsError as error:
        problem = error
    seconds = time.monotonic() - started
    there = [path for path in paths if path.is_file()]
    size = sum(path.stat().st_size for path in there)
    ids = tuple(fingerprint(path)[:12] for path in there)
    return FileCheck(model, tuple(path.name for path in paths), size, ids, found, problem, seconds)


def _transformer(files: ModelFiles) -> str:
    tensors = open_tensors(files.transformer)
    model = make_transformer(shapes_of(tensors))
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_names(tensors, expected, "the transformer")
    n_values = sum(math.prod(shape) for shape in expected.values())
    own = "" if model.sizes == Sizes() else "; not the sizes of Wan2.1-I2V-14B"
    return (
        f"{len(expected)} tensors, {n_values / 1e6:.1f} million values, {model.sizes.num_layers} "
        f"blocks {model.sizes.dim} wide{own}"
    )


def _adapter(files: ModelFiles, device: torch.device) -> str:
    checkpoint = read_checkpoint(files.checkpoint, shapes_of(open_tensors(files.transformer)))
    load_geometry(checkpoint.encoder, device)
    for pair in checkpoint.lora.values():
        for side in (pair.down, pair.up):
            if not torch.isfinite(side.load()).all():
                raise WeightsError(f"a change in {side.path} is not finite: the file is damaged")
    ranks = sorted({pair.rank for pair in checkpoint.lora.values()})
    n_tensors = 2 * len(checkpoint.lora) + len(checkpoint.encoder)
    return (
        f"{n_tensors} tensors: changes of {len(checkpoint.lora)} layers, rank "
        f"{', '.join(map(str, ranks))}, and the geometry encoder"
    )


def _count(path: Path, load: Callable[[Path, torch.device], object]) -> str:
    load(path, torch.device("cpu"))
    tensors = open_tensors([path])
    n_values = sum(math.prod(tensor.shape) for tensor in tensors.values())
    return f"{len(tensors)} tensors, {n_values / 1e6:.1f} million values"


def _text_encoder(files: ModelFiles, device: torch.device) -> str:
    """Encode a prompt anew, in a folder of its own: one that was kept would need no encoder."""
    with tempfile.TemporaryDirectory() as folder:
        (encoded,) = prompt_encoder(files, Path(folder), device)((PROMPT,))
    if not torch.isfinite(encoded).all():
        raise WeightsError(f"{files.text_encoder} makes values that are not finite of a prompt")
    n_tensors = len(open_tensors([files.text_encoder]))
    return f"{n_tensors} tensors; makes {len(encoded)} tokens of the usual prompt"
