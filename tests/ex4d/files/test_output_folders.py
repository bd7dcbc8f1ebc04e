"""Whatever lies in an output folder, and whatever an artist does there: nothing is lost."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ex4d.errors import OutputError
from ex4d.files.manifest import Run
from tests.ex4d.result_folders import contents, write

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a.mp4", "b.npz", "depth/0.exr", "depth/1.exr", "depth/2.exr")


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """What an artist has in the output folder and beside it: (kind, where, to what)."""
    more = ["depth", "depth", "depth", "DEPTH/0.exr", "A.mp4", "c.txt", ".DS_Store"]
    where = st.sampled_from([*NAMES, *more])
    what = st.sampled_from(["file", "link", "hard link", "folder", "link to folder"])
    one = st.tuples(what, where, st.sampled_from(["plate.mp4", "x.exr"]))
    return draw(st.lists(one, max_size=draw(st.sampled_from([0, 1, 4]))))


def plant(root: Path, tree: list[tuple[str, str, str]]) -> None:
    out, beside = root / "out", root / "beside"
    for folder in (out, beside):
        folder.mkdir()
    for name in ("plate.mp4", "x.exr", "0.exr"):
        (beside / name).write_text(f"mine: {name}")
    for kind, where, to in tree:
        path = out / where
        if os.path.lexists(path) or any(up.is_file() for up in path.parents):
            continue
        path.parent.mkdir(exist_ok=True)
        if kind == "file":
            path.write_text(f"mine: {where}")
        elif kind == "link":
            path.symlink_to(beside / to)
        elif kind == "hard link":
            path.hardlink_to(beside / to)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(beside)


def edit(root: Path, how: str, name: str, number: int) -> None:
    """Let the artist do something with a file in the output folder."""
    path, copy = root / "out" / name, root / "beside" / f"{number}.copy"
    if how == "swap the folder for a link":
        path = root / "out" / "depth"
        if path.is_dir() and not path.is_symlink():
            path.rename(copy)
            path.symlink_to(copy)
        return
    if not path.is_file() or path.is_symlink():
        return
    if how == "change":
        new = root / "beside" / "new"  # as editors save: other names of the file keep the old one
        new.write_text(f"mine: edited {number}")
        os.replace(new, path)
    elif how == "delete":
        path.unlink()
    elif how == "rename":
        path.rename(copy)
    elif how == "hard link":
        copy.hardlink_to(path)
    elif how == "swap for a link":
        path.rename(copy)
        path.symlink_to(copy)
    else:
        path.rename(copy)
        path.mkdir()


runs = st.tuples(
    st.sampled_from([("recon", "30"), ("recon", "30"), ("recon", "180"), ("get", "30")]),
    st.sets(st.sampled_from(NAMES), min_size=1, max_size=3),
    st.sampled_from(["", "a.mp4", "b.npz", "depth/0.exr"]),  # what it reads in the folder
    st.sampled_from(["", "link", "spelling"]),  # by which way
    st.sampled_from([{}, {"fov": "40"}, {"fov": "50"}]),
)
_HOW = (
    *("change", "delete", "rename", "hard link", "swap for a link", "swap for a folder"),
    "swap the folder for a link",
)
edits = st.tuples(st.sampled_from(_HOW), st.sampled_from(NAMES))


def read_by(root: Path, name: str, way: str, number: int) -> Path:
    """The path by which a run reads a file of the output folder."""
    path = root / "out" / name
    if way == "link" and name:
        link = root / f"link{number}"
        link.symlink_to(path)
        return link
    return root / "out" / ".." / "out" / name if way == "spelling" else path


@settings(max_examples=400, deadline=None)
@given(trees(), st.lists(st.one_of(runs, runs, edits), min_size=1, max_size=8))
def test_nothing_that_was_there_changes_unless_the_manifest_lists_it(tmp_path_factory, tree, steps):
    root = tmp_path_factory.mktemp("shot")
    plant(root, tree)
    ours: dict[str, str] = {}  # as this program has written it last
    for number, step in enumerate(steps):
        if len(step) == 2:
            edit(root, *step, number)
            continue
        (command, name), names, read, way, given_settings = step
        reads = (read_by(root, read, way, number),)
        before = contents(root)
        made = {file: f"{command} {name} {number}" for file in names}
        try:
            write(root / "out", made, Run(command, name, given_settings, reads))
        except OutputError:
            assert contents(root) == before
            continue
        ours |= {f"out/{file}": text for file, text in made.items()}
        check_run(before, contents(root), ours, names, read)
    shutil.rmtree(root)


def check_run(
    before: dict[str, str], after: dict[str, str], ours: dict[str, str], names: set[str], read: str
) -> None:
    """What a run that has ended well may have changed."""
    assert {file: after.get(f"out/{file}") for file in names} == {
        file: ours[f"out/{file}"] for file in names
    }
    for file, text in before.items():
        is_same = after.get(file) == text
        is_replaced = ours.get(file) == after.get(file)
        is_gone = ours.get(file) == text and file not in after
        assert is_same or is_replaced or is_gone
        if text.startswith(("mine", "->")) or not file.startswith("out/"):
            assert is_same
    assert after.keys() - before.keys() <= {f"out/{file}" for file in names}
    if read and f"out/{read}" in before:
        assert after[f"out/{read}"] == before[f"out/{read}"]
    depth = {file for file in after if file.startswith("out/depth/") and ".DS" not in file}
    if any(file.startswith("depth/") for file in names):
        assert depth == {f"out/{file}" for file in names if file.startswith("depth/")}
