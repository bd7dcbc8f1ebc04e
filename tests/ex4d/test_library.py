"""What scripts import, and the example of docs/library.md."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import ex4d
from ex4d.video.reader import probe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ex4d.__all__)
def test_every_name_is_there(name):
    assert getattr(ex4d, name) is not None
    assert name in dir(ex4d)


def test_a_name_that_is_not_there_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="'ex4d' has no attribute 'walk'"):
        ex4d.walk  # noqa: B018


@pytest.mark.slow
def test_the_example_of_the_documentation_makes_a_clip(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    shutil.copytree(ROOT / "examples" / "shot", tmp_path / "examples" / "shot")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/library.md", "exec"), {})  # noqa: S102  (our own page)
    assert probe(tmp_path / "result.mp4").n_frames == probe("examples/shot/input.mp4").n_frames
