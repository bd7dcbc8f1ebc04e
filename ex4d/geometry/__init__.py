"""Geometry that the library and the Blender extension have in common; it needs NumPy alone."""
