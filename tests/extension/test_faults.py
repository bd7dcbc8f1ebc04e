"""The faults of Blender's side, named by their ids; the rig's ticks hold B7 in all of them."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from tests.extension.rig import BLOCKED_S, LONG_TICK, TICK_S, Moment, Ticks
from tests.faults.ports import lasting_endpoint

pytestmark = pytest.mark.blender

SOME = 8  # frames

QUIT = """
import bpy, sys, time
from pathlib import Path
install = bpy.ops.extensions.package_install_files
install(repo="user_default", filepath={zip!r}, enable_on_install=True, overwrite=True)
import importlib
part = lambda name: importlib.import_module("bl_ext.user_default.ex4d.blender_addon." + name)
bpy.context.preferences.addons["bl_ext.user_default.ex4d"].preferences.endpoint = {endpoint!r}
session = part("session").session()
session.connect()
requests = part("jobs.requests")
source = requests.ClipSource({clip!r}, {clip!r})
task = session.runner.start(requests.ReconstructRequest("big", source, {folder!r}, "scene"))
end = time.monotonic() + 30
while task.done == 0 or task.total == task.done:
    assert time.monotonic() < end, (task, session.connection.text)
    session.tick()
    time.sleep(0.01)
print("sending", flush=True)
began = time.monotonic()
import addon_utils
addon_utils.disable("bl_ext.user_default.ex4d")
print("gone after", time.monotonic() - began, flush=True)
"""


@pytest.fixture
def running(addon, server):
    """A reconstruction that the server works on, and its task."""
    addon.use(server)
    addon.choose_clip(SOME)
    addon.bpy.ops.ex4d.reconstruct()
    (task,) = addon.tasks
    addon.until(lambda: task.job_id, "the job")
    return addon, task


@contextmanager
def listener(host):
    """Counts who connects."""
    found = []
    with socket.create_server((host, 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def count():
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                found.append(connection)
                connection.close()

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield server.getsockname()[1], found
        finally:
            over.set()
            thread.join()


def test_b1_quit_during_a_transfer_takes_at_most_a_second(extension, archive, ex4d, tmp_path):
    process = ex4d(
        "serve",
        *("--bind", "tcp://127.0.0.1:0", "--data_dir", tmp_path / "data"),
        stderr=subprocess.PIPE,
    )
    try:
        line = next(line for line in process.stderr if "listening" in line)
        big = tmp_path / "clip.mp4"
        with big.open("wb") as file:
            file.truncate(500_000_000)
        script = QUIT.format(
            zip=str(archive),
            endpoint=line.split("endpoint=")[1].split()[0],
            clip=str(big),
            folder=str(tmp_path / "mesh"),
        )
        profile = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=profile,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("gone after")[1]) <= 1.0


def test_b2_a_new_file_during_a_job_keeps_the_result_until_there_is_a_place(running):
    addon, task = running
    addon.bpy.ops.wm.read_homefile(use_empty=True)
    addon.until(lambda: task.state.value == "held", "a result without a scene")
    assert "not open" in task.text
    assert addon.bpy.ops.ex4d.place_here(key=task.request.key) == {"FINISHED"}
    addon.until(lambda: task.over, "its placing")
    assert addon.shot.mesh is not None


def test_b2_opening_the_file_again_brings_the_result_in_by_itself(addon, server, tmp_path):
    bpy = addon.bpy
    addon.use(server)
    addon.choose_clip(SOME)
    bpy.ops.ex4d.reconstruct()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "mine.blend"))
    (task,) = addon.tasks
    bpy.ops.wm.read_homefile(use_empty=True)
    addon.until(lambda: task.state.value == "held", "a result without a scene")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "mine.blend"))
    addon.until(lambda: task.over, "its placing")
    assert addon.shot.mesh is not None


def test_b2_undo_during_a_job_does_not_lose_its_scene(addon, server):
    bpy = addon.bpy
    addon.use(server)
    addon.choose_clip(SOME)
    bpy.ops.ed.undo_push(message="clip chosen")
    bpy.context.scene["later"] = 1
    bpy.ops.ex4d.reconstruct()
    bpy.ops.ed.undo_push(message="later")
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert bpy.context.scene.ex4d.scene_id == ""  # made after that step
    addon.until(lambda: addon.tasks[0].over, "the end")
    assert addon.shot.mesh is not None, addon.tasks[0].text


def test_b2_a_deleted_scene_holds_the_result(running):
    addon, task = running
    scene = addon.bpy.context.scene
    addon.bpy.data.scenes.new("other")
    addon.bpy.data.scenes.remove(scene)
    addon.until(lambda: task.state.value == "held", "a result without a scene")
    assert addon.bpy.ops.ex4d.dismiss(key=task.request.key) == {"FINISHED"}
    assert addon.tasks == []


def test_b3_off_and_on_gives_one_thread_one_timer_and_the_list_back(running, extension, server):
    import addon_utils

    addon, task = running
    addon_utils.disable(extension, default_set=True)
    assert addon.network_threads() == []
    addon_utils.enable(extension, default_set=True)
    assert [again.request for again in addon.tasks] == [task.request]
    addon.use(server)  # Blender forgets an add-on's preferences with it
    addon.session.connect()
    addon.until(lambda: addon.tasks[0].over, "the end")
    assert len(addon.network_threads()) == 1
    assert addon.bpy.app.timers.is_registered(addon.part("session")._tick)
    assert addon.tasks[0].state.value == "done"
    assert addon.shot.mesh is not None


def test_b4_a_frozen_blender_catches_up(running, server):
    """Nothing is pumped until the server has finished, as another client sees it."""
    addon, task = running
    client = importlib.import_module(f"{addon.module}.protocol.client").Client
    address_of, keys = addon.part("jobs.endpoint").address_of, addon.session.keys_folder
    with client(address_of(server.endpoint, server.server_key, keys)) as other:
        *_, last = other.attach(task.job_id, timeout_s=60)
    assert last.state.value == "done"
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "done"


def test_b5_without_a_window_the_same_code_runs_by_ticks(running):
    addon, task = running
    assert addon.bpy.app.background
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "done"


def test_b6_offline_opens_no_connection(addon):
    """0.0.0.0 reaches this computer, and is no loopback address."""
    bpy = addon.bpy
    with listener("127.0.0.1") as (port, found):
        addon.choose_clip(SOME)
        key = addon.part("jobs.endpoint").own_keys(addon.session.keys_folder).public
        addon.preferences.endpoint = f"tcp://0.0.0.0:{port}"
        addon.preferences.server_key = key
        assert not bpy.app.online_access
        assert not bpy.ops.ex4d.reconstruct.poll()
        assert not bpy.ops.ex4d.connect.poll()
        settings_error = addon.part("errors").SettingsError
        with pytest.raises(settings_error, match="Online Access"):
            addon.session.connect()
        addon.tick()
        assert addon.network_threads() == []
        assert found == []
        bpy.context.preferences.system.use_online_access = True
        try:
            assert bpy.ops.ex4d.connect() == {"FINISHED"}
            addon.until(lambda: found, "a connection, which proves the test")
        finally:
            bpy.context.preferences.system.use_online_access = False
        addon.tick()
        assert addon.network_threads() == []
        assert "Online Access" in addon.session.problem


def busy(seconds):
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


def test_b7_a_tick_with_a_thousand_pieces_of_news_is_short(running):
    addon, task = running
    news = addon.part("jobs.active_request").Progress
    for number in range(1000):
        addon.session.connection.client.news.put(news(-1, number, 1000))
    addon.tick()
    assert addon.ticks.core_s[-1] <= TICK_S, LONG_TICK
    addon.until(lambda: task.over, "the end")


@pytest.mark.parametrize("fault", [busy, time.sleep])
def test_b7_a_tick_that_is_long_or_waits_is_noticed(fault):
    ticks, began = Ticks(), Moment.now()
    ticks.add(began, Moment.now())
    ticks.check()
    fault(2 * BLOCKED_S)
    ticks.add(began, Moment.now())
    with pytest.raises(AssertionError, match="B7"):
        ticks.check()


def test_a_failed_job_says_why_and_leaves_nothing_in_the_scene(addon, server, tmp_path):
    addon.use(server)
    addon.choose_clip(SOME)
    bad = tmp_path / "depth.npz"
    bad.write_bytes(b"no depth")
    addon.shot.depth.file = str(bad)
    with pytest.raises(RuntimeError, match=r"depth\.npz"):
        addon.bpy.ops.ex4d.reconstruct(wait=True)
    assert addon.shot.mesh is None
    assert addon.tasks[0].state.value == "failed"


def test_a_server_that_dies_and_comes_back_costs_time_only(addon, start_server):
    first = start_server(bind=lasting_endpoint())
    addon.use(first)
    addon.choose_clip(SOME)
    addon.bpy.ops.ex4d.reconstruct()
    (task,) = addon.tasks
    addon.until(lambda: task.stage not in ("", "sending the clip"), "a beginning")
    first.process.kill()
    first.process.wait(30)
    addon.until(lambda: addon.session.connection.state.value == "lost", "the loss")
    start_server(data=first.data, bind=first.endpoint)
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "done", task.text
