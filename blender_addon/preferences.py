"""Where the server is, and the keys that prove who both sides are."""

# No `from __future__ import annotations` here: Blender reads the annotations.
from pathlib import Path

import bpy

from .endpoint import DEFAULT_ENDPOINT, is_loopback

__all__ = ["CLASSES", "ROOT", "Ex4dPreferences", "preferences", "user_folder"]

ROOT = __package__.rpartition(".")[0]  # the extension's id; Blender asks for just this


def preferences() -> "Ex4dPreferences":
    """The add-on's preferences."""
    return bpy.context.preferences.addons[ROOT].preferences


def user_folder() -> Path:
    """Where the add-on may keep its own files."""
    return Path(bpy.utils.extension_path_user(ROOT, create=True))


def _settings_changed(_settings: "Ex4dPreferences", _context: bpy.types.Context) -> None:
    """Another server: the old connection says nothing about it."""
    from .session import session

    session().disconnect()
    session().problem = ""


class Ex4dPreferences(bpy.types.AddonPreferences):
    """Shown in Preferences > Add-ons."""

    bl_idname = ROOT

    endpoint: bpy.props.StringProperty(
        name="Server",
        default=DEFAULT_ENDPOINT,
        description="tcp://HOST:PORT, as `ex4d serve` says it",
        update=_settings_changed,
    )
    server_key: bpy.props.StringProperty(
        name="Server's Key",
        description="The public key that `ex4d keys server` printed. Not needed for a server "
        "without keys on this computer",
        update=_settings_changed,
    )

    only_commercial: bpy.props.BoolProperty(
        name="Commercial Work Only",
        description="Refuse models whose licence does not allow paid work",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The settings from top to bottom, and what is wrong with them in words."""
        from .panels import draw_connection

        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "endpoint")
        layout.prop(self, "server_key")
        layout.prop(self, "only_commercial")
        row = layout.row()
        row.operator("ex4d.copy_public_key", icon="COPYDOWN")
        row.operator("ex4d.connect", text="Test Connection", icon="LINKED")
        draw_connection(layout)
        if is_loopback(self.endpoint) and not self.server_key:
            layout.label(text="Not encrypted: nothing leaves this computer.", icon="INFO")


CLASSES = (Ex4dPreferences,)
