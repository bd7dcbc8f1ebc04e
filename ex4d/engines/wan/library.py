"""diffsynth, imported when it is needed and kept quiet."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from typing import TYPE_CHECKING, Any

from ex4d.engines.wan.folder import INSTALL
from ex4d.errors import MissingPartError
from ex4d.runtime.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["import_diffsynth", "without_values"]


def import_diffsynth(module: str) -> Any:
    """Import `diffsynth.<module>` without its prints. Raises MissingPartError."""
    name = f"diffsynth.{module}"
    if name in sys.modules:
        return sys.modules[name]
    declare_torchvision_operators()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingPartError(
            f"the engine wan needs diffsynth ({error})", advice=INSTALL
        ) from None


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Make models whose parameters have shapes but take no memory, until weights are assigned.

    Tensors that are no parameters, such as tables of positions, are computed as always.
    """
    with import_diffsynth("core.vram.initialization").skip_model_initialization():
        yield
