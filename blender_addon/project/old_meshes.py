"""Folders of meshes that nothing uses any more, neither the open file nor another .blend of the
project; only those may be deleted."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..errors import SettingsError
from .file_paths import file_paths, place_in
from .folders import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase

__all__ = ["OldMeshes", "delete_meshes", "find_old_meshes"]

_FOLDER = re.compile(r"mesh_[0-9]{3,}")
_FILES = re.compile(  # what Reconstruct writes; whatever else lies there is the artist's
    r"(mesh\.pc2|mesh_holes_[0-9]{5}\.png|depth\.npz|plate\.mp4|reconstruction\.npz"
    r"|source_camera\.npz)(\.part)?"
)
_LINKS = "plate"  # a folder of links to the clip's pictures
_BLEND = re.compile(r"\.blend[0-9]*$", re.IGNORECASE)
_MOST_FOLDERS = 20_000  # of a project, to look for .blend files in
_PIECE, _LONGEST_PATH = 1 << 22, 1 << 10  # bytes
_OVERLAP = 8 * _LONGEST_PATH
_END = b"ENDB"  # the last block of a whole one
_ZSTD, _GZIP, _PLAIN = b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BLENDER"


@dataclass(frozen=True)
class OldMeshes:
    """What can go, and what stays only because of other files."""

    folders: tuple[Path, ...]
    size_bytes: int
    kept: tuple[str, ...]  # sentences


def find_old_meshes(unsaved: Path, reads: Callable[[Path], bool]) -> OldMeshes:
    """Look through the folders of the open file's scenes and, of what they made before the first
    save, the extension's. `reads` tells whether work under way needs a folder.

    Raises SettingsError when not every .blend file of the project can be looked for.
    """
    scenes = [scene for scene in bpy.data.scenes if scene.library is None]
    named = {folder_of(scene.ex4d): scene.ex4d.folder for scene in scenes}
    bases = {base for base, text in named.items() if _is_own(base, text)}
    places = bases | {unsaved / scene.ex4d.scene_id for scene in scenes if scene.ex4d.scene_id}
    used = [found.path for found in file_paths()]
    free = [
        folder
        for base in sorted(places)
        for folder in sorted(base.glob("*/mesh_*"))
        if _FOLDER.fullmatch(folder.name)
        and not folder.is_symlink()
        and any(_written(folder))
        and not reads(folder)
        and not any(place_in(path, folder) for path in used)
    ]
    kept = {
        base: f"{base} is not this project's own: other files may use what lies there."
        for base in sorted(set(named) - bases)
    }
    if free:
        for blend in _blends({base.parent for base in bases} | {Path(bpy.data.filepath).parent}):
            for folder in _named_in(blend, [one for one in free if one not in kept]):
                kept[folder] = f"{folder.parent.name}/{folder.name} stays: {blend.name} may use it."
    gone = tuple(folder for folder in free if folder not in kept)
    size = sum(path.lstat().st_size for folder in gone for path in _written(folder))
    return OldMeshes(gone, size, tuple(dict.fromkeys(kept.values())))


def _is_own(base: Path, text: str) -> bool:
    """Whether a folder belongs to the open file's project, where other .blend files are found."""
    return text.startswith("//") or base.is_relative_to(Path(bpy.data.filepath).parent)


def delete_meshes(folders: tuple[Path, ...]) -> None:
    """Delete what Reconstruct wrote there. The folders stay, so that no other mesh gets the place
    that a file elsewhere may still lead to. Raises OSError."""
    for folder in folders:
        for path in list(_written(folder)):
            path.unlink(missing_ok=True)
        if (folder / _LINKS).is_dir():
            shutil.rmtree(folder / _LINKS)


def _written(folder: Path) -> Iterator[Path]:
    """The files of a mesh; none of a folder that holds what somebody else put there."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    links = [path for path in found if path.name == _LINKS and path.is_dir()]
    if all(path in links or _FILES.fullmatch(path.name) for path in found):
        yield from (path for path in found if path not in links)
        for links_folder in links:
            yield from links_folder.iterdir()


def _blends(roots: set[Path]) -> Iterator[Path]:
    """Every .blend file of a project, backups too. Raises SettingsError for too large a one."""
    n_folders = 0
    for root in sorted(roots):
        for folder, _, names in os.walk(root, onerror=_refuse):
            n_folders += 1
            if n_folders > _MOST_FOLDERS:
                raise SettingsError(
                    f"{root} has too many folders to look for other .blend files in: nothing is "
                    "deleted. Choose a folder of the project's own under Render."
                )
            yield from (Path(folder, name) for name in names if _BLEND.search(name))


def _refuse(error: OSError) -> None:
    raise SettingsError(f"{error.filename} cannot be looked through: nothing is deleted.")


def _named_in(blend: Path, folders: list[Path]) -> list[Path]:
    """Which folders a .blend file names; all of them, where it cannot be read."""
    if not folders:
        return []
    names = {folder: _name_of(folder, blend) for folder in folders}
    found: set[Path] = set()
    try:
        with _open_blend(blend) as file:
            before = b""
            while piece := file.read(_PIECE):
                new = max(0, len(before) - _LONGEST_PATH)  # what comes before was looked at
                piece = before + piece
                for folder, name in names.items():
                    places = (match.start() for match in name.finditer(piece, new))
                    if not all(_is_remainder(piece, place) for place in places):
                        found.add(folder)
                before = piece[-_OVERLAP:]
            if _END not in before:
                return folders
    except Exception:  # of whichever reader: what it would say is not known
        return folders
    return [folder for folder in folders if folder in found]


def _name_of(folder: Path, blend: Path) -> re.Pattern[bytes]:
    """How a path in a .blend file ends that leads to a folder, or into it."""
    name = re.escape(folder.name.encode())
    if not blend.resolve().is_relative_to(folder.parent.resolve()):  # else it can be left out
        clip = folder.parent.name
        written = {os.fsencode(clip), json.dumps(clip)[1:-1].encode()}  # as a path, as JSON
        clips = b"|".join(re.escape(one) for one in sorted(written))
        name = rb"(?:" + clips + rb")[/\\]+" + name
    return re.compile(name + rb"(?![0-9])")


def _is_remainder(content: bytes, place: int) -> bool:
    """Whether this is no path, but the end of an older and longer one: Blender writes a path into a
    field of fixed size, and what stood there before goes on after its end."""
    start = content.rfind(b"\0", 0, place) + 1
    run = content[start:place]
    newer = content[content.rfind(b"\0", 0, max(0, start - 1)) + 1 : max(0, start - 1)]
    begins = run[:1] in (b"/", b"\\") or run[1:2] == b":" or b"//" in run or b'"' in run
    is_path = b"/" in newer or b"\\" in newer
    is_text = all(byte >= ord(" ") for byte in run) and all(byte >= ord(" ") for byte in newer[-8:])
    return is_path and is_text and not begins


def _open_blend(path: Path) -> BufferedIOBase:
    """The content of a .blend file, also of a compressed one."""
    with path.open("rb") as file:
        start = file.read(7)
    if start == _PLAIN:
        return path.open("rb")
    if start.startswith(_GZIP):
        return gzip.open(path)
    if start.startswith(_ZSTD):
        return _open_zstd(path)
    raise ValueError(f"{path} is no .blend file")


def _open_zstd(path: Path) -> Any:
    try:
        from compression import zstd  # Python 3.14

        return zstd.open(path)
    except ImportError:
        import zstandard  # which Blender brings

        reader = zstandard.ZstdDecompressor().stream_reader
        return reader(path.open("rb"), read_across_frames=True, closefd=True)
