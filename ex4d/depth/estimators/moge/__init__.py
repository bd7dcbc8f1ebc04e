"""MoGe-2 (arXiv 2507.02546): points in metres and the field of view, each frame alone. Weights and
code are under the MIT licence; the network here is our own, and reads the published files."""
