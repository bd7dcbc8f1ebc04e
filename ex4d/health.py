"""Examines a machine: what works, what does not, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from ex4d.errors import Ex4dError
from ex4d.raster.base import RenderCamera
from ex4d.runtime.nvidia import ask_nvidia

__all__ = ["Check", "Finding", "examine"]

_GIB = 1 << 30
_REINSTALL = "pip install --force-reinstall ex4d"
_NEEDED_MEMORY = 2 * _GIB  # 49 frames of 1024x576 with their depth, and the interpreter
_NEEDED_DISK = 1 * _GIB


@dataclass(frozen=True)
class Finding:
    """One part of the product on this machine."""

    part: str
    state: Literal["ok", "optional", "broken"]  # optional: missing, and nobody has to have it
    text: str
    remedy: str = ""  # a command or an action


Check = Callable[[Path], Iterator[Finding]]  # gets the folder where results would go


def examine(folder: Path, checks: Mapping[str, Check] | None = None) -> list[Finding]:
    """Look at every part; `folder` is where results would go. Nothing is changed.

    A check that fails in a way that it does not know makes a finding under its own name.
    """
    findings = []
    for part, check in (_CHECKS if checks is None else checks).items():
        try:
            findings += list(check(folder))
        except Exception as error:  # a broken installation raises anything; the rest still counts
            text = f"{type(error).__name__}: {error}".partition("\n")[0]
            findings.append(Finding(part, "broken", text, _REINSTALL))
    return findings


def _python(folder: Path) -> Iterator[Finding]:
    ok = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    cores = os.cpu_count()
    yield Finding(
        "python",
        "ok" if ok else "broken",
        f"{text}, {cores} cores",
        "" if ok else "install Python 3.11 or newer",
    )


def _memory(folder: Path) -> Iterator[Finding]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        yield Finding("memory", "optional", "cannot be read on this system")
        return
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    ok = size >= _NEEDED_MEMORY
    remedy = "" if ok else "use fewer frames (--num_frames) or a smaller size (--width)"
    yield Finding("memory", "ok" if ok else "broken", f"{size / _GIB:.1f} GiB", remedy)


def _disk(folder: Path) -> Iterator[Finding]:
    existing = folder.absolute()
    while not existing.is_dir():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    ok = free >= _NEEDED_DISK
    remedy = "" if ok else f"free some space, or choose another --output_dir than {folder}"
    yield Finding(
        "disk", "ok" if ok else "broken", f"{free / _GIB:.1f} GiB free in {existing}", remedy
    )


def _ffmpeg(folder: Path) -> Iterator[Finding]:
    """FFmpeg comes with PyAV; a tiny clip goes through the encoder and back."""
    from ex4d.video.writer import read_mask, write_mask

    mask = np.zeros((3, 32, 48), np.bool_)
    mask[1:, 8:20, 5:30] = True
    try:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "mask.mp4"
            write_mask(path, mask, Fraction(24))
            same = bool((read_mask(path)[0] == mask).all())
    except (Ex4dError, OSError) as error:
        yield Finding("ffmpeg", "broken", str(error), "pip install --force-reinstall av")
        return
    version = importlib.metadata.version("av")
    yield Finding(
        "ffmpeg",
        "ok" if same else "broken",
        f"PyAV {version}, H.264 written and read back" + ("" if same else " wrongly"),
        "" if same else "pip install --force-reinstall av",
    )


def _cpu_rasterizer(folder: Path) -> Iterator[Finding]:
    from ex4d.mesh.dw_mesh import MeshSettings, build_mesh
    from ex4d.raster.cpu import CpuRasterizer

    intrinsics = np.array([[16.0, 0, 8], [0, 16, 8], [0, 0, 1]])
    rgb = np.full((16, 16, 3), 200, np.uint8)
    mesh = build_mesh(rgb, np.full((16, 16), 2.0, np.float32), MeshSettings(intrinsics, 4.0))
    rasterizer = CpuRasterizer()
    rendering = rasterizer.render(mesh, RenderCamera(np.eye(4), intrinsics, 16, 16, near=1e-3))
    ok = bool(np.allclose(rendering.rgba[4:12, 4:12], [200, 200, 200, 255], atol=0.5))
    version = importlib.metadata.version("numba")
    yield Finding(
        "rasterizer",
        "ok" if ok else "broken",
        f"cpu: numba {version}, {rasterizer.workers} frames at a time",
        "" if ok else "pip install --force-reinstall numba",
    )


def _nvdiffrast(folder: Path) -> Iterator[Finding]:
    if importlib.util.find_spec("nvdiffrast") is None:
        yield Finding(
            "rasterizer",
            "optional",
            "nvdiffrast is not installed (non-commercial, only for comparison)",
            "pip install git+https://github.com/NVlabs/nvdiffrast",
        )
        return
    yield Finding("rasterizer", "ok", "nvdiffrast is installed (non-commercial)")


def _torch(folder: Path) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        remedy = 'pip install "ex4d[gpu]"'
        yield Finding("torch", "optional", "not installed; only GPU work needs it", remedy)
        return
    yield Finding("torch", "ok", importlib.metadata.version("torch"))


def _gpu(folder: Path) -> Iterator[Finding]:
    """NVIDIA's own tool tells without loading torch."""
    names = "; ".join(ask_nvidia("name", "memory.total"))
    if names:
        yield Finding("gpu", "ok", names)
    else:
        yield Finding("gpu", "optional", "no NVIDIA GPU found; the preview engine needs none")


