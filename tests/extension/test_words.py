"""What is wrong is said in words, before and after it is tried."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT, strips
from tests.faults.ports import lasting_endpoint

pytestmark = pytest.mark.blender


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"endpoint": "tcp://127.0.0.1:9"}, "No EX-4D server answers"),
        ({"server_key": "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}, "differs from the one"),
        ({"server_key": ""}, "is encrypted, and the settings name no key"),
    ],
)
def test_the_connection_test_says_in_words_what_is_wrong(addon, server, change, words):
    addon.use(server)
    for name, value in change.items():
        setattr(addon.preferences, name, value)
    assert addon.bpy.ops.ex4d.connect() == {"FINISHED"}
    addon.until(lambda: words in addon.session.connection.text, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"endpoint": "nonsense"}, "Online Access|is not of the form"),
        ({"endpoint": "tcp://127.0.0.1"}, "is not of the form"),
        ({"server_key": "short"}, "has 5 characters"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(addon, server, change, words):
    addon.use(server)
    for name, value in change.items():
        setattr(addon.preferences, name, value)
    with pytest.raises(RuntimeError, match=words):
        addon.bpy.ops.ex4d.connect()


@pytest.mark.skipif(os.name != "posix", reason="modes say nothing there")
def test_h16_a_secret_that_others_may_read_is_refused_in_words(addon, server):
    addon.use(server)
    secret = addon.session.keys_folder / "client.secret"
    secret.chmod(0o644)
    with pytest.raises(RuntimeError, match=r"others may read.*chmod 600"):
        addon.bpy.ops.ex4d.connect()
    secret.chmod(0o600)
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: "Connected" in addon.session.connection.text, "a connection")


def test_an_unknown_key_is_told_and_works_once_it_is_authorised(addon, server, ex4d):
    addon.preferences.endpoint, addon.preferences.server_key = server.endpoint, server.server_key
    folder = addon.session.keys_folder
    for path in folder.glob("client.*"):
        path.unlink()
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: "does not know" in addon.session.connection.text, "a refusal")
    keys = server.client_keys.parent / "server"
    public = (folder / "client.key").read_text().strip()
    command = ["keys", "authorise", "--keys", keys, "--name", "blender", "--public_key", public]
    assert ex4d(*command, stdout=subprocess.DEVNULL).wait(60) == 0
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: "Connected" in addon.session.connection.text, "a connection")


def test_31_a_refusal_is_said_where_work_waits_and_no_more_can_be_started(addon, server):
    addon.choose_clip(2)
    addon.preferences.endpoint, addon.preferences.server_key = server.endpoint, server.server_key
    for path in addon.session.keys_folder.glob("client.*"):
        path.unlink()
    assert addon.bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    addon.until(lambda: "does not know" in addon.session.connection.text, "a refusal")
    drawn = draw(addon, "reconstruct")
    assert drawn.text.count("does not know") == 2  # at the button, and at what waits
    assert not addon.bpy.ops.ex4d.reconstruct.poll()
    addon.use(server)
    assert addon.bpy.ops.ex4d.reconstruct.poll()


def test_31_a_server_that_is_killed_is_said_to_be_away(addon, start_server):
    killed = start_server(bind=lasting_endpoint())
    addon.use(killed)
    addon.choose_clip(49)
    assert addon.bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    (task,) = addon.tasks
    addon.until(lambda: task.job_id, "the job")
    killed.process.kill()
    killed.process.wait(30)
    addon.until(lambda: addon.session.connection.state.value == "lost", "the loss")
    drawn = draw(addon, "reconstruct")
    assert "The server is away: this goes on when it is back." in drawn.text
    assert "queue" not in drawn.text
    start_server(bind=killed.endpoint, data=killed.data)
    addon.until(lambda: addon.session.connection.state.value == "connected", "the return")
    assert "away" not in draw(addon, "reconstruct").text
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "done", task.text


def test_what_steps_need_is_said(addon, server):
    bpy, shot = addon.bpy, addon.shot
    readiness = addon.part("ui.readiness")
    assert readiness.why_no_clip(shot) == "Choose a clip."
    shot.clip = str(Path(__file__))
    assert readiness.why_no_clip(shot) == "test_words.py is no video that Blender can read."
    shot.clip = str(SHOT / "input.mp4")
    assert readiness.why_no_clip(shot).startswith("Choose the clip's depth file")
    shot.depth.file = str(SHOT / "depth.npz")
    assert readiness.why_no_clip(shot) == ""
    shot.start_frame = 10
    assert "ends at frame 48" in readiness.why_no_clip(shot)
    assert not bpy.ops.ex4d.render.poll()
    assert "Reconstruct" in readiness.why_no_render(shot, "tcp://127.0.0.1:1", None)
    addon.use(server)
    shot.start_frame = 0
    addon.reconstruct(num_frames=2)
    shot.quality = "FINAL"
    said = readiness.why_no_render(shot, server.endpoint, addon.session.connection)
    assert said.startswith(
        "The server cannot: the weights of the diffusion engine wan are missing ("
    )
    assert said.endswith("); choose Quality Draft.")
    shot.quality, shot.seed = "DRAFT", "-1"
    assert "seed" in readiness.why_no_render(shot, server.endpoint, addon.session.connection)
    assert strips(bpy.context.scene) == []


def test_a_camera_that_cannot_be_is_refused_in_words(addon, server):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    addon.shot.camera.data.type = "ORTHO"
    with pytest.raises(RuntimeError, match="orthographic"):
        addon.bpy.ops.ex4d.render(wait=True)
    assert [task.over for task in addon.tasks] == [True]


def test_a_finals_settings_are_kept_and_sent(addon):
    requests = addon.part("jobs.requests")
    final = requests.FinalSettings(10, 3.5, "fog", True, "fp8", 0.6, 0.05, True, True)
    source = requests.ClipSource("a.mp4", "b.npz")
    request = requests.RenderRequest("take", source, "folder", "1", "1", 1, "Camera", "wan", final)
    assert requests.request_from(json.loads(json.dumps(requests.stored(request)))) == request
    sent = addon.part("jobs.flows")._engine_settings(request.final)
    given = (sent.num_inference_steps, sent.guidance_scale, sent.prompt, sent.keep_source)
    assert (*given, sent.precision) == (10, 3.5, "fog", True, "fp8")
    assert (sent.guidance_until, sent.step_cache, sent.steps_lora) == (0.6, 0.05, True)
    assert addon.part("jobs.flows")._engine_settings(requests.FinalSettings()).prompt is None
    offered = tuple(name for name, *_ in addon.part("scene.precisions").PRECISIONS)
    assert offered == get_args(requests.Precision)
