"""All that `ex4d verify` found, and as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ex4d.training.evaluation.metrics import mean_of
from ex4d.verification.example import compare_example

if TYPE_CHECKING:
    import numpy as np

    from ex4d.errors import Ex4dError
    from ex4d.verification.example import ModeResult, PublicExample
    from ex4d.verification.files import FileCheck
    from ex4d.verification.golden import GoldenCheck

__all__ = ["Comparison", "Findings", "compare_all"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """How near one clip is to another, frame by frame."""

    what: str
    to: str
    curves: dict[str, np.ndarray]  # see compare_frames

    def mean(self, name: str) -> float | None:
        """The mean of a curve, such as `psnr/all`; None where there is no such pixel."""
        return mean_of(self.curves[name])


@dataclass(frozen=True, eq=False)
class Findings:
    """What a report is made of. After a problem the rest is empty."""

    machine: dict[str, str]
    files: list[FileCheck]
    golden: list[GoldenCheck] = field(default_factory=list)
    example: PublicExample | None = None
    results: list[ModeResult] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def problem(self) -> Ex4dError | None:
        """The first one of a file, or else of the exact mode: with it nothing is verified."""
        problems: list[Ex4dError | None] = [check.problem for check in self.files]
        problems += [result.problem for result in self.results[:1]]
        return next((problem for problem in problems if problem is not None), None)

    @property
    def is_right(self) -> bool:
        """Whether all that has a limit is within it."""
        return self.problem is None and all(check.is_right for check in self.golden)

    def plain(self) -> dict[str, Any]:
        """Numbers and words alone, for programs."""
        return {
            "machine": self.machine,
            "files": [
                {
                    "model": check.model,
                    "files": list(check.files),
                    "size_bytes": check.size_bytes,
                    "ids": list(check.ids),
                    "found": check.found,
                    "problem": _reason(check.problem),
                }
                for check in self.files
            ],
            "golden": [
                {"file": check.file, "where": check.where, "errors": vars(check.errors)}
                for check in self.golden
            ],
            "modes": [
                {
                    "name": result.mode.name,
                    "options": {name: str(value) for name, value in result.mode.options.items()},
                    "settings": dict(result.mode.settings),
                    "stages_s": result.stages_s,
                    "peak_gib": result.peak_gib,
                    "problem": _reason(result.problem),
                }
                for result in self.results
            ],
            "comparisons": [
                {"what": c.what, "to": c.to, **{name: c.mean(name) for name in c.curves}}
                for c in self.comparisons
            ],
        }


def compare_all(example: PublicExample, results: list[ModeResult]) -> list[Comparison]:
    """Compare the conditions and each mode with the published clip, and modes with the first."""
    rows: list[tuple[str, str, np.ndarray, np.ndarray | None]] = [
        ("conditions, holes black", "published", example.conditions.color, None)
    ]
    first = results[0] if results else None
    for result in results:
        if result.frames is None:
            continue
        rows.append((result.mode.name, "published", result.frames, None))
        if first is not None and first.frames is not None and result is not first:
            rows.append((result.mode.name, first.mode.name, result.frames, first.frames))
    return [
        Comparison(what, to, compare_example(example, frames, other))
        for what, to, frames, other in rows
    ]


def _reason(problem: Ex4dError | None) -> str | None:
    return None if problem is None else problem.reason
