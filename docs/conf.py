"""How the documentation is built: `make docs` leaves `docs/_build/html`."""

from ex4d.version import __version__

project = "EX-4D for Blender"
author = "the EX-4D for Blender authors"
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"{project} {version}"
html_static_path: list[str] = []
