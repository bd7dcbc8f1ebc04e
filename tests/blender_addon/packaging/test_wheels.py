"""The wheels in the extension serve every Blender, and are the ones that were pinned."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.tags import cpython_tags
from packaging.utils import parse_wheel_filename

from blender_addon.packaging.wheels import (
    PACKAGES,
    BuildError,
    Wheel,
    fetch_wheels,
    pinned_wheels,
)

ROOT = Path(__file__).parents[3]
LISTING = ROOT / "blender_addon" / "packaging" / "wheels.txt"
WHEELS = pinned_wheels(LISTING, ROOT / "constraints.txt")
MAC = "macosx_10_15_universal2"
PLATFORMS = {
    "linux-x64": ["manylinux_2_28_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": ["macosx_11_0_arm64", MAC],
    "macos-x64": ["macosx_10_9_x86_64", MAC],
}
# Blender 4.2 to 5.0, and 5.1 and later with the Python that Linux distributions build it with
OLD = [((3, 11), platform) for platform in PLATFORMS]
NEW = [((3, minor), platform) for minor in (13, 14) for platform in list(PLATFORMS)[:3]]


@pytest.mark.parametrize(("python", "platform"), OLD + NEW)
def test_each_blender_finds_one_wheel_of_each_package(python, platform):
    serving = set(cpython_tags(python, platforms=PLATFORMS[platform]))
    fitting = [parse_wheel_filename(wheel.filename) for wheel in WHEELS]
    assert sorted(name for name, _, _, tags in fitting if tags & serving) == sorted(PACKAGES)


def test_other_versions_than_the_pinned_ones_are_refused(tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("msgspec==0.1\npyzmq==27.3.0\n")
    with pytest.raises(BuildError, match=r"must name wheels of msgspec==0\.1 and pyzmq"):
        pinned_wheels(LISTING, constraints)


@pytest.fixture
def without_index(monkeypatch):
    """pip as it is on a machine that reaches no package index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_a_wheel_that_cannot_be_fetched_is_named(without_index, tmp_path):
    with pytest.raises(BuildError, match=r"msgspec-.*\.whl cannot be fetched; .*No matching"):
        fetch_wheels(WHEELS[:1], tmp_path)


def test_a_wheel_that_is_there_needs_no_index(without_index, tmp_path):
    path = tmp_path / WHEELS[0].filename
    path.write_bytes(b"whole")
    whole = "5d5766cf2d78701614200418ee1450690d9af12c84d52545e4802f001ad53099"
    fetch_wheels([replace(WHEELS[0], sha256=whole)], tmp_path)
    assert path.read_bytes() == b"whole"


def test_a_damaged_wheel_is_not_used(without_index, tmp_path):
    (tmp_path / WHEELS[0].filename).write_bytes(b"half")
    with pytest.raises(BuildError, match="cannot be fetched"):
        fetch_wheels(WHEELS[:1], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_wheel_tells_what_to_ask_for():
    wheel = Wheel("pyzmq-27.3.0-cp312-abi3-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl", "")
    assert wheel.requirement == "pyzmq==27.3.0"
    platforms = ["manylinux_2_26_x86_64", "manylinux_2_28_x86_64"]
    assert wheel.tags == ("cp312", "abi3", platforms)
