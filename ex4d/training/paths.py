"""Simulated camera paths, drawn by a seed: what a clip's masks are made along.

Lengths are shares of r, the orbit radius of the clip's first frame; all but dollies and lateral
moves look at (0, 0, r). T frames stand at the times 0 to 1.

    orbit    to one side, by 5 to 90 degrees
    sweep    45 degrees to one side, to the other and back, of which at least the first third
    dolly    0.1 r to 0.6 r forward, or 0.1 r to 1 r back
    lateral  0.1 r to 0.5 r in any direction across the view, of which the vertical part is halved
    random   yaw by at most 10 to 90 degrees, pitch by at most 20, distance by at most r / 3; each
             follows c(t) = sum of a_k / k cos(pi k t + phase_k), k = 1 to 3, less c(0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ex4d.camera.presets import look_at, preset_path

__all__ = ["PATH_KINDS", "SimulatedPath", "draw_path"]

PATH_KINDS = {"orbit": 0.35, "sweep": 0.1, "dolly": 0.15, "lateral": 0.15, "random": 0.25}

_Drawn = tuple[dict[str, float], np.ndarray]  # numbers, and poses [T, 4, 4]


@dataclass(frozen=True)
class SimulatedPath:
    """A camera path, relative to the source camera of each frame."""

    kind: str
    numbers: dict[str, float]  # what was drawn: degrees, and lengths in the depth's unit
    world_to_camera: np.ndarray  # float64 [T, 4, 4], the identity first


def draw_path(seed: int, n_frames: int, radius: float) -> SimulatedPath:
    """Draw a path; the same seed, length and `orbit_radius` give the same one."""
    random = np.random.default_rng(seed)
    kind = str(random.choice(list(PATH_KINDS), p=list(PATH_KINDS.values())))
    numbers, poses = _DRAW[kind](random, n_frames, radius)
    return SimulatedPath(kind, {"radius": radius, **numbers}, poses)


def _orbit(random: np.random.Generator, n_frames: int, radius: float) -> _Drawn:
    angle_deg = round(_side(random) * random.uniform(5, 90), 2)
    return {"angle_deg": angle_deg}, preset_path(f"{angle_deg:.2f}", n_frames, radius)


def _sweep(random: np.random.Generator, n_frames: int, radius: float) -> _Drawn:
    turn_deg = round(_side(random) * random.uniform(120, 360), 2)
    whole = preset_path(
        f"{180 * np.sign(turn_deg):.0f}", round(n_frames * 360 / abs(turn_deg)), radius
    )
    return {"turn_deg": turn_deg}, whole[:n_frames]


def _dolly(random: np.random.Generator, n_frames: int, radius: float) -> _Drawn:
    forward = random.uniform(0.1, 0.6) if _side(random) > 0 else -random.uniform(0.1, 1)
    shift = np.array([0, 0, forward * radius])
    return {"forward": float(shift[2])}, _straight(shift, n_frames)


def _lateral(random: np.random.Generator, n_frames: int, radius: float) -> _Drawn:
    angle = random.uniform(0, 2 * np.pi)
    length = radius * random.uniform(0.1, 0.5)
    shift = length * np.array([np.cos(angle), 0.5 * np.sin(angle), 0])
    return {"right": float(shift[0]), "down": float(shift[1])}, _straight(shift, n_frames)


def _random(random: np.random.Generator, n_frames: int, radius: float) -> _Drawn:
    most = {
        "yaw_deg": random.uniform(10, 90),
        "pitch_deg": random.uniform(0, 20),
        "farther": radius * random.uniform(0, 1 / 3),
    }
    yaw, pitch, farther = (size * _smooth_curve(random, n_frames) for size in most.values())
    yaw, pitch, distance = np.radians(yaw), np.radians(pitch), radius + farther
    level = distance * np.cos(pitch)
    eyes = np.stack(
        [level * np.sin(yaw), -distance * np.sin(pitch), radius - level * np.cos(yaw)], axis=-1
    )
    return most, np.stack([look_at(eye, np.array([0, 0, radius])) for eye in eyes])


_DRAW = {"orbit": _orbit, "sweep": _sweep, "dolly": _dolly, "lateral": _lateral, "random": _random}


def _side(random: np.random.Generator) -> int:
    return 1 if random.random() < 0.5 else -1


def _straight(shift: np.ndarray, n_frames: int) -> np.ndarray:
    """Poses of a camera that moves by `shift` without turning."""
    poses = np.broadcast_to(np.eye(4), (n_frames, 4, 4)).copy()
    poses[:, :3, 3] = -np.linspace(0, 1, n_frames)[:, None] * shift
    return poses


def _smooth_curve(random: np.random.Generator, n_frames: int) -> np.ndarray:
    """Values [T] from 0 on, whose greatest size is 1."""
    k = np.arange(1, 4)
    weight, phase = random.normal(size=3) / k, random.uniform(0, 2 * np.pi, 3)
    curve = (weight * np.cos(np.pi * k * np.linspace(0, 1, n_frames)[:, None] + phase)).sum(axis=1)
    curve -= curve[0]
    return np.asarray(curve / np.abs(curve).max())
