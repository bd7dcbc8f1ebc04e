"""The zip installs, runs on its own wheels, and goes without a trace, in each Blender."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender

INSTALL = """
import bpy, os
for _ in range({times}):
    done = bpy.ops.extensions.package_install_files(
        repo="user_default", filepath={zip!r}, enable_on_install=True, overwrite=True
    )
    assert done == {{"FINISHED"}}, done
    assert {module!r} in bpy.context.preferences.addons
    assert bpy.context.scene.ex4d is not None
print("enabled", flush=True)
"""


def installed(archive, extension, folder, *, times=1, ending=""):
    """Install in a process and a profile of their own; return what became of it."""
    script = INSTALL.format(times=times, zip=str(archive), module=extension) + ending
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def lives_in(module, folder: Path) -> bool:
    return Path(module.__file__).resolve().is_relative_to(folder.resolve())


def functions(extension):
    """All that the extension's modules define, to ask Blender which of them it would call."""
    modules = [module for name, module in sys.modules.items() if name.startswith(extension)]
    return {
        item for module in modules for item in vars(module).values() if inspect.isfunction(item)
    }


def registered(blender, extension) -> set[str]:
    """What Blender knows of the extension: types, operators, properties, timers, handlers."""
    names = {name for name in dir(blender.types) if "ex4d" in name.lower()}
    names |= {f"ops.{name}" for name in dir(blender.ops.ex4d)}
    names |= {f"scene.{name}" for name in dir(blender.types.Scene) if "ex4d" in name}
    for function in functions(extension):
        if blender.app.timers.is_registered(function):
            names.add(f"timer {function.__name__}")
    for event in dir(blender.app.handlers):
        calls = getattr(blender.app.handlers, event)
        if isinstance(calls, list):
            names |= {f"{event} {call}" for call in calls if extension in call.__module__}
    return names


def test_the_wheels_in_the_zip_are_what_runs(blender, profile):
    import msgspec
    import zmq

    assert lives_in(zmq, profile)
    assert lives_in(msgspec, profile)
    assert zmq.has("curve")


def test_every_module_of_the_zip_can_be_imported(blender, extension, profile):
    """None needs the server's half, the tests, or a package that Blender lacks."""
    package = importlib.import_module(extension)
    names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{extension}.")]
    assert f"{extension}.protocol.background" in names
    assert f"{extension}.blender_addon.camera.sampling" in names
    for name in names:
        assert lives_in(importlib.import_module(name), profile), name


def test_switching_it_off_and_on_leaves_no_thread_and_nothing_registered(blender, extension):
    import addon_utils

    errors = []
    enabled = registered(blender, extension)
    addon_utils.disable(extension, default_set=True)
    threads = threading.enumerate()
    assert registered(blender, extension) == set() != enabled
    for _ in range(3):
        addon_utils.enable(extension, default_set=True, handle_error=errors.append)
        assert registered(blender, extension) == enabled
        addon_utils.disable(extension, default_set=True)
        assert threading.enumerate() == threads
        assert registered(blender, extension) == set()
    addon_utils.enable(extension, default_set=True, handle_error=errors.append)
    assert errors == []


def test_blender_ends_with_the_extension_enabled(extension, archive, tmp_path):
    """4.5 hangs and 4.2 crashes at the exit when something stays registered."""
    run = installed(archive, extension, tmp_path)
    assert "enabled" in run.stdout, run.stderr
    assert run.returncode == 0, run.stderr


def test_it_can_be_installed_over_itself(extension, archive, tmp_path):
    """An update without a restart. The process ends at once: bpy 4.2 keeps the callbacks of a
    replaced module's properties, and crashes at the exit of any extension that has some."""
    run = installed(archive, extension, tmp_path, times=2, ending="os._exit(0)")
    assert "enabled" in run.stdout, run.stderr
    assert run.returncode == 0, run.stderr


BROKEN = """
import sys
sys.path.insert(0, {folder!r})
import msgspec
"""
ENDING = """
import addon_utils
drawn = []
class Layout:
    scale_y = 1
    def column(self, **_): return self
    def label(self, text="", icon=""): drawn.append(text)
import types
bpy.types.EX4D_PT_stand_in.draw(types.SimpleNamespace(layout=Layout()), bpy.context)
print("drawn", " ".join(drawn))
addon_utils.disable({module!r}, default_set=True)
assert not hasattr(bpy.types, "EX4D_PT_stand_in")
"""
MSGSPECS = {
    "of another make": "",
    "old": '__version__ = "0.4.1"\nclass Struct: pass',
    "whose heart is missing": "from ._core import Struct",
}


@pytest.mark.parametrize("kind", MSGSPECS)
def test_15_a_broken_msgspec_of_another_add_on_is_said_in_one_sentence(
    extension, archive, tmp_path, kind
):
    package = tmp_path / "other" / "msgspec"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MSGSPECS[kind])
    first = BROKEN.format(folder=str(package.parent))
    if kind == "whose heart is missing":
        first = first.replace("import msgspec", "")
    script = first + INSTALL.replace("    assert bpy.context.scene.ex4d is not None\n", "").format(
        times=1, zip=str(archive), module=extension
    )
    run = subprocess.run(
        [sys.executable, "-c", script + ENDING.format(module=extension)],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    said = [line for line in run.stdout.splitlines() if line.startswith("EX-4D cannot start")]
    assert len(said) == 1, run.stdout
    assert f"msgspec{' 0.4.1' if kind == 'old' else ''}" in said[0]
    assert "update or disable that one" in said[0]
    assert f"drawn {said[0]}" in run.stdout
