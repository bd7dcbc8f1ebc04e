"""Results compared with the truth, one after the other, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ex4d.errors import UsageError
from ex4d.training.evaluation.metrics import compare_frames, mean_of
from ex4d.video.clip import VideoReading
from ex4d.video.writer import read_color, read_mask

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

__all__ = ["NetworkFiles", "Score", "Scorer", "Subject"]


@dataclass(frozen=True)
class NetworkFiles:
    """The weights that the user has; what is missing is not measured.

    Raises UsageError for one half of LPIPS.
    """

    lpips_alexnet: Path | None = None
    lpips_heads: Path | None = None
    fid_weights: Path | None = None
    fvd_network: Path | None = None

    def __post_init__(self) -> None:
        if (self.lpips_alexnet is None) != (self.lpips_heads is None):
            raise UsageError("LPIPS needs both files: --lpips_alexnet and --lpips_heads")


@dataclass(frozen=True)
class Subject:
    """A result, and what it is compared with."""

    name: str
    result: Path
    truth: Path
    mask: Path | None  # what the source shows
    reading: VideoReading = VideoReading()  # of the truth


@dataclass(frozen=True, eq=False)
class Score:
    """What was measured of one result."""

    name: str
    curves: dict[str, np.ndarray]  # by metric and region, float64 [T]

    def means(self) -> dict[str, float | None]:
        """The mean over the frames of each curve."""
        return {name: mean_of(curve) for name, curve in self.curves.items()}


@dataclass
class _Features:
    """Features of all results and of all truths, and the network that they are from."""

    network: Any
    results: list[Tensor] = field(default_factory=list)
    truths: list[Tensor] = field(default_factory=list)


class Scorer:
    """Measures results; networks are loaded at once. Raises WeightsError, MissingPartError."""

    def __init__(self, files: NetworkFiles) -> None:
        self._lpips: Any = None
        self._features: dict[str, _Features] = {}
        if files == NetworkFiles():
            return
        import torch

        from ex4d.training.evaluation import networks

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if files.lpips_alexnet is not None and files.lpips_heads is not None:
            self._lpips = networks.Lpips(files.lpips_alexnet, files.lpips_heads, device)
        if files.fid_weights is not None:
            network: Any = networks.InceptionFeatures(files.fid_weights, device)
            self._features["fid"] = _Features(network)
        if files.fvd_network is not None:
            self._features["fvd"] = _Features(networks.VideoFeatures(files.fvd_network, device))

    def score(self, subject: Subject) -> Score:
        """Measure one result. Raises VideoError, and InputError when sizes or lengths differ."""
        result = read_color(subject.result)[0]
        truth = read_color(subject.truth, reading=subject.reading)[0]
        mask = None if subject.mask is None else read_mask(subject.mask)[0]
        curves = compare_frames(result, truth, mask)
        if self._lpips is not None:
            curves["lpips/all"] = self._lpips.compare(result, truth)
        for features in self._features.values():
            features.results.append(features.network.of(result))
            features.truths.append(features.network.of(truth))
        return Score(subject.name, curves)

    def distances(self) -> dict[str, float | None]:
        """FID and FVD of all results together; None for what has fewer than two features."""
        if not self._features:
            return {}
        import torch

        from ex4d.training.evaluation.networks import frechet_distance

        found: dict[str, float | None] = {}
        for name, features in self._features.items():
            ours, theirs = torch.cat(features.results), torch.cat(features.truths)
            found[name] = frechet_distance(ours, theirs) if len(ours) > 1 else None
        return found
