"""What stands in the add-on's place where a package that it needs does not work: one sentence.

Blender shares wheels between add-ons, so that another one's broken or old msgspec is ours, too.
"""

# No `from __future__ import annotations` here: Blender reads the annotations.
import importlib
import re
import sys
import types

import bpy

from ..extension import ROOT
from .panel_parts import SidebarPanel, draw_lines

__all__ = ["BROKEN_IMPORT", "is_registered", "register", "unregister", "why_not_importable"]

BROKEN_IMPORT = (ImportError, AttributeError, NameError, SyntaxError, TypeError, ValueError)
_OLDEST = {"msgspec": (0, 18), "zmq": (25, 0)}  # packages that we bring

_said = ""  # between register and unregister: why the add-on itself is not there


class EX4D_PT_stand_in(SidebarPanel, bpy.types.Panel):
    """Why EX-4D cannot start"""

    bl_label = "EX-4D"

    def draw(self, context: bpy.types.Context) -> None:
        draw_lines(self.layout, _said, "ERROR")


class Ex4dStandInPreferences(bpy.types.AddonPreferences):
    """The same in Preferences > Add-ons."""

    bl_idname = ROOT

    def draw(self, context: bpy.types.Context) -> None:
        """The sentence, broken where the window ends."""
        draw_lines(self.layout, _said, "ERROR")


_CLASSES = (Ex4dStandInPreferences, EX4D_PT_stand_in)


def why_not_importable(error: BaseException) -> str:
    """Which package of others an error of an import comes from, as a sentence for the artist;
    empty when it is none of those that we bring."""
    for name in _OLDEST:
        module, fault = sys.modules.get(name), ""
        try:
            module = importlib.import_module(name)
        except BROKEN_IMPORT as broken:
            fault = str(broken)
        if fault or module is None or _is_too_old(module, name) or _names(error, module, name):
            return _sentence(name, module, fault or str(error))
    return ""


def register(sentence: str) -> None:
    """Show why the add-on is not there, in the sidebar, the preferences and the terminal."""
    global _said
    _said = sentence
    print(sentence)
    for class_ in _CLASSES:
        bpy.utils.register_class(class_)


def unregister() -> None:
    """Take that away again."""
    global _said
    for class_ in reversed(_CLASSES):
        bpy.utils.unregister_class(class_)
    _said = ""


def is_registered() -> bool:
    """Whether this stands in the add-on's place."""
    return bool(_said)


def _is_too_old(module: types.ModuleType, name: str) -> bool:
    found = re.findall(r"\d+", str(getattr(module, "__version__", "")))[:2]
    return bool(found) and tuple(map(int, found)) < _OLDEST[name]


def _names(error: BaseException, module: types.ModuleType, name: str) -> bool:
    """Whether an error is about what a package has or lacks."""
    about = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return bool(about and about.split(".")[0] == name) or getattr(error, "obj", None) is module


def _sentence(name: str, module: types.ModuleType | None, fault: str) -> str:
    version = str(getattr(module, "__version__", ""))
    place = str(getattr(module, "__file__", None) or "")
    what = " ".join(part for part in (name, version, place and f"in {place}") if part)
    return (
        f"EX-4D cannot start: the Python package {what} does not work for it ({fault}). Another "
        "add-on has brought it: update or disable that one, and restart Blender."
    )
