"""The requests under way, as boxes of a panel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..jobs.connection import LinkState
from ..jobs.requests import RenderRequest
from ..jobs.tasks import TaskState, fold_tasks, folded_words
from ..session import session
from .panel_parts import draw_lines

if TYPE_CHECKING:
    import bpy

    from ..jobs.tasks import Task

__all__ = ["draw_tasks"]

_STAGES = {
    "queued": "Waiting in the queue",
    "read": "Reading the clip",
    "download": "Fetching the model's weights",
    "estimate": "Estimating the depth",
    "steady": "Making the depth steady",
    "mesh": "Making the mesh",
    "render": "Rendering conditions",
    "generate": "Making the clip",
    "load": "Loading the model",
    "text": "Reading the prompt",
    "encode": "Encoding conditions",
    "warm_up": "Preparing the graphics card",
    "denoise": "Making the clip",
    "decode": "Decoding the clip",
    "write": "Writing the files",
}
_PREVIEW_SCALE = 3  # of an icon's height; four of them fit a sidebar of usual width


def draw_tasks(layout: bpy.types.UILayout, kind: type, scene: bpy.types.Scene) -> None:
    """The requests of a step, with what can be done about each; what is over elsewhere or was
    before the last in one line."""
    tasks = [
        task
        for task in session().runner.tasks
        if isinstance(task.request, kind)
        and not (task.state is TaskState.DONE and kind is RenderRequest)  # among the takes
    ]
    scene_id = session().placement.own_id_of(scene)
    shown, folded = fold_tasks(tasks, scene_id)
    for task in shown:
        _draw_task(layout.box(), task)
    if folded:
        header, body = layout.panel(f"EX4D_over_{kind.__name__}", default_closed=True)
        header.label(text=folded_words(folded, scene_id))
        keys = " ".join(task.request.key for task in folded)
        header.operator("ex4d.dismiss", text="", icon="X").key = keys
        for task in folded if body else ():
            _draw_task(body.box(), task)


def _draw_task(layout: bpy.types.UILayout, task: Task) -> None:
    row = layout.row()
    row.label(text=task.request.label)
    name = "ex4d.dismiss" if task.over else "ex4d.cancel"
    if task.state is TaskState.HELD:
        row.operator("ex4d.place_here", text="Place Here").key = task.request.key
        name = "ex4d.dismiss"
    if task.state in (TaskState.FAILED, TaskState.CANCELLED):
        row.operator("ex4d.retry", text="", icon="FILE_REFRESH").key = task.request.key
    row.operator(name, text="", icon="X").key = task.request.key
    waits = task.state is TaskState.ACTIVE and task.away and not task.over
    if waits or task.state is TaskState.WAITING:
        draw_lines(layout, _waiting_text(task), "SORTTIME")
    elif task.state is TaskState.ACTIVE:
        layout.progress(factor=task.fraction, text=_progress_text(task))
        _draw_preview(layout, task)
    elif task.state is TaskState.DONE:
        draw_lines(layout, task.text or "Done", "CHECKMARK")
    else:
        icon = "ERROR" if task.state is TaskState.FAILED else "INFO"
        draw_lines(layout, task.text or task.state.value.capitalize(), icon)


def _draw_preview(layout: bpy.types.UILayout, task: Task) -> None:
    """What the take has become by now, from its first frame to its last."""
    icons = session().previews.icons(task.request.key)
    if icons:
        grid = layout.grid_flow(row_major=True, columns=4, even_columns=True, align=True)
        for icon in icons:
            grid.template_icon(icon, scale=_PREVIEW_SCALE)


def _waiting_text(task: Task) -> str:
    """What a request waits for that cannot go on without the server."""
    connection = session().connection
    if session().problem:
        return session().problem
    if connection.state is LinkState.REFUSED:
        return connection.text
    if connection.state is LinkState.LOST:
        return f"The server is away: this goes on when it is back. {connection.text}"
    return task.text or "Waiting for the server"


def _progress_text(task: Task) -> str:
    stage = _STAGES.get(task.stage, task.stage.capitalize())
    if task.cancelling:
        return "Cancelling ..."
    if not task.total:
        return stage
    left_s = task.left_s(time.monotonic())
    left = "" if left_s is None else f", {_duration(left_s)} left"
    return f"{stage}: {task.fraction:.0%}{left}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d} min" if minutes else f"{seconds} s"
