"""The extension as artists have it: installed from the zip into an empty profile, beside a server.

This folder needs a process of its own (`make test-blender` does that): the profile's place must be
known before anything imports bpy. So tests take bpy from the fixtures and never import it at
their top.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.extension.rig import LONG_TICK, AddOn

ROOT = Path(__file__).parents[2]
MODULE = "bl_ext.user_default.ex4d"
PATIENCE_S = 60


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("bpy") is None:
        skip = pytest.mark.skip(reason="needs pip's bpy: make test-blender")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(skip)


def pytest_runtest_protocol(item, nextitem):
    """A test with a long tick is run once more. What the add-on does takes as long again; a pause
    of a virtual machine does not, which the system counts as the thread's own time (a loop that
    only reads its clock saw 4 ms)."""
    if Path(__file__).parent not in item.path.parents:
        return None
    told = item.ihook
    told.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed and LONG_TICK in report.longreprtext for report in reports):
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        told.pytest_runtest_logreport(report=report)
    told.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(scope="session")
def archive() -> Path:
    """The zip under test: EX4D_EXTENSION_ZIP, or the newest one of dist/."""
    named = os.environ.get("EX4D_EXTENSION_ZIP")
    found = sorted((ROOT / "dist").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    if not named and not found:
        pytest.skip("there is no extension zip: make extension")
    path = Path(named) if named else found[-1]
    assert path.is_file(), f"{path} does not exist: make extension"
    return path.resolve()


@pytest.fixture(scope="session")
def profile(tmp_path_factory) -> Path:
    """An empty folder that Blender takes for the user's; bpy is imported with it."""
    if "bpy" in sys.modules:
        pytest.fail("something has imported bpy already: run pytest on tests/extension alone")
    folder = tmp_path_factory.mktemp("profile")
    os.environ["BLENDER_USER_RESOURCES"] = str(folder)
    import bpy

    assert Path(bpy.utils.resource_path("USER")).is_relative_to(folder)
    return folder


@pytest.fixture(scope="session")
def extension(profile, archive) -> str:
    """The installed and enabled extension's module name."""
    import addon_utils
    import bpy

    install = bpy.ops.extensions.package_install_files
    done = install(
        repo="user_default", filepath=str(archive), enable_on_install=True, overwrite=True
    )
    assert done == {"FINISHED"}
    assert MODULE in bpy.context.preferences.addons, "it is installed but cannot be enabled"
    yield MODULE
    # 4.5 hangs and 4.2 crashes at exit when something is left
    addon_utils.disable(MODULE, default_set=True)


@pytest.fixture
def blender(extension):
    """bpy with an empty file and the extension enabled."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True)
    assert extension in bpy.context.preferences.addons
    return bpy


@pytest.fixture(scope="session")
def ex4d():
    """Run `ex4d ARGUMENTS` of the server's own environment, which has no bpy; return the process.

    EX4D_PYTHON names its Python; the environment that runs these tests has no server.
    """
    python = os.environ.get("EX4D_PYTHON") or ROOT / ".venv/bin/python"
    python = Path(os.path.abspath(python))  # not resolved: the link is what makes it a venv's
    if not python.is_file():
        pytest.skip(f"there is no server to start: {python} does not exist")

    def run(*arguments: str | Path, **options) -> subprocess.Popen:
        command = [python, "-m", "ex4d", *arguments]
        return subprocess.Popen(command, cwd=ROOT, text=True, **options)

    return run


@pytest.fixture(scope="session")
def keys(ex4d, tmp_path_factory) -> tuple[Path, Path, str]:
    """Folders of the server's and of an authorised client's keys; the server's public key."""
    folder = tmp_path_factory.mktemp("keys")

    def make(*arguments) -> str:
        process = ex4d("keys", *arguments, stdout=subprocess.PIPE)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        return said.removeprefix("public key ").split()[0]

    server = make("server", "--keys", folder / "server")
    client = make("client", "--keys", folder / "client")
    make("authorise", "--keys", folder / "server", "--name", "tests", "--public_key", client)
    return folder / "server", folder / "client", server


