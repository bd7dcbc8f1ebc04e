"""Prompts, encoded once: the text encoder (11 GB) is loaded only for one that is new."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from ex4d.engines.wan.diffsynth import open_tokenizer
from ex4d.engines.wan.streaming import BlockStream
from ex4d.engines.wan.transformer import autocast
from ex4d.engines.wan.weights import open_tensors
from ex4d.errors import OutputError, WeightsError
from ex4d.files.outputs import atomic_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

__all__ = ["PromptCache", "TextEncoder", "fingerprint"]

_LONGEST = 512  # tokens
_PIECE = 1 << 16
_N_PIECES = 64


def fingerprint(path: Path) -> str:
    """Tell files of weights apart without reading all of 11 GB: the size, and 64 pieces of 64 KiB
    spread over the file."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for piece in range(_N_PIECES):
            file.seek(piece * max(0, size - _PIECE) // (_N_PIECES - 1))
            digest.update(file.read(_PIECE))
    return digest.hexdigest()


class PromptCache:
    """Encoded prompts in a folder, one small file each."""

    def __init__(self, folder: Path, encoder: str) -> None:
        self._folder = folder
        self._encoder = encoder  # the fingerprint of the encoder's weights

    def read(self, prompt: str) -> Tensor:
        """Return an encoded prompt [L, text_dim] that is in the folder. Raises WeightsError."""
        tensors = open_tensors([self._path(prompt)])
        if "context" not in tensors:
            raise WeightsError(f"{self._path(prompt)} is no encoded prompt")
        return tensors["context"].load()

    def get(self, prompt: str, encode: Callable[[], Tensor]) -> Tensor:
        """Return the encoded prompt [L, text_dim], out of the folder or newly encoded."""
        with suppress(WeightsError):  # not there, or damaged: made again
            return self.read(prompt)
        path = self._path(prompt)
        context = encode().contiguous().cpu()
        with suppress(OutputError, OSError):  # a folder that cannot be written costs only time
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_bytes(save({"context": context}))
        return context

    def _path(self, prompt: str) -> Path:
        key = hashlib.sha256(f"{self._encoder}\n{prompt}".encode()).hexdigest()
        return self._folder / f"{key}.safetensors"


class TextEncoder:
    """A WanTextEncoder whose blocks pass through the device one by one."""

    def __init__(self, encoder: Any, tokenizer_folder: Path, device: torch.device) -> None:
        self._encoder = encoder
        self._folder = tokenizer_folder
        self._device = device
        self._blocks = BlockStream(encoder.blocks, device=device, n_resident=0)
        encoder.norm.to(device)

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:  # [L, text_dim]
        """Encode a prompt; L is its number of tokens. Raises WeightsError for a tokenizer that
        cannot be read."""
        ids, mask = self._tokenized(prompt)
        tokens = self._encoder.token_embedding(ids).to(self._device)
        mask = mask.to(self._device)
        with autocast(self._device):
            for block in self._blocks:
                tokens = block(tokens, mask)
            context: Tensor = self._encoder.norm(tokens)
        return context[0, : int(mask.sum())]

    def _tokenized(self, prompt: str) -> tuple[Tensor, Tensor]:
        try:
            tokenizer = open_tokenizer(self._folder, _LONGEST)
            ids, mask = tokenizer(prompt, return_mask=True, add_special_tokens=True)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise WeightsError(f"{self._folder} is not a readable tokenizer ({reason})") from None
        return ids, mask
