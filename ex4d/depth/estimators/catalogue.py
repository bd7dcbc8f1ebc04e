"""The estimators by name: what each gives, under which licence, and where its weights are."""

from __future__ import annotations

from dataclasses import dataclass

from ex4d.errors import UsageError
from ex4d.weights.download import Part

__all__ = ["DEFAULT", "ESTIMATORS", "EstimatorEntry", "estimator_named"]


@dataclass(frozen=True)
class EstimatorEntry:
    """One estimator."""

    name: str
    label: str
    gives: str  # a few words for whoever chooses
    licence: str  # of code and weights together
    is_commercial: bool  # whether it may be used for paid work
    module: str  # has `load(folders: list[Path], device: torch.device) -> Estimator`
    parts: tuple[Part, ...]  # its weights
    needs: tuple[str, ...]  # packages
    memory_gib: float  # of the GPU, for 49 frames of 1024x576


_HUB_FILES = ("config.json", "model.safetensors", "preprocessor_config.json")
_TRANSFORMERS = ("torch", "transformers", "safetensors")
_DEPTH_ANYTHING = "ex4d.depth.estimators.depth_anything"


def _depth_anything(name: str, kind: str, gives: str) -> EstimatorEntry:
    repository = f"Depth-Anything-V2-{kind}Small-hf"
    return EstimatorEntry(
        name=name,
        label=f"Depth Anything V2 {kind.replace('-', ' ')}Small",
        gives=gives,
        licence="Apache-2.0",
        is_commercial=True,
        module=_DEPTH_ANYTHING,
        parts=(Part(f"depth-anything/{repository}", repository, _HUB_FILES, "Apache-2.0", 0.1),),
        needs=_TRANSFORMERS,
        memory_gib=4,
    )


_DEPTHCRAFTER = EstimatorEntry(
    name="depthcrafter",
    label="DepthCrafter",
    gives="relative depth, steady, of fine detail; slow",
    licence="academic use only; Stable Video Diffusion's community licence",
    is_commercial=False,
    module="ex4d.depth.estimators.depthcrafter.load",
    parts=(
        Part(
            repository="tencent/DepthCrafter",
            folder="DepthCrafter",
            files=("config.json", "diffusion_pytorch_model.safetensors"),
            licence="academic use only",
            size_gib=2.9,
        ),
        Part(
            repository="stabilityai/stable-video-diffusion-img2vid-xt",
            folder="stable-video-diffusion-img2vid-xt",
            files=(
                "feature_extractor/preprocessor_config.json",
                "image_encoder/config.json",
                "image_encoder/model.fp16.safetensors",
                "scheduler/scheduler_config.json",
                "vae/config.json",
                "vae/diffusion_pytorch_model.fp16.safetensors",
            ),
            licence="Stability AI's community licence; its page asks for consent first",
            size_gib=1.4,
        ),
    ),
    needs=(*_TRANSFORMERS, "diffusers"),
    memory_gib=26,
)
_MOGE = EstimatorEntry(
    name="moge",
    label="MoGe-2",
    gives="metres, and the lens",
    licence="MIT",
    is_commercial=True,
    module="ex4d.depth.estimators.moge.load",
    parts=(Part("Ruicheng/moge-2-vitb-normal", "moge-2-vitb-normal", ("model.pt",), "MIT", 0.4),),
    needs=("torch",),
    memory_gib=6,
)
_DEPTH_PRO = EstimatorEntry(
    name="depth-pro",
    label="Depth Pro",
    gives="metres, and the lens; of fine detail, slow",
    licence="Apple's research licence: not for commercial work",
    is_commercial=False,
    module="ex4d.depth.estimators.depth_pro",
    parts=(Part("apple/DepthPro-hf", "DepthPro-hf", _HUB_FILES, "Apple's research licence", 1.8),),
    needs=_TRANSFORMERS,
    memory_gib=8,
)
_ENTRIES = (
    _MOGE,
    _depth_anything("depth-anything", "", "relative depth, fast and light"),
    _depth_anything("depth-anything-indoor", "Metric-Indoor-", "metres, for rooms up to 20 m"),
    _depth_anything("depth-anything-outdoor", "Metric-Outdoor-", "metres, for streets up to 80 m"),
    _DEPTH_PRO,
    _DEPTHCRAFTER,
)
ESTIMATORS = {entry.name: entry for entry in _ENTRIES}
DEFAULT = "moge"


def estimator_named(name: str, *, only_commercial: bool = False) -> EstimatorEntry:
    """The entry of a name. Raises UsageError for an unknown one, and for one that may not be used
    for paid work when that is asked."""
    if name not in ESTIMATORS:
        raise UsageError(f"unknown depth estimator {name!r}: choose from {', '.join(ESTIMATORS)}")
    entry = ESTIMATORS[name]
    if only_commercial and not entry.is_commercial:
        free = ", ".join(other.name for other in ESTIMATORS.values() if other.is_commercial)
        raise UsageError(
            f"{entry.label} may not be used for commercial work ({entry.licence}): "
            f"choose from {free}"
        )
    return entry
