"""The Blender extension: Blender looks for these two functions beside the manifest."""


def register() -> None:
    """Bring the add-on into Blender."""
    from . import blender_addon

    blender_addon.register()


def unregister() -> None:
    """Take it out again."""
    from . import blender_addon

    blender_addon.unregister()
