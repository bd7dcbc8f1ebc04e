"""The line that mends a bare machine names what is missing and nothing more."""

from __future__ import annotations

import pytest

from blender_addon.packaging.preflight import drawing_packages, linked_packages

LDD = """\
\tlinux-vdso.so.1 (0x00007fc36e29e000)
\tlibX11.so.6 => /lib/x86_64-linux-gnu/libX11.so.6 (0x00007fc3625de000)
\tlibXrender.so.1 => not found
\tlibXi.so.6 => not found
\tlibnew.so.3 => not found
\tlibXi.so.6 => not found
"""


def test_missing_libraries_become_packages_and_unknown_ones_are_named():
    assert linked_packages(LDD) == {"libxrender1", "libxi6", "libnew.so.3"}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def system(tmp_path):
    """A system with Mesa's vendor file and one driver."""
    touch(tmp_path / "usr/share/glvnd/egl_vendor.d/50_mesa.json")
    touch(tmp_path / "usr/lib/x86_64-linux-gnu/dri/swrast_dri.so")
    return tmp_path


def test_mesa_with_a_driver_can_draw(system):
    assert drawing_packages(system) <= {"libegl1"}  # that one is asked of the real system


def test_mesa_without_a_driver_cannot(system):
    next(system.rglob("*_dri.so")).unlink()
    assert "libgl1-mesa-dri" in drawing_packages(system)


def test_a_bare_system_needs_both(tmp_path):
    assert {"libegl-mesa0", "libgl1-mesa-dri"} <= drawing_packages(tmp_path)


def test_a_graphics_cards_own_driver_needs_no_mesa(tmp_path):
    touch(tmp_path / "usr/share/glvnd/egl_vendor.d/10_nvidia.json")
    assert drawing_packages(tmp_path) <= {"libegl1"}
