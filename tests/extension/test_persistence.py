"""What is under way or was made is found again, whatever happened in between."""

from __future__ import annotations

import pytest

from tests.faults.ports import lasting_endpoint

pytestmark = pytest.mark.blender

SOME = 8  # frames


def test_two_blenders_share_no_requests_and_the_dead_leave_theirs(addon, tmp_path):
    ledger, requests = addon.part("jobs.ledger").Ledger, addon.part("jobs.requests")
    source = requests.ClipSource("a.mp4", "a.npz")
    first, second = ledger(tmp_path), ledger(tmp_path)
    request = requests.ReconstructRequest("a", source, "folder", "scene")
    second.add(request)
    assert first.requests() == []
    second.close()  # as the end of its process does
    third = ledger(tmp_path)
    assert third.requests() == [request]
    third.remove(request.key)
    assert third.requests() == []
    first.close()
    third.close()


def test_a_job_that_the_server_has_forgotten_is_handed_in_again(addon, start_server):
    """Another folder of data at the same endpoint."""
    again = start_server(bind=lasting_endpoint())
    addon.use(again)
    addon.choose_clip(SOME)
    addon.bpy.ops.ex4d.reconstruct()
    task = addon.tasks[-1]
    addon.until(lambda: task.job_id, "the job")
    again.process.kill()
    again.process.wait(30)
    start_server(bind=again.endpoint)
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "done", task.text


def test_saving_elsewhere_keeps_the_way_to_clip_and_takes(addon, server, tmp_path):
    bpy = addon.bpy
    addon.use(server)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "here" / "shot.blend"))
    addon.reconstruct(num_frames=2)
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "there" / "shot.blend"))
    assert bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert len(addon.shot.takes) == 2
