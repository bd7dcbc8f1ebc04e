"""The small golden model: what the public classes computed, computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ex4d.engines.wan.golden import GoldenErrors, compare_with_golden

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GoldenCheck", "check_golden"]

_LIMITS = {  # what the tests hold; of the first prediction in bf16 they hold nothing
    "cpu": {"geometry": 1e-3, "first_prediction": 1e-4, "latents": 1e-4, "timesteps": 1e-3},
    "cuda": {"geometry": 1e-2, "latents": 1e-2, "timesteps": 1e-3},
}


@dataclass(frozen=True)
class GoldenCheck:
    """The errors on one device."""

    file: str
    device: str
    errors: GoldenErrors

    @property
    def rows(self) -> list[tuple[str, float, float | None]]:
        """What was compared, its error, and the largest that is allowed."""
        limits = _LIMITS[self.device]
        return [(name, error, limits.get(name)) for name, error in asdict(self.errors).items()]

    @property
    def is_right(self) -> bool:
        """Whether no error is larger than allowed, nor a NaN."""
        return all(limit is None or error <= limit for _, error, limit in self.rows)


def check_golden(path: Path, devices: tuple[str, ...]) -> list[GoldenCheck]:
    """Run the golden model on each device. Raises WeightsError for a file that is no golden."""
    return [GoldenCheck(path.name, device, compare_with_golden(path, device)) for device in devices]
