"""The colours of a strip: shown as the clip's own, whatever the scene's view makes of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat import all_strips

if TYPE_CHECKING:
    import bpy

__all__ = ["StripColors", "keep_colors"]

_LINEAR_LOOKS = {"", "None"}
_FILES, _GIVEN = "ex4d_file_colors", "ex4d_given_colors"  # names of spaces: Blender's own, ours


class StripColors:
    """Keeps takes as their files are when the artist chooses another view for their scene."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[str, str]] = {}  # view and display of scenes

    def follow(self, scene: bpy.types.Scene) -> None:
        """After any change of a scene, so it costs nothing where the view is as it was. Strips
        whose colours the artist has set are left alone."""
        view = scene.view_settings.view_transform, scene.display_settings.display_device
        if self._seen.get(scene.session_uid) == view:
            return
        self._seen[scene.session_uid] = view
        for _, strip in all_strips(scene):
            if _GIVEN in strip and strip.colorspace_settings.name == strip[_GIVEN]:
                _give_colors(scene, strip)


def keep_colors(scene: bpy.types.Scene, strip: Any) -> str:
    """Give a new strip the colour space that the scene's view transform undoes, so that its pixels
    come out as they are in its file; what is left that changes them, as a sentence, or nothing.

    Measured over the sample clip: means of 0.3 to 0.9 of 255 levels for AgX, 0.0 to 0.7 for Filmic,
    ACES and Khronos, whose darkest greys become black; 12 to 36 without. The view itself is the
    artist's, and stays.
    """
    strip[_FILES] = strip.colorspace_settings.name
    view = scene.view_settings
    if not _give_colors(scene, strip):
        return f"The scene's view transform {view.view_transform} changes the colours of the strip."
    if view.look not in _LINEAR_LOOKS or view.exposure != 0 or view.gamma != 1 or _curves(view):
        return "The look, exposure, gamma or curves of the scene change the colours of the strip."
    return ""


def _give_colors(scene: bpy.types.Scene, strip: Any) -> bool:
    """Whether there is a colour space that the scene's view undoes; else it is the file's."""
    settings, fitting = strip.colorspace_settings, strip[_FILES]
    name, display = scene.view_settings.view_transform, scene.display_settings.display_device
    if name != "Standard":
        known = {item.identifier for item in settings.bl_rna.properties["name"].enum_items}
        own = (f"{name} Base {display}", f"{name} {display}", name)
        fitting = next((space for space in own if space in known), "")
    space = fitting or strip[_FILES]
    if settings.name != space:
        settings.name = space
    strip[_GIVEN] = space
    return bool(fitting)


def _curves(view: bpy.types.ColorManagedViewSettings) -> bool:
    return bool(view.use_curve_mapping or getattr(view, "use_white_balance", False))
