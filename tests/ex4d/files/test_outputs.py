"""atomic_path, atomic_folder and staged_folder: results appear whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ex4d.errors import OutputError, UsageError
from ex4d.files.manifest import MANIFEST, Run
from ex4d.files.outputs import atomic_folder, atomic_path, make_folder, staged_folder

RUN = Run("recon", "30")
FAULTS = [KeyboardInterrupt, SystemExit, UsageError, ValueError]


@pytest.fixture(params=["below a file", "in proc"])
def unwritable(request, tmp_path) -> Path:
    """A path that cannot be created, also by root, whom permission bits do not stop."""
    if request.param == "below a file":
        (tmp_path / "file").write_text("here")
        return tmp_path / "file" / "result"
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    return Path("/proc/self/result")


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_and_raise(target: Path, fault: type[BaseException]) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise fault


def fill_and_raise(target: Path, fault: type[BaseException] | None) -> None:
    with atomic_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        if fault is not None:
            raise fault


def stage_and_raise(
    folder: Path, fault: type[BaseException], *, theirs: Path | None = None
) -> None:
    with staged_folder(folder, RUN) as staging:
        (staging / "frames").mkdir()
        (staging / "frames" / "0.png").write_text("0")
        if theirs:
            theirs.write_text("theirs")
        raise fault


def stage(folder: Path, *names: str) -> None:
    with staged_folder(folder, RUN) as staging:
        for name in names:
            (staging / name).write_text(name)


def test_atomic_path_shows_the_target_only_when_it_is_complete(tmp_path):
    target = tmp_path / "depth.npz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".npz"
        temporary.write_text("new")
        assert not target.exists()
    assert everything_in(tmp_path) == ["depth.npz"]
    assert target.read_text() == "new"


def test_atomic_path_replaces_an_older_target(tmp_path):
    (tmp_path / "a.txt").write_text("older")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("fault", FAULTS)
def test_atomic_path_leaves_the_older_target_after_a_fault(tmp_path, fault):
    (tmp_path / "a.txt").write_text("older")
    with pytest.raises(fault):
        write_and_raise(tmp_path / "a.txt", fault)
    assert everything_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "older"


def test_atomic_path_gives_the_permissions_of_a_usual_new_file(tmp_path):
    (tmp_path / "usual").touch()
    with atomic_path(tmp_path / "a.txt"):
        pass
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_atomic_path_refuses_an_unwritable_place_before_the_work(unwritable):
    with pytest.raises(OutputError, match=f"{unwritable} cannot be written: "):
        write_and_raise(unwritable, RuntimeError)


def test_atomic_path_refuses_a_folder_before_the_work(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        write_and_raise(tmp_path, RuntimeError)


def test_a_full_disk_is_said_in_plain_words(tmp_path):
    with pytest.raises(OutputError) as caught, atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == f"{tmp_path}/a.txt cannot be written: the disk is full"
    assert everything_in(tmp_path) == []


def test_an_error_about_another_file_passes_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "input").read_text()
    with pytest.raises(FileNotFoundError), staged_folder(tmp_path / "out", RUN):
        (tmp_path / "input").read_text()


def test_an_error_that_is_not_the_disks_passes_unchanged(tmp_path):
    with pytest.raises(BrokenPipeError), atomic_path(tmp_path / "a.txt"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert everything_in(tmp_path) == []


def test_numpys_short_write_is_an_output_error(tmp_path):
    with (
        pytest.raises(OutputError, match="100 requested and 40 written"),
        atomic_path(tmp_path / "a.npy"),
    ):
        raise OSError("100 requested and 40 written")


def test_staged_folder_shows_its_files_together_at_the_end(tmp_path):
    folder = tmp_path / "a" / "b"
    with staged_folder(folder, RUN) as staging:
        (staging / "color.mp4").write_text("color")
        (staging / "frames").mkdir()
        (staging / "frames" / "0.png").write_text("0")
        assert everything_in(folder) == everything_in_staging(folder, staging)
    assert everything_in(folder) == [MANIFEST, "color.mp4", "frames", "frames/0.png"]


def everything_in_staging(folder: Path, staging: Path) -> list[str]:
    assert staging.name.startswith(".")
    return [path for path in everything_in(folder) if Path(path).parts[0] == staging.name]


def test_staged_folder_replaces_what_it_wrote_and_keeps_others(tmp_path):
    stage(tmp_path, "old")
    (tmp_path / "mine").write_text("mine")
    with staged_folder(tmp_path, RUN) as staging:
        (staging / "old").write_text("new")
    assert everything_in(tmp_path) == [MANIFEST, "mine", "old"]
    assert (tmp_path / "old").read_text() == "new"


@pytest.mark.parametrize("fault", FAULTS)
def test_staged_folder_leaves_nothing_after_a_fault(tmp_path, fault):
    with pytest.raises(fault):
        stage_and_raise(tmp_path / "a" / "b", fault)
    assert everything_in(tmp_path) == []


def test_staged_folder_keeps_after_a_fault_what_it_did_not_make(tmp_path):
    (tmp_path / "a").mkdir()
    folder = tmp_path / "a" / "b" / "c"
    with pytest.raises(UsageError):
        stage_and_raise(folder, UsageError, theirs=folder.parent / "theirs")
    assert everything_in(tmp_path) == ["a", "a/b", "a/b/theirs"]


def test_staged_folder_refuses_an_unwritable_place_before_the_work(unwritable):
    with pytest.raises(OutputError, match=f"{unwritable} cannot be written: "):
        stage_and_raise(unwritable, RuntimeError)


def test_staged_folder_refuses_a_file_before_the_work(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        stage_and_raise(tmp_path / "file", RuntimeError)
    assert everything_in(tmp_path) == ["file"]


def test_staged_folder_moves_nothing_when_one_name_is_taken_by_a_folder(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="b cannot be written: it is a folder"):
        stage(tmp_path, "a", "b")
    assert everything_in(tmp_path) == ["b"]


def test_atomic_folder_shows_itself_whole(tmp_path):
    with atomic_folder(tmp_path / "new" / "clip") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "new" / "clip").exists()
    assert everything_in(tmp_path) == ["new", "new/clip", "new/clip/a.txt"]


@pytest.mark.parametrize("fault", FAULTS)
def test_atomic_folder_leaves_nothing_after_a_fault(tmp_path, fault):
    with pytest.raises(fault):
        fill_and_raise(tmp_path / "clip", fault)
    assert everything_in(tmp_path) == []


def test_atomic_folder_removes_what_a_kill_has_left(tmp_path):
    (tmp_path / ".clip.partial").mkdir()
    (tmp_path / ".clip.partial" / "torn.mp4").touch()
    with atomic_folder(tmp_path / "clip") as folder:
        (folder / "a.txt").write_text("a")
    assert everything_in(tmp_path) == ["clip", "clip/a.txt"]


def test_atomic_folder_keeps_what_is_there_already(tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "mine.txt").touch()
    with pytest.raises(OutputError, match="clip cannot be written"):
        fill_and_raise(tmp_path / "clip", None)
    assert everything_in(tmp_path) == ["clip", "clip/mine.txt"]


def test_atomic_folder_refuses_an_unwritable_place_before_the_work(unwritable):
    with pytest.raises(OutputError, match="cannot be written"), atomic_folder(unwritable):
        pytest.fail("the block ran")


def test_make_folder_makes_parents_and_keeps_what_is_there(tmp_path):
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "file").touch()
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "file").exists()
    with pytest.raises(OutputError, match="a part of its path is a file"):
        make_folder(tmp_path / "a" / "b" / "file" / "c")
