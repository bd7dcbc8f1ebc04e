"""What a panel draws, without a window: a layout that takes notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

__all__ = ["Drawn", "draw"]


@dataclass
class Drawn:
    """Stands in for a UILayout and all that it makes."""

    labels: list[str] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    operators: dict[str, SimpleNamespace] = field(default_factory=dict)
    icons: list[int] = field(default_factory=list)
    alert: bool = False
    active: bool = True
    enabled: bool = True
    scale_y: float = 1
    use_property_split: bool = False
    use_property_decorate: bool = True

    @property
    def text(self) -> str:
        """All sentences, whole again where they were broken."""
        return " ".join(self.labels)

    def _part(self, *_: Any, **__: Any) -> Drawn:
        return self

    row = column = box = split = grid_flow = _part

    def panel(self, _name: str, *, default_closed: bool = False) -> tuple[Drawn, Drawn | None]:
        return self, None if default_closed else self

    def label(self, *, text: str = "", icon: str = "") -> None:
        self.labels.append(text)

    def progress(self, *, factor: float, text: str = "") -> None:
        self.labels.append(text)

    def prop(self, _data: Any, name: str, **_: Any) -> None:
        self.properties.append(name)

    def operator(self, name: str, **_: Any) -> SimpleNamespace:
        return self.operators.setdefault(name, SimpleNamespace())

    def template_list(self, *_: Any, **__: Any) -> None:
        pass

    def template_icon(self, icon_value: int, *, scale: float) -> None:
        self.icons.append(icon_value)

    def separator(self) -> None:
        pass


def draw(addon, name: str) -> Drawn:
    """What the panel of this name shows now, in the window's first 3D view."""
    bpy = addon.bpy
    panel = getattr(bpy.types, f"EX4D_PT_{name}")
    areas = bpy.context.window.screen.areas
    views = [area.spaces.active for area in areas if area.type == "VIEW_3D"]
    drawn = Drawn()
    context = SimpleNamespace(scene=bpy.context.scene, space_data=views[0] if views else None)
    panel.draw(SimpleNamespace(layout=drawn), context)
    return drawn
