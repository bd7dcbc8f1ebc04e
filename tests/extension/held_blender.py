"""A Blender whose interpreter is held for a while, as a render or a modal operator holds it.

python -m tests.extension.held_blender ZIP SERVER SECONDS IDS; SERVER is JSON: endpoint, server_key,
client_keys. The add-on sends a reconstruction, watches the jobs of IDS, says `holding` and is deaf
for the seconds. Then it must connect again by itself, hear the end of every job, and place the
reconstruction; it says `heard N` and `placed N` (vertices).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy

__all__ = ["FRAMES"]

MODULE = "bl_ext.user_default.ex4d"
FRAMES = 4


class Listener:
    """Hears what the add-on's own runner hears: the ends of jobs, and answers to commands."""

    def __init__(self, connection) -> None:
        news = importlib.import_module(f"{MODULE}.protocol.client.news")
        finals = importlib.import_module(f"{MODULE}.protocol.messages.jobs").FINAL_STATES
        self.ended: set[str] = set()
        self.answered: set[int] = set()
        take = connection.next_news

        def next_news():
            heard = take()
            if isinstance(heard, news.JobChanged) and heard.event.state in finals:
                self.ended.add(heard.event.job_id)
            if isinstance(heard, news.Done):
                self.answered.add(heard.token)
            return heard

        connection.next_news = next_news


def install(archive: str) -> None:
    install_files = bpy.ops.extensions.package_install_files
    install_files(repo="user_default", filepath=archive, enable_on_install=True, overwrite=True)
    bpy.ops.wm.read_homefile(use_empty=True)


def main() -> None:
    archive, server, seconds, ids = sys.argv[1:]
    install(archive)
    import addon_utils

    from tests.extension.rig import AddOn

    addon, given = AddOn(bpy, MODULE), SimpleNamespace(**json.loads(server))
    given.client_keys = Path(given.client_keys)
    addon.use(given)
    addon.choose_clip(FRAMES)
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    (task,) = addon.tasks
    addon.until(lambda: task.job_id, "the job")
    connection, jobs = addon.session.connection, set(json.loads(ids))
    listener = Listener(connection)
    watching = {connection.client.watch(job_id) for job_id in jobs}
    addon.until(lambda: watching <= listener.answered, "the watching")
    print("holding", flush=True)
    ctypes.PyDLL(None).usleep(round(1e6 * float(seconds)))  # keeps the interpreter's lock
    addon.until(lambda: task.over and jobs <= listener.ended, "the ends of all jobs")
    assert task.state.value == "done", task.text
    assert connection.state.value == "connected"
    print("heard", len(listener.ended & jobs), flush=True)
    print("placed", len(addon.shot.mesh.data.vertices), flush=True)
    addon_utils.disable(MODULE, default_set=True)


if __name__ == "__main__":
    main()
