"""Blocks of a model that come to the GPU when they run, while the one before them computes.

Some blocks stay on the device; the others lie packed in the host's memory, each in one piece, and
are copied into one of two places on the device by a stream of their own. In fp8 the weights of
linear layers take one byte each and are unpacked when their block runs, wherever it lies.
"""

from __future__ import annotations

import logging
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

__all__ = ["BlockStream", "Storage", "pack", "unpack"]

Storage = Literal["full", "fp8"]

_ALIGNMENT = 256  # bytes; where a tensor begins in the packed block
_FP8 = torch.float8_e4m3fn
_FP8_LARGEST = 448.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Piece:
    """Where a parameter lies in its packed block."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype  # of the parameter
    start: int  # bytes
    scales_start: int | None  # of fp8: float32, one for each row


def pack(
    block: Any, storage: Storage, device: torch.device | None = None
) -> tuple[Tensor, list[_Piece]]:
    """Return a block's parameters in one piece of bytes uint8 [n] on the CPU, and where each one
    lies. Rounding to fp8 is done on `device`: a CPU takes minutes for 16 billion weights."""
    pieces, parts, end = [], [], 0

    def append(tensor: Tensor) -> int:
        nonlocal end
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        padding = -end % _ALIGNMENT
        parts.extend([torch.zeros(padding, dtype=torch.uint8), data])
        start = end + padding
        end = start + data.numel()
        return start

    for name, parameter in block.named_parameters():
        shape, dtype = tuple(parameter.shape), parameter.dtype
        if storage == "fp8" and parameter.ndim == 2 and dtype.itemsize > 1:
            values, scales = _to_fp8(parameter.detach().to(device))
            pieces.append(_Piece(name, shape, dtype, append(values), append(scales)))
        else:
            pieces.append(_Piece(name, shape, dtype, append(parameter), None))
    return torch.cat(parts), pieces


def unpack(data: Tensor, pieces: list[_Piece]) -> dict[str, Tensor]:
    """Return the parameters in a packed block; those that are not in fp8 share its memory."""
    tensors = {}
    for piece in pieces:
        if piece.scales_start is None:
            tensors[piece.name] = _view(data, piece.start, piece.dtype, piece.shape)
            continue
        values = _view(data, piece.start, _FP8, piece.shape).to(piece.dtype)
        scales = _view(data, piece.scales_start, torch.float32, (piece.shape[0], 1))
        tensors[piece.name] = values.mul_(scales.to(piece.dtype))
    return tensors


def _to_fp8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight [out, in] to fp8, each row by a scale that is a power of two: multiplying by
    it loses nothing in any format."""
    weight = weight.float()
    largest = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    scales = torch.exp2(torch.ceil(torch.log2(largest / _FP8_LARGEST)))
    return (weight / scales).to(_FP8), scales


