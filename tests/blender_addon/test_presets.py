"""The add-on's paths: what the panel adds to the named ones."""

from __future__ import annotations

import numpy as np
import pytest
from extension.blender_addon.errors import CameraError
from extension.blender_addon.presets import EASINGS, orbit_radius, preset_path


def test_orbit_radius_equals_the_command_lines(shot_depth):
    presets = pytest.importorskip("ex4d.camera.presets", reason="needs the ex4d package")
    depth = shot_depth[0][0]
    assert orbit_radius(depth) == pytest.approx(presets.orbit_radius(depth), rel=1e-6)


@pytest.mark.parametrize("easing", EASINGS)
def test_easing_keeps_both_ends_and_never_turns_back(easing):
    path = preset_path("zoom_in", 25, 2.0, easing=easing)[:, 2, 3]
    assert path[0] == 0
    assert path[-1] == pytest.approx(-1.0)
    assert (np.diff(path) <= 0).all()


def test_amount_multiplies_the_angle():
    np.testing.assert_allclose(
        preset_path("30", 9, 2.0, amount=2), preset_path("60", 9, 2.0), atol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [("sideways", {}), ("361", {}), ("30", {"easing": "wild"}), ("30", {"amount": np.nan})],
)
def test_what_is_unknown_is_refused_in_words(name, options):
    with pytest.raises(CameraError, match=r"There is no|The amount"):
        preset_path(name, 5, 1.0, **options)
