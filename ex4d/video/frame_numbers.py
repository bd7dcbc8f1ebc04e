"""What the first frame of a result is called: 1001 stays 1001, also where a movie lies between.

A movie's frames have no numbers; what is made of numbered pictures says the first one's in the tag
`comment`, a JSON object with `first_frame`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ex4d.video.sequence import find_sequence
from ex4d.video.writer import read_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["first_number_of", "numbered_metadata"]

_KEY = "first_frame"
_MOST = 10**9


def numbered_metadata(metadata: Mapping[str, str], first_number: int | None) -> dict[str, str]:
    """The tags with the number of the first frame; as they are where it has none."""
    if first_number is None:
        return dict(metadata)
    facts = json.loads(metadata.get("comment", "{}"))
    return {**metadata, "comment": json.dumps({**facts, _KEY: first_number})}


def first_number_of(path: Path) -> int | None:
    """What the first frame of a video or of a sequence of pictures is called; None where nothing
    says it. Raises VideoError."""
    sequence = find_sequence(path)
    if sequence is not None:
        return sequence.first_number
    try:
        number = json.loads(read_metadata(path).get("comment", ""))[_KEY]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return number if type(number) is int and abs(number) <= _MOST else None
