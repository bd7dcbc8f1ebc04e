"""What DESIGN.md and STYLE.md fix about the tree: arrows, folders, sizes, names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("ex4d", "protocol", "backend", "blender_addon")
FORBIDDEN = {
    "ex4d": {"bpy", "zmq", "protocol", "backend", "blender_addon"},
    "protocol": {"torch", "bpy", "ex4d", "backend", "blender_addon"},
    "backend": {"bpy", "blender_addon"},
    "blender_addon": {"torch", "ex4d", "backend"},
}
SHARED = {  # of the library; the extension brings them along
    "ex4d.containers.avi",
    "ex4d.containers.frame_count",
    "ex4d.containers.matroska",
    "ex4d.containers.quicktime",
    "ex4d.containers.quicktime_samples",
    "ex4d.containers.track_header",
    "ex4d.geometry.named_paths",
    "ex4d.files.picture_names",
    "ex4d.version",
}
OPTIONAL = (
    "torch",
    "diffsynth",
    "safetensors",
    "nvdiffrast",
    "pxr",
    "bpy",
    "zmq",
)  # cost seconds, or their licences differ
AT_THE_ROOT = {
    ".ci",
    ".editorconfig",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "__init__.py",  # these two make the repository the Blender extension
    "blender_manifest.toml",
    "constraints.txt",
    "docs",
    "examples",
    "pyproject.toml",
    "tests",
    *FOLDERS,
}
MOST_LINES = 300

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def modules_in(*folders: str) -> list[str]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path.relative_to(ROOT).as_posix() for path in paths]


LIBRARY = modules_in("ex4d", "protocol", "backend")


def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def imported_modules(tree: ast.AST) -> set[str]:
    """Every module that is imported, anywhere."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from ..protocol import x` and `from .. import protocol` lead out of the folder too
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return names


def imported(tree: ast.AST) -> set[str]:
    """The first part of their names."""
    return {name.partition(".")[0] for name in imported_modules(tree)}


def public_names(tree: ast.Module) -> set[str]:
    """The functions, classes and constants that a module defines at its top."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            targets = [name for target in node.targets for name in ast.walk(target)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def exported_names(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def top_level_imports(tree: ast.Module) -> set[str]:
    tops = [
        *tree.body,
        *(line for node in tree.body if isinstance(node, ast.If) for line in node.body),
    ]
    nodes = [node for node in tops if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def is_stub(node: Definition) -> bool:
    """The method of a protocol class whose signature says it all."""
    return ast.unparse(node.body[-1]) == "..."


def is_public(node: ast.AST) -> bool:
    return isinstance(node, Definition) and not node.name.startswith("_")


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_arrows_go_one_way(folder):
    if not (ROOT / folder).is_dir():
        pytest.skip(f"the folder {folder} does not exist yet")
    for module in modules_in(folder):
        modules = imported_modules(tree_of(module))
        allowed = SHARED if folder == "blender_addon" else set()
        assert not {name.partition(".")[0] for name in modules - allowed} & FORBIDDEN[folder], (
            module
        )


def test_what_the_extension_brings_of_the_library_needs_python_and_numpy_alone():
    siblings = {name.rpartition(".")[2] for name in SHARED}
    for name in SHARED:
        tree = tree_of(name.replace(".", "/") + ".py")
        assert imported(tree) <= {*sys.stdlib_module_names, "numpy", *siblings}


def test_the_check_of_arrows_sees_every_way_to_import():
    code = (
        "import torch.nn as n\nfrom bpy.types import Mesh\nfrom ..protocol import codec\n"
        "from .. import backend\ndef f():\n    import zmq\n"
    )
    assert imported(ast.parse(code)) == {"torch", "bpy", "protocol", "backend", "zmq"}


KNOWS_DIFFSYNTH = "ex4d/engines/wan/diffsynth.py"
DIFFSYNTH_IS_HANDLED = ("ex4d/engines/wan/", "ex4d/training/")


@pytest.mark.parametrize("module", modules_in("ex4d", "backend"))
def test_one_place_knows_diffsynth(module):
    tree = tree_of(module)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    named = {text for text in texts if str(text).partition(".")[0] == "diffsynth"}
    knows = named or "diffsynth" in imported(tree) or "import_diffsynth" in names
    assert bool(knows) == (module == KNOWS_DIFFSYNTH)


def foreign_private_attributes(tree: ast.AST) -> set[str]:
    """Private attributes of something else than the object that a method belongs to."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    private = [
        node
        for node in nodes
        if node.attr.startswith("_") and node.attr[1:2] != "_" and node.attr != "_replace"
    ]  # a named tuple's _replace is for everybody
    return {ast.unparse(node) for node in private if ast.unparse(node.value) not in {"self", "cls"}}


@pytest.mark.parametrize("module", [m for m in LIBRARY if m.startswith(DIFFSYNTH_IS_HANDLED)])
def test_no_private_attribute_of_diffsynth_is_used_elsewhere(module):
    """Nor of any other object; torch and os offer theirs to everybody."""
    found = {
        name
        for name in foreign_private_attributes(tree_of(module))
        if name.partition(".")[0] not in {"torch", "os"}
    }
    assert found == set() or module == KNOWS_DIFFSYNTH


def test_the_check_of_private_attributes_sees_them():
    code = "self._a.b\nmodel._c\nmodels[0].vae._d(1)\nself.e._f\nx.__dict__"
    found = foreign_private_attributes(ast.parse(code))
    assert found == {"model._c", "models[0].vae._d", "self.e._f"}


def test_optional_parts_are_imported_only_when_they_are_chosen():
    code = f"import ex4d.cli.main, sys; print([m for m in {OPTIONAL} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert run.stdout.strip() == "[]", run.stderr


def test_nothing_else_lies_at_the_root():
    try:
        run = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if run.returncode or not run.stdout:
        pytest.skip("this is not a git checkout")
    names = {path.partition("/")[0] for path in run.stdout.splitlines()}
    extra = {name for name in names - AT_THE_ROOT if not name.startswith("LICENSE")}
    assert extra == set()


@pytest.mark.parametrize("module", modules_in(*FOLDERS, "tests", "examples"))
def test_a_module_is_one_idea(module):
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("module", LIBRARY)
def test_all_is_what_the_module_defines(module):
    tree = tree_of(module)
    exported, public = exported_names(tree), public_names(tree)
    if exported is None:
        assert public == set()
        return
    assert public - exported == set()  # private names begin with _
    assert exported - public <= top_level_imports(tree)  # what it hands on


@pytest.mark.parametrize("module", LIBRARY)
def test_what_is_public_says_what_it_does(module):
    tree = tree_of(module)
    assert not tree.body or ast.get_docstring(tree), "the module"
    tops = [node for node in tree.body if is_public(node)]
    methods = [n for top in tops if isinstance(top, ast.ClassDef) for n in top.body if is_public(n)]
    for node in [*tops, *methods]:
        assert ast.get_docstring(node) or is_stub(node), node.name


def test_every_file_that_the_page_of_the_architecture_names_is_there():
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    named = {name for name in re.findall(r"`([\w/]+\.py)`", text) if "/" in name}
    folder = ""
    for line in text.partition("## The way of one pose")[2].partition("## One job")[0].splitlines():
        if line.startswith("    "):
            first, *rest = line.split()
            folder, names = (first, rest) if first in FOLDERS else (folder, [first, *rest])
            named |= {f"{folder}/{name}.py" for name in names}
    assert len(named) > 40
    assert not [name for name in sorted(named) if not (ROOT / name).is_file()]
