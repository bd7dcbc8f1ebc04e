"""The estimators by name: licences, weights that are missing, what is refused."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace

import pytest

from ex4d.depth.estimators.catalogue import DEFAULT, ESTIMATORS, estimator_named
from ex4d.depth.estimators.loading import missing_packages, missing_weights, ready_estimator
from ex4d.errors import UsageError
from ex4d.weights.download import DownloadError

NOBODY = "http://127.0.0.1:9"


def test_the_default_may_be_used_for_paid_work():
    assert ESTIMATORS[DEFAULT].is_commercial


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_non_commercial_one_is_refused_for_commercial_work_with_what_is_not(name):
    entry = ESTIMATORS[name]
    if entry.is_commercial:
        assert estimator_named(name, only_commercial=True) == entry
        return
    with pytest.raises(UsageError, match="may not be used for commercial work") as caught:
        estimator_named(name, only_commercial=True)
    assert entry.licence in str(caught.value)
    assert DEFAULT in str(caught.value)


def test_an_unknown_name_is_refused_with_all_that_there_are():
    with pytest.raises(UsageError, match=", ".join(ESTIMATORS)):
        estimator_named("guess")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_entry_says_all_that_a_user_must_know(name):
    entry = ESTIMATORS[name]
    assert importlib.util.find_spec(entry.module)
    assert all(part.files and part.size_gib > 0 and part.licence for part in entry.parts)
    assert entry.label
    assert entry.gives
    assert entry.memory_gib > 0


def test_weights_that_are_here_are_not_fetched(models):
    assert missing_weights(ESTIMATORS["depth-anything"], models) == []
    assert ready_estimator("depth-anything", models, endpoint=NOBODY)


def test_without_weights_and_network_it_is_said_which_files_go_where(tmp_path):
    entry = ESTIMATORS["depth-anything"]
    with pytest.raises(DownloadError) as caught:
        ready_estimator("depth-anything", tmp_path, endpoint=NOBODY)
    for file in entry.parts[0].files:
        assert str(tmp_path / entry.parts[0].folder / file) in str(caught.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*.safetensors"))


def test_a_part_of_the_weights_is_not_all(models, tmp_path):
    entry = ESTIMATORS["depth-anything"]
    folder = entry.parts[0].folder
    shutil.copytree(models / folder, tmp_path / folder)
    assert missing_weights(entry, tmp_path) == []
    (tmp_path / folder / "config.json").unlink()
    assert missing_weights(entry, tmp_path) == [entry.parts[0]]


def test_a_missing_package_is_named_with_what_installs_it():
    entry = replace(ESTIMATORS[DEFAULT], needs=("torch", "no_such_package"))
    assert missing_packages(entry) == f"{entry.label} needs no_such_package"
