"""EX-4D inside Blender: panel, animated mesh, cameras and result strips. GPL-3.0-or-later."""

__all__ = ["register", "unregister"]


def register() -> None:
    """Add classes and properties, and begin the session with its timer."""
    import bpy

    from . import camera_operators, properties, session

    for class_ in _classes():
        bpy.utils.register_class(class_)
    properties.add_properties()
    camera_operators.add_menu_entry()
    session.start()


def unregister() -> None:
    """Stop all work at once and take everything out; jobs go on at the server."""
    import bpy

    from . import camera_operators, properties, session

    session.stop()
    camera_operators.remove_menu_entry()
    properties.remove_properties()
    for class_ in reversed(_classes()):
        bpy.utils.unregister_class(class_)


def _classes() -> tuple[type, ...]:
    """In the order in which they need each other."""
    from . import (
        camera_operators,
        clip_operators,
        file_operators,
        operators,
        panels,
        path_operators,
        preferences,
        properties,
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
    )
