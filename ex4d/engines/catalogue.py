"""The engines by name: what each gives, needs and may be used for, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.engines.preview import PreviewEngine
from ex4d.engines.wan import engine as wan
from ex4d.engines.wan.diffsynth import INSTALL, NEEDED
from ex4d.engines.wan.parts import PARTS
from ex4d.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.engines.base import Engine, EngineOptions
    from ex4d.errors import MissingPartError
    from ex4d.weights.download import Part

__all__ = ["ENGINES", "EngineEntry", "engine_named"]


@dataclass(frozen=True)
class EngineEntry:
    """One engine."""

    name: str
    label: str
    licence: str  # of code and weights together
    make: Callable[[EngineOptions], Engine]  # cheap: models are loaded for the first clip
    parts: tuple[Part, ...] = ()  # its weights
    needs: tuple[str, ...] = ()  # packages
    install: str = ""  # brings them
    takes_a_gpu: bool = False  # to be chosen where none is named
    lacking_weights: Callable[[EngineOptions], MissingPartError | None] = lambda options: None
    weights_id: Callable[[EngineOptions], str] = lambda options: ""  # tells one adapter's weights


_ENTRIES = (
    EngineEntry(
        name=PreviewEngine.name,
        label=PreviewEngine.label,
        licence="Apache-2.0, no weights",
        make=lambda options: PreviewEngine(),
    ),
    EngineEntry(
        name=wan.WanEngine.name,
        label=wan.WanEngine.label,
        licence="Wan2.1 Apache-2.0; EX-4D's weights as their authors say on their page",
        make=wan.make_engine,
        parts=tuple(PARTS.values()),
        needs=NEEDED,
        install=INSTALL,
        takes_a_gpu=True,
        lacking_weights=wan.lacking_weights,
        weights_id=wan.adapter_id,
    ),
)
ENGINES = {entry.name: entry for entry in _ENTRIES}  # the best comes last


def engine_named(name: str) -> EngineEntry:
    """The entry of a name. Raises UsageError for an unknown one."""
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}: choose from auto, {', '.join(ENGINES)}")
    return ENGINES[name]
