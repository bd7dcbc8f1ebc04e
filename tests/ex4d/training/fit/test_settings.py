"""Settings and their config.toml."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.errors import InputError, UsageError
from ex4d.training.fit.settings import TrainSettings, check_same_run, read_config, write_config

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    cache=TEXT,
    learning_rate=st.floats(0, 1e3),
    steps=st.integers(1, 10**9),
    shard=st.booleans(),
)
def test_settings_come_back_as_they_were(tmp_path_factory, **changes):
    path = tmp_path_factory.mktemp("run") / "config.toml"
    settings = TrainSettings(**changes)
    write_config(path, settings)
    assert TrainSettings(**read_config(path)) == settings


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("stepz = 3", "stepz, which is no setting"),
        ('steps = "3"', "Expected `int`"),
        ("steps = 3\nsteps = 4", "not right"),
        ("rank = 0", "rank is 0; it must be at least 1"),
        ("learning_rate = nan", "learning_rate is nan"),
        ("prompt_dropout = 1.5", "prompt_dropout is 1.5; it must be 0 to 1"),
    ],
)
def test_a_config_that_is_not_right_is_one_sentence(tmp_path, text, word):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        read_config(path)
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "none.toml")


def test_a_run_goes_on_with_the_settings_that_decide_its_result(tmp_path):
    before = TrainSettings(cache="a", steps=10)
    check_same_run(before, replace(before, cache="b", steps=20, vram=48, samples=0), tmp_path)
    with pytest.raises(UsageError, match="begun with rank 16, and 8 was asked for now"):
        check_same_run(before, replace(before, rank=8), tmp_path)


def test_every_setting_has_a_help_and_says_whether_it_is_fixed():
    for setting in fields(TrainSettings):
        assert setting.metadata["help"]
        assert isinstance(setting.metadata["fixed"], bool)
