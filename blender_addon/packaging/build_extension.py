"""Make the zip that artists install: `make extension`, or, with the Python of an environment that
holds bpy, `python -m blender_addon.packaging.build_extension`.

    sources + wheels -> build/extension/ -> Blender's own tool packs and checks -> dist/ex4d-N.zip

Only what the client needs goes in: neither server nor tests. Exit code 2, and one sentence, when
something is missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .wheels import BuildError, Wheel, fetch_wheels, pinned_wheels

__all__ = ["ExtensionTool", "build", "find_tool", "main", "stage", "with_wheels"]

ROOT = Path(__file__).parents[2]
MANIFEST = "blender_manifest.toml"
FILES = ("__init__.py", "LICENSE", "README.md")
PAGES = "docs"  # that the README leads to
FOLDERS = ("blender_addon", "protocol")
# what the client and the library have in common; it needs Python and NumPy alone
SHARED = (
    "ex4d/__init__.py",
    "ex4d/containers/__init__.py",
    "ex4d/containers/avi.py",
    "ex4d/containers/frame_count.py",
    "ex4d/containers/matroska.py",
    "ex4d/containers/quicktime.py",
    "ex4d/containers/quicktime_samples.py",
    "ex4d/containers/track_header.py",
    "ex4d/geometry/__init__.py",
    "ex4d/geometry/named_paths.py",
    "ex4d/files/picture_names.py",
    "ex4d/version.py",
)
# of protocol/: the server's half and the test doubles
LEFT_OUT = ("__pycache__", ".*", "packaging", "server", "testing", "*.md", "py.typed")
_TIMEOUT_S = 120


@dataclass(frozen=True)
class ExtensionTool:
    """Blender's own command line for extensions, a script that comes with bpy."""

    script: Path
    tags: Path  # what Blender knows as tags

    def run(self, action: str, *arguments: str | Path) -> None:
        """Raises BuildError with what the tool said when it refuses."""
        command = [sys.executable, self.script, action, "--valid-tags", self.tags, *arguments]
        run = subprocess.run(  # noqa: S603  (Blender's script, our own arguments)
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
        )
        if run.returncode:
            said = " ".join(run.stdout.split())
            raise BuildError(f"Blender's tool does not {action} the extension: {said}")


def find_tool() -> ExtensionTool:
    """The tool of this environment's bpy, which is not imported: it may lack system libraries."""
    package = importlib.util.find_spec("bpy")
    for folder in (package and package.submodule_search_locations) or []:
        for scripts in Path(folder).glob("*/scripts"):
            return ExtensionTool(
                scripts / "addons_core/bl_pkg/cli/blender_ext.py",
                scripts / "modules/_bpy_internal/extensions/tags.py",
            )
    raise BuildError(f"{sys.executable} has no bpy: run `make extension`")


def with_wheels(manifest: str, wheels: list[Wheel]) -> str:
    """The manifest's text, naming the wheels."""
    names = "".join(f'    "./wheels/{wheel.filename}",\n' for wheel in wheels)
    top, table, rest = manifest.partition("\n[")  # TOML: keys come before the first table
    return f"{top}\nwheels = [\n{names}]\n{table}{rest}"


def stage(root: Path, folder: Path, wheels: list[Wheel], wheel_folder: Path) -> None:
    """Lay out in an empty folder exactly what the zip shall hold."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    for name in FILES:
        shutil.copy2(root / name, folder)
    (folder / PAGES).mkdir()
    for page in sorted((root / PAGES).glob("*.md")):
        shutil.copy2(page, folder / PAGES)
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in SHARED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / name)
    for wheel in wheels:
        shutil.copy2(wheel_folder / wheel.filename, folder / "wheels")
    manifest = (root / MANIFEST).read_text(encoding="utf-8")
    (folder / MANIFEST).write_text(with_wheels(manifest, wheels), encoding="utf-8")


def build(root: Path = ROOT) -> Path:
    """Make `dist/ID-VERSION.zip` of the working tree at root; return its path.

    A zip that Blender's tool refuses never gets that name. Raises BuildError.
    """
    tool = find_tool()
    work = root / "build"
    here = Path("blender_addon", "packaging")
    wheels = pinned_wheels(root / here / "wheels.txt", root / "constraints.txt")
    fetch_wheels(wheels, work / "wheels")
    stage(root, work / "extension", wheels, work / "wheels")
    manifest = tomllib.loads((root / MANIFEST).read_text(encoding="utf-8"))
    name = f"{manifest['id']}-{manifest['version']}.zip"
    packed, plain = work / f"packed-{name}", work / name
    tool.run("build", "--source-dir", work / "extension", "--output-filepath", packed)
    _without_times(packed, plain)
    packed.unlink()
    tool.run("validate", plain)
    (root / "dist").mkdir(exist_ok=True)
    os.replace(plain, root / "dist" / name)
    return root / "dist" / name


def _without_times(source: Path, target: Path) -> None:
    """Copy the archive with its files in order and undated: equal sources give equal bytes."""
    with zipfile.ZipFile(source) as packed, zipfile.ZipFile(target, "w") as plain:
        for entry in sorted(packed.infolist(), key=lambda entry: entry.filename):
            undated = zipfile.ZipInfo(entry.filename)
            undated.external_attr = 0o644 << 16
            undated.compress_type = entry.compress_type
            plain.writestr(undated, packed.read(entry), compresslevel=9)


def main() -> int:
    """Build, and say what was built or why not."""
    try:
        path = build()
    except BuildError as error:
        print(f"No extension zip: {str(error).rstrip('.')}.", file=sys.stderr)
        return 2
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