def _engines(folder: Path) -> Iterator[Finding]:
    from ex4d.engines.catalogue import ENGINES
    from ex4d.engines.choose import choose_engine

    for name, entry in ENGINES.items():
        try:
            choose_engine(name)
        except Ex4dError as error:
            yield Finding("engine", "optional", f"{name}: {error.reason}", error.advice)
        else:
            yield Finding("engine", "ok", f"{name}: {entry.label} ({entry.licence})")


def _models(folder: Path) -> Iterator[Finding]:
    from ex4d.engines.wan.folder import find_models, missing_files
    from ex4d.weights.folder import default_folder

    models = default_folder()
    files = find_models(models)
    missing = missing_files(files)
    yield from _steps_lora(files.steps_lora)
    if not missing:
        yield Finding("models", "ok", f"the weights of wan are in {models}")
        return
    n_files = len(files.transformer) + 5
    yield Finding(
        "models",
        "optional",
        f"{n_files - len(missing)} of {n_files} parts of wan's weights are in {models}; "
        "the preview engine needs none",
        "ex4d download (about 78 GiB)",
    )


def _steps_lora(file: Path | None) -> Iterator[Finding]:
    from ex4d.engines.wan.parts import STEPS_LORA

    what = f"step-distilled LoRA of wan, for clips in 4 steps ({STEPS_LORA.licence})"
    if file is None:
        remedy = f"ex4d download steps-lora (about {STEPS_LORA.size_gib:g} GiB)"
        yield Finding("models", "optional", f"there is no {what}", remedy)
    else:
        yield Finding("models", "ok", f"{what}: {file}")


def _estimators(folder: Path) -> Iterator[Finding]:
    from ex4d.depth.estimators.catalogue import ESTIMATORS
    from ex4d.depth.estimators.loading import INSTALL, missing_packages, missing_weights
    from ex4d.weights.folder import default_folder

    for entry in ESTIMATORS.values():
        problem, text = missing_packages(entry), f"{entry.name}: {entry.licence}"
        if problem:
            yield Finding("depth", "optional", f"{entry.name}: {problem}", INSTALL)
        elif missing_weights(entry, default_folder()):
            remedy = f"ex4d download {entry.name}, or at its first use"
            yield Finding("depth", "optional", f"{text}, without its weights", remedy)
        else:
            yield Finding("depth", "ok", text)


def _usd(folder: Path) -> Iterator[Finding]:
    if importlib.util.find_spec("pxr") is None:
        remedy = 'pip install "ex4d[usd]"'
        yield Finding("usd", "optional", "usd-core is missing; --save_mesh usd needs it", remedy)
        return
    yield Finding("usd", "ok", f"usd-core {importlib.metadata.version('usd-core')}")


_CHECKS: dict[str, Check] = {
    "python": _python,
    "memory": _memory,
    "disk": _disk,
    "ffmpeg": _ffmpeg,
    "rasterizer": _cpu_rasterizer,
    "nvdiffrast": _nvdiffrast,
    "torch": _torch,
    "gpu": _gpu,
    "engine": _engines,
    "models": _models,
    "depth": _estimators,
    "usd": _usd,
}
