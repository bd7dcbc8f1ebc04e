"""Weights from a hub: a small one on the loopback, spoken to by the hub's own library."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ex4d.cli.main import main
from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.engines.wan.folder import STEPS_LORA_FILE, STEPS_LORA_FOLDER, find_models
from ex4d.engines.wan.parts import PARTS as ENGINE_PARTS
from ex4d.errors import OutputError
from ex4d.weights.download import DownloadError, fetch

COMMIT = "1" * 40
ESTIMATOR_PARTS = {part.folder: part for entry in ESTIMATORS.values() for part in entry.parts}
PARTS = {**ENGINE_PARTS, **ESTIMATOR_PARTS}
EX4D = PARTS["ex4d"]


class Hub(ThreadingHTTPServer):
    """Serves files as the hub does. `cut` ends the first answers in the middle."""

    daemon_threads = True

    def __init__(self, files, *, claimed=None, cut=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.claimed, self.cut = files, claimed or {}, cut
        self.ranges = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def sha256(self, name):
        return self.claimed.get(name) or hashlib.sha256(self.files[name]).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer(with_body=True)

    def do_HEAD(self):
        self._answer(with_body=False)

    def _answer(self, with_body):
        hub, name = self.server, self.path.rpartition(f"/{COMMIT}/")[2]
        if "/api/models/" in self.path:
            body, headers = self._info(), {"Content-Type": "application/json"}
        else:
            name = self.path.split("/resolve/")[1].partition("/")[2].partition("?")[0]
            body, headers = hub.files[name], {}
            headers["ETag"] = f'"{hub.sha256(name)}"'
            headers["X-Repo-Commit"] = COMMIT
        status, start = 200, 0
        given = self.headers.get("Range")
        if given and with_body:
            start = int(given.removeprefix("bytes=").partition("-")[0])
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        if with_body and "/api/" not in self.path:
            hub.ranges.append(start)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if not with_body:
            return
        if hub.cut and "/api/" not in self.path:
            hub.cut -= 1
            self.wfile.write(body[start : start + (len(body) - start) // 2])
            self.close_connection = True
            return
        self.wfile.write(body[start:])

    def _info(self):
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "lfs": {"size": len(content), "sha256": self.server.sha256(name), "pointerSize": 9},
            }
            for name, content in self.server.files.items()
        ]
        return json.dumps({"id": "x/y", "sha": COMMIT, "siblings": siblings}).encode()


@pytest.fixture
def serve():
    """A function that starts a hub."""
    hubs = []

    def start(files, **options):
        hub = Hub(files, **options)
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hubs.append((hub, thread))
        return hub

    yield start
    for hub, thread in hubs:
        hub.shutdown()
        thread.join()
        hub.server_close()


CONTENT = bytes(range(256)) * 2000


def test_what_is_missing_comes_and_what_is_there_stays(serve, tmp_path):
    hub = serve({"ex4d.ckpt": CONTENT, "README.md": b"not wanted"})
    lines = []
    assert fetch(EX4D, tmp_path, endpoint=hub.url, report=lines.append) == 1
    assert (tmp_path / "EX-4D" / "ex4d.ckpt").read_bytes() == CONTENT
    assert not (tmp_path / "EX-4D" / "README.md").exists()
    assert lines == ["ex4d.ckpt (1 of 1, 0.00 GiB)"]
    assert fetch(EX4D, tmp_path, endpoint=hub.url) == 0


def test_a_file_that_came_damaged_is_deleted(serve, tmp_path):
    hub = serve({"ex4d.ckpt": CONTENT}, claimed={"ex4d.ckpt": "0" * 64})
    with pytest.raises(DownloadError, match=r"ex4d\.ckpt came damaged"):
        fetch(EX4D, tmp_path, endpoint=hub.url)
    assert not (tmp_path / "EX-4D" / "ex4d.ckpt").exists()


def test_a_disk_that_is_too_small_is_said_before_anything_comes(serve, tmp_path, monkeypatch):
    hub = serve({"ex4d.ckpt": CONTENT})
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    with pytest.raises(OutputError, match=r"0\.0 GiB free"):
        fetch(EX4D, tmp_path, endpoint=hub.url)
    assert hub.ranges == []


def test_a_broken_connection_is_resumed_where_it_broke(serve, tmp_path):
    content = CONTENT * 60  # the library writes 10 MB at a time
    hub = serve({"ex4d.ckpt": content}, cut=1)
    for _ in range(2):  # the library tries again by itself, or the user does
        try:
            fetch(EX4D, tmp_path, endpoint=hub.url)
            break
        except DownloadError:
            assert not (tmp_path / "EX-4D" / "ex4d.ckpt").exists()
    assert (tmp_path / "EX-4D" / "ex4d.ckpt").read_bytes() == content
    assert hub.ranges == [0, 10 << 20]


def test_a_hub_without_the_file_is_said(serve, tmp_path):
    hub = serve({"other": b""})
    with pytest.raises(DownloadError, match=r"has no ex4d\.ckpt any more"):
        fetch(EX4D, tmp_path, endpoint=hub.url)


@pytest.mark.parametrize("name", PARTS)
def test_without_a_network_the_files_and_their_places_are_listed(tmp_path, name):
    with pytest.raises(DownloadError) as raised:
        fetch(PARTS[name], tmp_path, endpoint="http://127.0.0.1:9")  # nobody listens there
    text = str(raised.value)
    assert PARTS[name].repository in text
    for file in PARTS[name].files:
        assert str(tmp_path / PARTS[name].folder / file) in text


def test_the_command_lists_what_belongs_where_and_names_the_licences(tmp_path, capsys):
    assert main(["download", "--list", f"--models={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "Apache-2.0" in out
    assert "lightx2v" not in out  # nobody has to have it
    assert main(["download", "steps-lora", "--list", f"--models={tmp_path}"]) == 0
    listed = capsys.readouterr().out
    assert "licence   Apache-2.0" in listed
    place = tmp_path / STEPS_LORA_FOLDER / STEPS_LORA_FILE
    assert f"{place}   from huggingface.co/lightx2v/{STEPS_LORA_FOLDER}" in listed
    place.parent.mkdir(parents=True)
    place.touch()
    assert find_models(tmp_path).steps_lora == place  # where it is looked for
    assert f"{tmp_path}/EX-4D/ex4d.ckpt   from huggingface.co/yihouxiang/EX-4D" in out
    assert f"{tmp_path}/Wan2.1-I2V-14B-480P/Wan2.1_VAE.pth" in out
    assert main(["download", "everything"]) == 2
    assert "choose from wan, ex4d" in capsys.readouterr().err
