"""The server's settings as people write them: a file, flags, and what is wrong with them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from backend.cli import serve
from backend.settings import ServerSettings
from backend.settings_text import as_toml, decoded, descriptions, encoded, read_settings
from ex4d.cli.main import main
from ex4d.engines.base import EngineOptions
from ex4d.engines.wan.memory import PROFILES_GIB
from ex4d.errors import InputError
from ex4d.files.budget import Budget
from ex4d.raster.choose import RASTERIZERS

GIB = 1 << 30
# Every setting with another value than its usual one.
OTHERS = ServerSettings(
    bind="tcp://127.0.0.1:6000",
    data_dir=Path("/srv/täglich/a \"b\" 'c'\\d"),
    keys=Path("/srv/keys"),
    devices=("cuda:1", "cpu"),
    models=Path("/big disk/models"),
    checkpoint=Path("/big disk/run/ex4d.ckpt"),
    vram_gib=24,
    lora="unfused",
    steps_lora=Path("/big disk/four steps.safetensors"),
    rasterizer="cpu",
    worker_gib=12.5,
    worker_stage_s=60.5,
    worker_start_s=30.0,
    worker_restart_s=1.0,
    worker_cancel_s=2.0,
    worker_terminate_s=3.0,
    queued_jobs=7,
    queued_jobs_in_all=70,
    max_attempts=5,
    open_uploads=3,
    connections=4,
    job_pixels=1_000_000,
    store_gib=10.0,
    upload_share=0.25,
    client_share=1.0,
    kept_hours=48.0,
    kept_jobs=8,
    kept_jobs_most=9,
    kept_jobs_in_all=10,
    retention_days=3.0,
    staging_days=0.0,
    results_retry_s=1.5,
    picture_pixels=1000,
    clip_pixels=10_000,
    video_frames=100,
    array_gib=0.5,
)
COUNTS = ("queued_jobs", "open_uploads", "connections", "job_pixels", "kept_jobs", "max_attempts")
SIZES = ("store_gib", "worker_gib", "array_gib", "upload_share", "worker_stage_s")


def refusal(file: Path | None, **flags: object) -> str:
    with pytest.raises(InputError) as caught:
        read_settings(file, flags)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


@pytest.fixture
def written(tmp_path):
    """A function that writes a settings file."""

    def write(text: str | bytes) -> Path:
        file = tmp_path / "server.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_others_changes_every_setting():
    usual, others = structs.asdict(ServerSettings()), structs.asdict(OTHERS)
    assert [name for name in usual if usual[name] == others[name]] == []


def test_without_a_file_and_flags_all_is_as_usual():
    assert read_settings(None, {}) == ServerSettings()


@pytest.mark.parametrize("settings", [ServerSettings(data_dir=Path("/srv/jobs")), OTHERS])
def test_what_is_printed_reads_back_as_the_same(settings, written):
    assert read_settings(written(as_toml(settings)), {}) == settings


@pytest.mark.parametrize("name", descriptions())
def test_every_setting_is_a_key_and_a_flag_that_beats_it(name, written):
    """One after the other: none may be forgotten, and none may reach another one."""
    value = getattr(OTHERS, name)
    flag = list(value) if isinstance(value, tuple) else str(value)
    changed = {"queued_jobs": 7, name: value}
    beaten = f"queued_jobs = {9 if name == 'queued_jobs' else 7}\n"
    expected = ServerSettings(**changed)
    assert read_settings(written(beaten), {name: flag}) == expected
    line = next(line for line in as_toml(OTHERS).splitlines() if line.startswith(f"{name} = "))
    assert read_settings(written(line), {"queued_jobs": "7"}) == expected


def test_paths_of_a_file_count_from_it_and_those_of_flags_from_here(written):
    file = written('data_dir = "jobs"\nkeys = "/srv/keys"\nmodels = "~/models"')
    settings = read_settings(file, {"checkpoint": "run/ex4d.ckpt"})
    assert settings.data_dir == file.parent / "jobs"
    assert settings.keys == Path("/srv/keys")
    assert settings.models == Path.home() / "models"
    assert settings.checkpoint == Path("run/ex4d.ckpt")


def test_a_worker_gets_the_same_settings():
    assert decoded(encoded(OTHERS)) == OTHERS


def test_what_the_parts_get_is_what_was_set():
    limits, options, budget = OTHERS.limits(), OTHERS.engine_options(), OTHERS.budget()
    assert (limits.queued_jobs, limits.open_uploads, limits.connections) == (7, 3, 4)
    assert (limits.job_pixels, limits.kept_s) == (1_000_000, 48 * 3600)
    assert limits.blob_bytes == OTHERS.store_bytes // 4  # one client's uploads at once
    assert options == EngineOptions(
        OTHERS.models, 24, "unfused", OTHERS.checkpoint, steps_lora=OTHERS.steps_lora
    )
    assert budget == Budget(1000, 10_000, 100, GIB // 2)
    assert {field.name for field in fields(EngineOptions)} == {
        "models",
        "vram_gib",
        "lora",
        "checkpoint",
        "steps_lora",
    }  # an option that is new here must become a setting
    assert OTHERS.worker_bytes == 12.5 * GIB


def test_the_choices_are_those_of_the_library():
    kinds = {field.name: field.type for field in structs.fields(ServerSettings)}
    assert get_args(get_args(kinds["rasterizer"])[0]) == RASTERIZERS
    profiles = get_args(get_args(kinds["vram_gib"])[0])[0]
    assert get_args(profiles) == PROFILES_GIB


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kept_job = 3", "kept_job in {file} is no setting of this server; is kept_jobs meant?"),
        ("[limits]\nqueued_jobs = 3", "limits in {file} is no setting of this server"),
        (
            'queued_jobs = "3"',
            "queued_jobs in {file} is '3': it must be a whole number, not a text",
        ),
        ("queued_jobs = true", "queued_jobs in {file} is True: it must be a whole number, not yes"),
        ("queued_jobs = 0", "queued_jobs in {file} is 0: it must be at least 1"),
        ("store_gib = -1", "store_gib in {file} is -1: it must be more than 0"),
        ("store_gib = nan", "store_gib in {file} is nan: it must be more than 0"),
        ("store_gib = inf", "store_gib in {file} is inf: it must be at most 1048576"),
        ("client_share = 1.5", "client_share in {file} is 1.5: it must be at most 1"),
        ("vram_gib = 32", "vram_gib in {file} is 32: it must be 80 or 48 or 24 or 16"),
        ('lora = "off"', "lora in {file} is 'off': it must be fused or unfused"),
        ('devices = "cpu"', "devices in {file} is 'cpu': it must be a list, not a text"),
        ('devices = ["gpu"]', "the device 'gpu' is unknown: give cpu, or cuda:0"),
        ("models = 3", "models in {file} is 3: it must be a text"),
        ('models = ""', "models in {file} is '': it must have at least 1 character"),
        ('bind = "tcp://a b:1"', "bind in {file} is 'tcp://a b:1': it has characters that are not"),
        ("queued_jobs = 3000", "queued_jobs is 3000, more than queued_jobs_in_all, 2000"),
        ("kept_hours = 800", "kept_hours is 800, longer than retention_days, 30"),
        ("queued_jobs 3", "{file} is no TOML: "),
        (b"\xff\xfe\x00", "{file} is no TOML: "),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence_that_names_the_key(text, said, written):
    file = written(text)
    assert said.format(file=file) in refusal(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert refusal(tmp_path / "no.toml").startswith(f"{tmp_path / 'no.toml'} cannot be read: No ")
    assert refusal(tmp_path).startswith(f"{tmp_path} cannot be read: Is a directory")


@pytest.mark.parametrize("name", [*COUNTS, *SIZES])
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "1e40", "", "null", "true"])
def test_a_wrong_flag_is_refused_in_a_sentence_that_names_it(name, value):
    assert refusal(None, **{name: value}).startswith(f"--{name} is {value!r}: it must ")


@given(
    name=st.sampled_from(sorted(descriptions())),
    value=st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.dates(),
        st.lists(st.one_of(st.integers(), st.text(max_size=9)), max_size=3),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ),
    is_flag=st.booleans(),
)
def test_no_value_ends_in_anything_but_settings_or_a_sentence(
    name, value, is_flag, tmp_path_factory
):
    flags = {name: value if isinstance(value, list) else str(value)} if is_flag else {}
    file = None
    if not is_flag:
        file = tmp_path_factory.mktemp("any") / "server.toml"
        file.write_text(_toml_of(name, value), "utf-8")
    try:
        settings = read_settings(file, flags)
    except InputError as error:
        assert name in str(error) or "device" in str(error)  # noqa: PT017
        assert not str(error).endswith("it ")  # noqa: PT017
    else:
        again = tmp_path_factory.mktemp("again") / "server.toml"
        whole = serve._with_whole_paths(settings)
        again.write_text(as_toml(whole), "utf-8")
        assert read_settings(again, {}) == whole


def _toml_of(name: str, value: object) -> str:
    """A line of TOML for any value, where `as_toml` writes only those of settings."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_quoted(key)} = {each}" for key, each in value.items())
        return f"{name} = {{ {inner} }}\n"
    if isinstance(value, list):
        return f"{name} = [{', '.join(_plain(each) for each in value)}]\n"
    return f"{name} = {_plain(value)}\n"


def _plain(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else str(value).lower()


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(each):08x}" for each in text) + '"'


def test_the_page_about_the_server_shows_the_file_as_it_is_printed():
    page = (Path(__file__).parents[2] / "docs" / "server.md").read_text("utf-8")
    shown = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert as_toml(ServerSettings()) in shown
    assert set(tomllib.loads(as_toml(OTHERS))) == set(descriptions())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--keys", "no folder"], "there is no file no folder"),
        (["--checkpoint", "no.ckpt"], "the checkpoint no.ckpt is no file"),
        (["--models", __file__], "where weights are to lie, is no folder"),
        (["--bind", "tcp://nowhere"], "bind cannot be tcp://nowhere: "),
        (["--bind", "tcp://0.0.0.0:5570"], "so the server needs keys"),
        (["--rasterizer", "nvdiffrast"], "the rasterizer nvdiffrast cannot run, "),
        (["--queued_jobs", "0"], "--queued_jobs is '0': it must be at least 1"),
        (["--config", "no.toml"], "no.toml cannot be read: No such file"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is_made(
    flags, said, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["serve", *flags]) == 2
    answer = capsys.readouterr()
    assert said in answer.err
    assert (answer.out, list(Path().iterdir())) == ("", [])
