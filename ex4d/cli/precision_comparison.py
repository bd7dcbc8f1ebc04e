"""A clip in a precision tier beside the same clip in bf16: PSNR, SSIM, and a sheet to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ex4d.engines.base import result_metadata
from ex4d.errors import UsageError
from ex4d.files.contact_sheet import contact_sheet, magnified_difference, write_png
from ex4d.training.evaluation.metrics import compare_frames
from ex4d.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from fractions import Fraction
    from pathlib import Path

    from ex4d.engines.base import Engine, GenerateSettings

__all__ = ["Comparison", "comparison_files"]

_MAGNIFIED = 8  # times, of the differences on the sheet


def comparison_files(video: Path) -> tuple[Path, Path, Path]:
    """What lies beside a compared clip: it in bf16, a sheet, and the figures."""
    return (
        video.with_name(f"{video.stem}_bf16{video.suffix}"),
        video.with_name(f"{video.stem}_precision.png"),
        video.with_name(f"{video.stem}_precision.json"),
    )


@dataclass(frozen=True)
class Comparison:
    """One clip, twice."""

    engine: Engine
    settings: GenerateSettings  # in the tier
    seed: int

    def check(self, *, is_video: bool) -> None:
        """Raise UsageError for what cannot be compared."""
        if not self.engine.follows_settings:
            name = self.engine.name
            raise UsageError(f"--compare_precision is for the engine wan, and this is {name}")
        if self.settings.precision == "bf16":
            raise UsageError("--compare_precision compares with bf16: give another --precision")
        if not is_video:
            raise UsageError("--compare_precision writes videos: give one as --output_video")

    def write(
        self,
        video: Path,  # of the tier; it is written elsewhere
        make: Callable[[GenerateSettings], Iterable[np.ndarray]],  # frames uint8 [H, W, 3]
        fps: Fraction,
    ) -> tuple[np.ndarray, str]:
        """Make the clip in the tier and in bf16, and write what `comparison_files` names; return
        the tier's frames uint8 [T, H, W, 3], and the figures in words. Raises OutputError, and
        what `make` raises."""
        tier, exact_settings = self.settings.precision, replace(self.settings, precision="bf16")
        made, exact = (np.stack(list(make(s))) for s in (self.settings, exact_settings))
        exact_video, sheet, figures = comparison_files(video)
        metadata = result_metadata(self.engine, self.seed, exact_settings)
        write_video(exact_video, exact, fps, metadata=metadata)
        rows: dict[str, np.ndarray] = {"bf16": exact, tier: made}
        rows[f"difference x {_MAGNIFIED}"] = magnified_difference(made, exact, _MAGNIFIED)
        write_png(sheet, contact_sheet(rows))
        curves = compare_frames(made, exact)
        psnr, ssim = (float(curves[f"{name}/all"].mean()) for name in ("psnr", "ssim"))
        lowest = float(curves["psnr/all"].min())
        facts = {"precision": tier, "seed": self.seed, "psnr_db": psnr, "ssim": ssim}
        text = json.dumps({**facts, "lowest_psnr_db": lowest}, indent=2)
        figures.write_text(f"{text}\n", encoding="utf-8")
        return made, (
            f"{tier} against bf16: PSNR {psnr:.2f} dB, the lowest of a frame {lowest:.2f} dB, "
            f"SSIM {ssim:.4f}"
        )