@contextlib.contextmanager
def servers(ex4d, keys, tmp_path_factory):
    """Give a function that starts a server with CURVE keys on loopback; at the end every one is
    ended, and must end well."""
    server_keys, client_keys, server_key = keys
    with contextlib.ExitStack() as endings:

        def start(
            *, data: Path | None = None, bind: str = "tcp://127.0.0.1:0", models: Path | None = None
        ) -> ServerProcess:
            data = data or tmp_path_factory.mktemp("server")
            flags = ["--bind", bind, "--data_dir", data, "--keys", server_keys]
            environment = dict(os.environ)
            if models:  # tiny ones: a second thread would only spin
                environment |= {"EX4D_MODELS": str(models), "OMP_NUM_THREADS": "1"}
            process = ex4d("serve", *flags, stderr=subprocess.PIPE, env=environment)
            log = ServerLog(process)
            running = ServerProcess(process, log, data, server_key, client_keys)
            endings.callback(running.end)
            log.endpoint()
            return running

        yield start


@pytest.fixture(scope="module")
def start_server(ex4d, keys, tmp_path_factory):
    """A function that starts a server of the module's own.
    `start_server(data=old.data, bind=old.endpoint)` goes on where an old one was: one that is to
    come back is started with `bind=lasting_endpoint()`."""
    with servers(ex4d, keys, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def server(ex4d, keys, tmp_path_factory) -> ServerProcess:
    """One server for all tests that neither end it nor need it new."""
    with servers(ex4d, keys, tmp_path_factory) as start:
        yield start()


@dataclass(frozen=True)
class ServerProcess:
    """A running `ex4d serve` that lets one client in."""

    process: subprocess.Popen
    log: ServerLog
    data: Path
    server_key: str  # public
    client_keys: Path  # folder of client.key and client.secret

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return self.log.endpoint()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by this signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """End it if it still runs. Fails when it does not end well."""
        try:
            assert self.process.poll() is not None or self.stop() == 0
        finally:
            self.process.kill()
            self.log.close()


class ServerLog:
    """Reads what a server logs for as long as it lives: a full pipe would stop it."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.lines: list[str] = []
        self._pipe = process.stderr
        self._known = threading.Event()
        self._endpoint = ""
        self._thread = threading.Thread(target=self._read, name="server log", daemon=True)
        self._thread.start()

    def endpoint(self) -> str:
        """Where it listens, as soon as it says so."""
        assert self._known.wait(PATIENCE_S), "the server neither listens nor ends"
        assert self._endpoint, "the server ended: " + "".join(self.lines)
        return self._endpoint

    def close(self) -> None:
        self._thread.join(PATIENCE_S)
        self._pipe.close()

    def _read(self) -> None:
        for line in self._pipe:  # ends when the process does
            self.lines.append(line)
            if "listening" in line and not self._endpoint:
                self._endpoint = line.split("endpoint=")[1].split()[0]
                self._known.set()
        self._known.set()


@pytest.fixture
def saved(addon, server, tmp_path):
    """The add-on in a saved file, with a server; every 4th pixel is a vertex."""
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    addon.shot.grid_stride = "4"
    return addon


@pytest.fixture
def with_mesh(saved, request):
    """The same with the mesh of the clip's first frames: as many as the test's module says."""
    saved.reconstruct(num_frames=request.module.SOME)
    return saved


@pytest.fixture
def addon(blender, extension):
    """The add-on in an empty file, with nothing under way; its ticks must be short (B7)."""
    import addon_utils

    addon_utils.disable(extension, default_set=True)
    folder = Path(blender.utils.extension_path_user(extension, create=True))
    shutil.rmtree(folder / "jobs", ignore_errors=True)
    addon_utils.enable(extension, default_set=True)
    rig = AddOn(blender, extension)
    gc.freeze()  # what hundreds of tests have left is not a tick's to look through
    yield rig
    gc.unfreeze()
    rig.session.disconnect()
    for task in rig.tasks:
        rig.session.runner.cancel(task.request.key)
    rig.ticks.check()
    assert rig.network_threads() == []
