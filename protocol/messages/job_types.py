"""Limited types that jobs share, and how a file is named."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated

from msgspec import Meta, Struct

from ..limits import LARGEST_SIDE_PX, LEAST_SIDE_PX

__all__ = ["BlobId", "Count", "Name", "Path", "Prompt", "Sha256", "Side"]

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Side = Annotated[int, Meta(ge=LEAST_SIDE_PX, le=LARGEST_SIDE_PX)]
Path = Annotated[bytes, Meta(max_length=600_000)]
Prompt = Annotated[str, Meta(max_length=10_000)]


class BlobId(Struct, frozen=True, forbid_unknown_fields=True):
    """A file's content: its hash and its size."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=0, le=1 << 44)]  # bytes
