"""The flags of depth and lens."""

from __future__ import annotations

import pytest

WRONG = {
    "depth near": ({"depth_near": 2}, ["near and far", "both"]),
    "depth range": ({"depth_near": 5, "depth_far": 2}, ["near is 5", "far is 2"]),
    "depth values": ({"depth_values": "z"}, ["'z'", "ray_length"]),
    "depth scale": ({"depth_scale": 0}, ["scale 0"]),
    "reading": ({"depth": "depth-anything", "depth_scale": 2}, ["--depth_scale", "estimated"]),
    "edges": ({"clean_edges": 1.5}, ["edges is 1.5"]),
    "sky": ({"sky_distance": -1}, ["distance is -1"]),
    "lens and fov": ({"fov": 50, "lens": 35}, ["--fov", "--lens", "not both"]),
    "sensor": ({"sensor": 24}, ["--sensor", "--lens"]),
    "lens": ({"lens": -35}, ["--lens -35"]),
    "lens too long": ({"lens": 5000}, ["--lens 5000", "1 to 175"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_flag_of_depth_is_named(recon, tmp_path, kind):
    changes, words = WRONG[kind]
    answer = recon(**changes)
    assert answer.exit_code == 2
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err
    assert list(tmp_path.iterdir()) == []
