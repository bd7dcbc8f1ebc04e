"""No module leads back to itself, not even by what it imports for its types.

In the add-on what is imported for its types does not count: Blender's properties are classes whose
callbacks call the code that those classes are the arguments of.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules_of(package: str) -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def for_types(tree: ast.Module) -> set[ast.AST]:
    """What stands below `if TYPE_CHECKING:`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            found |= {inner for line in node.body for inner in ast.walk(line)}
    return found


def imported_by(name: str, path: Path, *, with_types: bool = True) -> set[str]:
    """The full names of what a module imports, anywhere in it."""
    names = set()
    tree = ast.parse(path.read_text("utf-8"))
    skipped = set() if with_types else for_types(tree)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("package", ["ex4d", "protocol", "backend", "blender_addon"])
def test_there_is_no_circle_of_imports(package):
    modules, with_types = modules_of(package), package != "blender_addon"
    graph = {
        name: imported_by(name, path, with_types=with_types) & modules.keys() - {name}
        for name, path in modules.items()
    }
    assert sum(map(len, graph.values())) > len(graph) / 2
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


# What docs/ARCHITECTURE.md draws: a folder uses those of the lines before its own.
LAYERS = {
    "ex4d": (
        ("containers", "geometry"),
        ("files", "runtime"),
        ("weights",),
        ("mesh", "pictures", "raster"),
        ("video",),
        ("camera", "conditions"),
        ("depth", "engines"),
        ("training",),
        ("verification",),
        ("cli",),
    ),
    "protocol": (("messages",), ("transfer",), ("client", "server"), ("testing",)),
    "blender_addon": (
        ("jobs", "packaging"),
        ("mesh",),
        ("camera", "project"),
        ("takes",),
        ("scene",),
        ("ui",),
    ),
    "backend": (("journal", "worker"), ("executors", "store"), ("cli",)),
}


def folder_of(module: str) -> str:
    return "".join(module.split(".")[1:2])


@pytest.mark.parametrize("package", LAYERS)
def test_arrows_between_folders_go_one_way(package):
    levels = {name: level for level, names in enumerate(LAYERS[package]) for name in names}
    folders = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").is_file()}
    assert folders == levels.keys()
    n_arrows = 0
    for module, path in modules_of(package).items():
        own = folder_of(module)
        for name in imported_by(module, path, with_types=False):
            used = folder_of(name) if name.startswith(f"{package}.") else ""
            if own in levels and used in levels and used != own:
                n_arrows += 1
                assert levels[used] < levels[own], f"{module} imports {name}"
    assert n_arrows > 3


def test_the_page_of_the_architecture_draws_the_same_layers():
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    for package, layers in LAYERS.items():
        line = "; ".join(", ".join(f"`{name}`" for name in names) for names in layers)
        assert f"{package}: {line}" in " ".join(text.split()), package


BLENDERS = {"bpy", "bl_math", "bmesh", "gpu", "imbuf", "mathutils"}


def test_the_jobs_of_the_add_on_never_reach_blender():
    """Not even through what they import: they run in threads, and without Blender."""
    modules = modules_of("blender_addon")
    waiting = [name for name in modules if folder_of(name) == "jobs"]
    reached: dict[str, str] = {name: name for name in waiting}
    assert len(waiting) > 10
    while waiting:
        module = waiting.pop()
        for name in imported_by(module, modules[module], with_types=False):
            assert name.split(".")[0] not in BLENDERS, f"{reached[module]} imports {name}"
            if name in modules and name not in reached:
                reached[name] = f"{reached[module]} <- {name}"
                waiting.append(name)
