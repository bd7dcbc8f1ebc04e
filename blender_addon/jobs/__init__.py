"""Requests, from a pressed button to files on the disk; no module here uses Blender."""
