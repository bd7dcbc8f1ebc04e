"""All that this project knows of diffsynth: its names, its arguments, and its private attributes.

diffsynth (Apache-2.0) holds the public classes of Wan2.1's models. Taken from it are

    WanTextEncoder, HuggingfaceTokenizer   diffsynth.models.wan_video_text_encoder (umt5-xxl)
    VisionTransformer                      diffsynth.models.wan_video_image_encoder (CLIP ViT-H/14)

It is imported when it is needed, which takes seconds, and kept quiet. Nothing else in the library
and the server names it; the tests compare with more of it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from typing import TYPE_CHECKING, Any

from ex4d.errors import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "INSTALL",
    "NEEDED",
    "import_diffsynth",
    "make_public_text_encoder",
    "make_vision_transformer",
    "open_tokenizer",
    "without_values",
]

NEEDED = ("torch", "torchvision", "safetensors", "diffsynth")  # by the engine wan
INSTALL = 'pip install "ex4d[wan]"'  # brings them


def import_diffsynth(module: str) -> Any:
    """Import `diffsynth.<module>` without its prints. Raises MissingPartError."""
    name = f"diffsynth.{module}"
    if name in sys.modules:
        return sys.modules[name]
    try:
        from ex4d.runtime.torchvision_operators import declare_torchvision_operators

        declare_torchvision_operators()
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


def make_public_text_encoder(**sizes: int) -> Any:
    """A WanTextEncoder, without values; the sizes are its constructor's."""
    with without_values():
        return import_diffsynth("models.wan_video_text_encoder").WanTextEncoder(**sizes)


def open_tokenizer(folder: Path, n_tokens: int) -> Any:
    """The text encoder's tokenizer: `(prompt, return_mask=True, add_special_tokens=True)` gives
    its ids and mask [1, n_tokens]. Nothing is fetched; raises what transformers raises."""
    return import_diffsynth("models.wan_video_text_encoder").HuggingfaceTokenizer(
        name=str(folder), seq_len=n_tokens, clean="whitespace", local_files_only=True
    )


def make_vision_transformer(**sizes: Any) -> Any:
    """A VisionTransformer, without values; the sizes are its constructor's."""
    with without_values():
        return import_diffsynth("models.wan_video_image_encoder").VisionTransformer(**sizes)
