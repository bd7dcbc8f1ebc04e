"""A small example in the public one's files."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ex4d.video.writer import write_color, write_mask
from tests.ex4d.engines.wan.conftest import make_conditions


def write_example(folder, published_size=None, **conditions):
    """Conditions that make_conditions makes, and the same with grey holes for a published clip,
    cut to another size where that is asked for."""
    conditions = make_conditions(**{"n_frames": 5, **conditions})
    published = np.where(conditions.mask[..., None], conditions.color, 128).astype(np.uint8)
    if published_size:
        width, height = published_size
        published = published[:, :height, :width]
    folder.mkdir()
    write_color(folder / "render_180.mp4", conditions.color, Fraction(30))
    write_mask(folder / "mask_180.mp4", conditions.mask, Fraction(30))
    write_color(folder / "output.mp4", published, Fraction(15))
    return folder
