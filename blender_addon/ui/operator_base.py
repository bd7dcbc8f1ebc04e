"""What all buttons have: refusals in words, and one thing begun for each press."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import time
from typing import TYPE_CHECKING

import bpy

from ..errors import AddonError
from ..session import redraw
from ..words import sentence_of

__all__ = ["Ex4dOperator", "OnceOperator"]

_DOUBLE_CLICK_S = 0.5  # the work of the first press left out


class Ex4dOperator:
    """Refusals as sentences: grey with a reason where that is known, a report otherwise."""

    if TYPE_CHECKING:  # Blender's, of the class that is registered

        def report(self, type: set[str], message: str) -> None: ...

        @classmethod
        def poll_message_set(cls, message: str) -> None: ...

    def run(self, context: bpy.types.Context) -> None:
        """What the button does. Raises AddonError or OSError."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self.run(context)
        except (AddonError, OSError) as error:
            self.report({"ERROR"}, sentence_of(error))
            return {"CANCELLED"}
        redraw()
        return {"FINISHED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = cls.why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return ""


class OnceOperator(Ex4dOperator):
    """Begins one thing for each press: the second half of a double click begins none."""

    _ended_s = float("-inf")  # of the last press; of each subclass its own

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if time.monotonic() - type(self)._ended_s < _DOUBLE_CLICK_S:
            return {"CANCELLED"}
        answer = self.ask(context)
        type(self)._ended_s = time.monotonic()
        return answer

    def ask(self, context: bpy.types.Context) -> set[str]:
        """What a press does."""
        return self.execute(context)
