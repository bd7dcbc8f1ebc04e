"""The mesh of a shot as Blender shows it: which frame, which faces are holes, which materials."""
