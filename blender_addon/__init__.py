"""EX-4D inside Blender: panel, animated mesh, cameras and result strips. GPL-3.0-or-later."""

__all__ = ["register", "unregister"]


def register() -> None:
    """Add classes and properties, and begin the session with its timer. Where a package of
    another add-on prevents that, say so in their place."""
    import bpy

    from .ui import stand_in

    try:
        classes = _classes()
    except stand_in.BROKEN_IMPORT as error:
        sentence = stand_in.why_not_importable(error)
        if not sentence:
            raise
        stand_in.register(sentence)
        return
    from . import session
    from .scene import properties
    from .ui import menus

    for class_ in classes:
        bpy.utils.register_class(class_)
    properties.add_properties()
    menus.add_menus()
    session.start()


def unregister() -> None:
    """Stop all work at once and take everything out; jobs go on at the server."""
    import bpy

    from .ui import stand_in

    if stand_in.is_registered():
        stand_in.unregister()
        return
    from . import session
    from .scene import properties
    from .ui import menus

    session.stop()
    menus.remove_menus()
    properties.remove_properties()
    for class_ in reversed(_classes()):
        bpy.utils.unregister_class(class_)


def _classes() -> tuple[type, ...]:
    """In the order in which they need each other."""
    from .scene import properties
    from .ui import (
        camera_operators,
        clip_operators,
        file_operators,
        menus,
        operators,
        panels,
        path_operators,
        preferences,
        take_operators,
        view_operators,
    )

    return (
        *preferences.CLASSES,
        *properties.CLASSES,
        *operators.CLASSES,
        *camera_operators.CLASSES,
        *clip_operators.CLASSES,
        *file_operators.CLASSES,
        *path_operators.CLASSES,
        *take_operators.CLASSES,
        *view_operators.CLASSES,
        *panels.CLASSES,
        *menus.CLASSES,
    )
