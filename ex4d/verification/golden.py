"""The small golden model: what the public classes computed, computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from ex4d.engines.wan.fp8 import check_card
from ex4d.engines.wan.golden import GoldenErrors, compare_with_golden
from ex4d.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.engines.base import Precision

__all__ = ["GoldenCheck", "check_golden"]

_EXACT: Precision = "bf16"  # and fp32 on the CPU
_LIMITS = {  # what the tests hold; of the first prediction in bf16 they hold nothing
    "cpu": {"geometry": 1e-3, "first_prediction": 1e-4, "latents": 1e-4, "timesteps": 1e-3},
    "cuda": {"geometry": 1e-2, "latents": 1e-2, "timesteps": 1e-3},
}
_LATENTS_OF_A_TIER: dict[Precision, float] = {"fp8-ffn": 0.015, "fp8": 0.02, "fp8-all": 0.04}


@dataclass(frozen=True)
class GoldenCheck:
    """The errors on one device, in one precision."""

    file: str
    device: str
    precision: Precision
    errors: GoldenErrors

    @property
    def where(self) -> str:
        """The device, and the tier if it is one."""
        return self.device if self.precision == _EXACT else f"{self.device} in {self.precision}"

    @property
    def rows(self) -> list[tuple[str, float, float | None]]:
        """What was compared, its error, and the largest that is allowed."""
        limits = _LIMITS[self.device]
        if self.precision != _EXACT:
            limits = {"latents": _LATENTS_OF_A_TIER[self.precision]}
        return [(name, error, limits.get(name)) for name, error in asdict(self.errors).items()]

    @property
    def is_right(self) -> bool:
        """Whether no error is larger than allowed, nor a NaN."""
        return all(limit is None or error <= limit for _, error, limit in self.rows)


def check_golden(path: Path, devices: tuple[str, ...]) -> list[GoldenCheck]:
    """Run the golden model on each device, and on the last one in each tier that it can run.
    Raises WeightsError for a file that is no golden."""
    runs = [(device, _EXACT) for device in devices]
    runs += [(devices[-1], tier) for tier in _LATENTS_OF_A_TIER]
    checks = []
    for device, precision in runs:
        if precision != _EXACT:
            try:
                check_card(precision, torch.device(device))
            except UsageError:
                continue
        errors = compare_with_golden(path, device, precision=precision)
        checks.append(GoldenCheck(path.name, device, precision, errors))
    return checks
