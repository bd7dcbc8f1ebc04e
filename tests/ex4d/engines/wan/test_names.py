"""The page's table of names in the public code: those that can be looked up are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ex4d.engines.wan.diffsynth import import_diffsynth

ROOT = Path(__file__).parents[4]
HERE, PUBLIC = 0, 2  # columns


def rows():
    text = (ROOT / "docs" / "diffusion.md").read_text("utf-8")
    table = text.partition("## Names in the public code")[2].partition("\n## ")[0]
    lines = [line.strip("| ") for line in table.splitlines() if line.startswith("|")]
    return [re.split(r"\s*\|\s*", line) for line in lines[2:]]


def names_in(column):
    cells = [row[column] for row in rows() if len(row) > column]
    return {name.partition("(")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def words_of(sources):
    return {word for path in sources for word in re.findall(r"\w+", path.read_text("utf-8"))}


def test_the_table_has_many_names():
    assert len(rows()) > 10
    assert len(names_in(HERE)) > 15
    assert len(names_in(PUBLIC)) > 15


@pytest.mark.parametrize("name", sorted(names_in(HERE)))
def test_a_name_of_this_library_is_one(name):
    sources = [ROOT / "ex4d" / "engines" / "base.py", *(ROOT / "ex4d/engines/wan").rglob("*.py")]
    assert set(name.split(".")) <= words_of(sources)


@pytest.mark.parametrize("name", sorted(names_in(PUBLIC)))
def test_a_name_of_diffsynth_is_one(name):
    package = Path(import_diffsynth("models.wan_video_dit").__file__).parents[1]
    folders = ("models", "pipelines", "diffusion", "utils/lora")
    sources = [path for f in folders for path in (package / f).glob("*.py")]
    assert name in words_of(sources)
