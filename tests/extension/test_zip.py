"""What is in the zip: all that the client needs, and nothing else."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from blender_addon.packaging.build_extension import SHARED

pytestmark = pytest.mark.blender

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(archive):
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return set(opened.namelist())


@pytest.fixture(scope="module")
def manifest(archive):
    with zipfile.ZipFile(archive) as opened:
        return tomllib.loads(opened.read("blender_manifest.toml").decode("utf-8"))


def test_only_the_clients_half_is_inside(names):
    assert {name.partition("/")[0] for name in names} == {
        "LICENSE",
        "README.md",
        "__init__.py",
        "blender_addon",
        "blender_manifest.toml",
        "docs",
        "ex4d",
        "protocol",
        "wheels",
    }
    library = {name for name in names if name.startswith("ex4d/") and not name.endswith("/")}
    assert library == set(SHARED)
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {"tests", "testing", "server", "packaging", "__pycache__", "backend"}


def test_each_part_has_its_licence(archive, names):
    assert {"LICENSE", "blender_addon/LICENSE"} <= names
    with zipfile.ZipFile(archive) as opened:
        assert opened.read("LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"GNU GENERAL PUBLIC LICENSE" in opened.read("blender_addon/LICENSE")


def test_every_wheel_is_named_and_every_named_wheel_is_there(names, manifest):
    inside = {f"./{name}" for name in names if name.startswith("wheels/")}
    assert inside
    assert sorted(manifest["wheels"]) == sorted(inside)


def test_the_zip_is_called_what_the_manifest_says(archive, manifest):
    assert archive.name == f"{manifest['id']}-{manifest['version']}.zip"


def test_the_working_tree_is_an_extension_too(archive):
    """For developers, who link the repository into Blender: no wheels, but valid."""
    from blender_addon.packaging.build_extension import find_tool

    find_tool().run("validate", ROOT)


def test_the_pages_that_the_readme_leads_to_are_inside(archive, names):
    with zipfile.ZipFile(archive) as opened:
        text = opened.read("README.md").decode("utf-8")
    links = set(re.findall(r"\]\((docs/[a-z_]+\.md)", text))
    assert len(links) >= 8
    assert links <= names
