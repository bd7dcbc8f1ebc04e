"""Fast, between Draft and Final: four steps where the server has the LoRA, else plain ones."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.extension.conftest import ROOT
from tests.extension.drawn import draw

pytestmark = pytest.mark.blender

WRITE_MODELS = """
import pathlib, sys
from safetensors.torch import save_file
from ex4d.engines.wan.folder import find_models, STEPS_LORA_FILE, STEPS_LORA_FOLDER
from tests.ex4d.engines.wan import tiny
models = tiny.write_models(pathlib.Path(sys.argv[1]))
path = models / STEPS_LORA_FOLDER / STEPS_LORA_FILE
path.parent.mkdir(parents=True)
save_file(tiny.make_steps_lora(), path)
"""
SOME = 5  # frames


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The diffusion engine's tiny models with a step-distilled LoRA, written by its own Python."""
    folder = tmp_path_factory.mktemp("models") / "models"
    python = os.path.abspath(os.environ.get("EX4D_PYTHON") or ROOT / ".venv/bin/python")
    subprocess.run([python, "-c", WRITE_MODELS, folder], cwd=ROOT, check=True, timeout=120)
    return folder


def fast_shot(addon, server, tmp_path):
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    addon.shot.grid_stride = "4"
    addon.reconstruct(num_frames=SOME)
    render = addon.bpy.context.scene.render
    render.resolution_x, render.resolution_y = 96, 54
    addon.shot.quality, addon.shot.prompt = "FAST", "a red room"
    return addon


def test_fast_is_four_steps_with_the_servers_lora(addon, start_server, models, tmp_path):
    fast_shot(addon, start_server(models=models), tmp_path)
    drawn = draw(addon, "render")
    assert "4 steps with the server's step-distilled LoRA." in drawn.text
    assert {"prompt", "keep_source"} <= set(drawn.properties)
    assert not {"steps", "guidance_scale"} & set(drawn.properties)
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    take = addon.shot.takes[0]
    final = addon.part("takes.take").request_of(take).final
    assert (final.steps, final.guidance_scale, final.steps_lora) == (4, 1.0, True)
    assert addon.part("ui.take_words").take_words(take).startswith("001 · Fast · ")
    addon.shot.quality, addon.shot.steps, addon.shot.prompt = "DRAFT", 30, ""
    addon.part("takes.take").reuse_settings(addon.shot, take)
    assert (addon.shot.quality, addon.shot.steps, addon.shot.prompt) == ("FAST", 30, "a red room")


def test_without_the_lora_fast_is_a_few_plain_steps_and_says_so(addon, server, tmp_path):
    fast_shot(addon, server, tmp_path)
    text = draw(addon, "render").text
    assert "no step-distilled LoRA, which its administrator can fetch: 8 steps of a" in text
    qualities, connection = addon.part("scene.qualities"), addon.session.connection
    final = qualities.final_settings(addon.shot, connection)
    assert (final.steps, final.guidance_scale, final.steps_lora) == (8, 5.0, False)
    assert (final.prompt, final.is_fast) == ("a red room", True)


def test_what_fast_is_only_a_server_can_tell(addon, server, tmp_path):
    fast_shot(addon, server, tmp_path)
    reason = addon.part("ui.readiness").why_no_render
    assert "The server cannot: the weights" in reason(
        addon.shot, server.endpoint, addon.session.connection
    )
    addon.session.connection.close()
    said = reason(addon.shot, server.endpoint, addon.session.connection)
    assert said == "Connect to the server first: it says how it makes Fast takes."
    addon.shot.quality = "FINAL"
    assert reason(addon.shot, server.endpoint, addon.session.connection) == ""


def test_a_final_of_an_older_file_stays_a_final(addon):
    """Blender keeps a choice as its number."""
    items = addon.shot.bl_rna.properties["quality"].enum_items
    assert [(item.identifier, item.value) for item in items] == [
        ("DRAFT", 0),
        ("FAST", 2),
        ("FINAL", 1),
    ]
