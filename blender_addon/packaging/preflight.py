"""Say in one line which system libraries bpy misses on this Linux; exit code 2 then.

Run with the Python of an environment that holds bpy: `python blender_addon/packaging/preflight.py`.
bpy itself is not imported: that is what fails without them.
"""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from pathlib import Path

__all__ = ["drawing_packages", "linked_packages", "main"]

PACKAGES = {  # library -> package of Debian and Ubuntu: all that bpy 4.2 to 5.0 do not bring along
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libgomp.so.1": "libgomp1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
}
VENDORS = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")  # who can draw behind EGL
DRIVERS = ("/usr/lib/*/dri", "/usr/lib/dri", "/usr/lib64/dri")


def linked_packages(ldd: str) -> set[str]:
    """The packages of the libraries that `ldd` did not find; a library's own name when its
    package is not known here."""
    lines = [line.split() for line in ldd.splitlines() if line.endswith("=> not found")]
    return {PACKAGES.get(words[0], words[0]) for words in lines}


def drawing_packages(root: Path = Path("/")) -> set[str]:
    """The packages that Workbench and EEVEE still need in order to draw without a screen.

    Without them Blender does not refuse: it aborts the process.
    """
    missing = set() if _loads("libEGL.so.1") else {"libegl1"}
    vendors = [path.name for folder in VENDORS for path in (root / folder[1:]).glob("*.json")]
    if any("mesa" not in name for name in vendors):  # a graphics card's own driver
        return missing
    if not vendors:
        missing.add("libegl-mesa0")
    if not any(True for folder in DRIVERS for _ in root.glob(f"{folder[1:]}/*_dri.so")):
        missing.add("libgl1-mesa-dri")
    return missing


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _ldd() -> str:
    package = importlib.util.find_spec("bpy")
    if not package or not package.submodule_search_locations:
        raise SystemExit(f"{sys.executable} has no bpy")
    library = next(Path(package.submodule_search_locations[0]).glob("__init__*.so"))
    run = subprocess.run(["ldd", library], capture_output=True, text=True)  # noqa: S603, S607
    return run.stdout


def main() -> int:
    """Print the line, if any is needed."""
    if sys.platform != "linux":
        return 0
    missing = sorted(linked_packages(_ldd()) | drawing_packages())
    if missing:
        print(f"bpy misses system libraries: apt-get install {' '.join(missing)}", file=sys.stderr)
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
