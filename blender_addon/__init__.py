"""EX-4D inside Blender: cameras, the animated mesh and result strips. GPL-3.0-or-later."""
