"""Say in one line what bpy needs from this Linux system and does not find; exit code 2 then.

Run with the Python of an environment that holds bpy. bpy is not imported: without its libraries
that fails, and it says no package's name.
"""

from __future__ import annotations

# Library -> package, on Debian and Ubuntu. The last three are for drawing: Workbench and EEVEE.
PACKAGES = {
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
    "libEGL.so.1": "libegl1",
    "libEGL_mesa.so.0": "libegl-mesa0",
    "swrast_dri.so": "libgl1-mesa-dri",
}
