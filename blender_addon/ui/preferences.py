"""Where the server is, and the keys that prove who both sides are."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from ..extension import ROOT
from ..jobs.endpoint import DEFAULT_ENDPOINT, is_loopback

__all__ = ["CLASSES", "Ex4dPreferences"]


def _settings_changed(_settings: "Ex4dPreferences", _context: bpy.types.Context) -> None:
    """Another server: the old connection says nothing about it."""
    from ..session import session

    session().disconnect()
    session().problem = ""


class Ex4dPreferences(bpy.types.AddonPreferences):
    """Shown in Preferences > Add-ons."""

    bl_idname = ROOT

    endpoint: bpy.props.StringProperty(
        name="Server",
        default=DEFAULT_ENDPOINT,
        description="tcp://HOST:PORT, as the server says when it starts",
        update=_settings_changed,
    )
    server_key: bpy.props.StringProperty(
        name="Server's Key",
        description="The server's public key, from its administrator. Not needed for a server "
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