def _view(data: Tensor, start: int, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    size = torch.Size(shape).numel() * dtype.itemsize
    return data[start : start + size].view(dtype).view(shape)


@dataclass
class _Place:
    """A place on the device for a packed block from the host."""

    data: Tensor
    block: int | None = None
    copied: Any = None  # CUDA events
    free: Any = None


class BlockStream:
    """Iterates over the blocks of a model, each ready to run on the device when it is given out."""

    def __init__(
        self, blocks: Any, *, device: torch.device, n_resident: int, storage: Storage = "full"
    ) -> None:
        self._blocks = list(blocks)
        self._device = device
        self._replaced: Mapping[int, Mapping[str, Tensor]] = {}  # see `replacing`
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._packed: dict[int, tuple[Tensor, list[_Piece]]] = {}
        n_resident = min(n_resident, len(self._blocks))
        stays = _spread(n_resident, len(self._blocks))
        for number, block in enumerate(self._blocks):
            if number in stays and storage == "full":
                block.to(device)
                continue
            data, pieces = pack(block, storage, device)
            data = data.to(device) if number in stays else self._pinned(data)
            self._packed[number] = data, pieces
            _release(block)
        self._from_host = [n for n in range(len(self._blocks)) if n not in stays]
        size = max((self._packed[n][0].numel() for n in self._from_host), default=0)
        n_places = min(2, len(self._from_host))
        self._places = [self._make_place(size) for _ in range(n_places)]

    @property
    def n_resident(self) -> int:
        """How many blocks stay on the device."""
        return len(self._blocks) - len(self._from_host)

    @property
    def from_host(self) -> tuple[int, ...]:
        """The numbers of the blocks that come from the host, in order."""
        return tuple(self._from_host)

    def weights(self, number: int, following: int) -> dict[str, Tensor]:
        """Return the parameters of a block from the host, on the device, and begin to copy the
        block that will most likely be asked for next; for a training step, which goes through the
        blocks and back.

        The tensors hold for what is launched before the next call. When autograd still needs them
        after that, it raises an error: they share the version counter of their place.
        """
        for place in self._places:
            if self._copying is not None:
                place.free.record()  # all that works with it was launched before this call
        place = self._fetch(number)
        tensors = unpack(self._arrived(place), self._packed[number][1])
        if following != number:
            self._fetch(following, but=place)
        return tensors

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Any]:
        for number, block in enumerate(self._blocks):
            if number not in self._packed:
                yield block
                continue
            data, pieces = self._packed[number]
            place = None
            if number in self._from_host:
                place = self._fetch(number)
                data = self._arrived(place)
            try:
                _bind(block, {**unpack(data, pieces), **self._replaced.get(number, {})})
                if place is not None:
                    self._fetch_next(number, place)
                yield block
            finally:
                _release(block)
                if place is not None and self._copying is not None:
                    place.free.record()

    @contextmanager
    def replacing(self, values: Mapping[int, Mapping[str, Tensor]]) -> Iterator[None]:
        """Give blocks other values of some parameters, by the block's number and the parameter's
        name, for a while."""
        had = []
        try:
            for number, tensors in values.items():
                if number not in self._packed:
                    had.append((self._blocks[number], _bind(self._blocks[number], tensors)))
            self._replaced = values
            yield
        finally:
            self._replaced = {}
            for block, tensors in had:
                _bind(block, tensors)

    def _make_place(self, size: int) -> _Place:
        place = _Place(torch.empty(size, dtype=torch.uint8, device=self._device))
        if self._copying is not None:
            place.copied, place.free = torch.cuda.Event(), torch.cuda.Event()
            place.free.record()
        return place

    def _fetch(self, number: int, but: _Place | None = None) -> _Place:
        """Return the place of a block from the host, and begin to copy it if it is in none."""
        for place in self._places:
            if place.block == number:
                return place
        place = next(place for place in self._places if place is not but)
        place.block = number
        data = self._packed[number][0]
        target = place.data[: data.numel()]
        if self._copying is None:
            target.copy_(data)
            return place
        with torch.cuda.stream(self._copying):
            self._copying.wait_event(place.free)
            target.copy_(data, non_blocking=True)
            place.copied.record()
        return place

    def _fetch_next(self, number: int, place: _Place) -> None:
        """Begin to copy the block that comes after this one; after the last, the first again."""
        position = self._from_host.index(number) + 1
        self._fetch(self._from_host[position % len(self._from_host)], but=place)

    def _arrived(self, place: _Place) -> Tensor:
        if self._copying is not None:
            torch.cuda.current_stream(self._device).wait_event(place.copied)
        return place.data

    def _pinned(self, data: Tensor) -> Tensor:
        """The same memory, made ready for copies that overlap with computing.

        torch's own pinned memory comes in powers of two: 40 blocks of 0.72 GiB would take 40 GiB.
        """
        if self._copying is None:
            return data
        address, runtime = data.data_ptr(), torch.cuda.cudart()
        if int(runtime.cudaHostRegister(address, data.numel(), 0)) == 0:
            weakref.finalize(data, runtime.cudaHostUnregister, address)
            return data
        with suppress(RuntimeError):  # the next launch would report this failure as its own
            torch.zeros(1, device=self._device)
        try:
            return data.pin_memory()
        except RuntimeError:
            _log.info("weights in the host's memory cannot be pinned; they stream more slowly")
            return data


def _spread(n_resident: int, n_blocks: int) -> set[int]:
    """Choose the blocks that stay so that those that come are as far apart as can be."""
    n_coming = n_blocks - n_resident
    coming = {(number * n_blocks) // n_coming for number in range(n_coming)} if n_coming else set()
    return set(range(n_blocks)) - coming


def _bind(block: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give parameters other values; return those that they had."""
    had = {}
    for name, tensor in tensors.items():
        parameter = block.get_parameter(name)
        had[name], parameter.data = parameter.data, tensor
    return had


def _release(block: Any) -> None:
    for parameter in block.parameters():
        parameter.data = torch.empty(0, dtype=parameter.dtype)
