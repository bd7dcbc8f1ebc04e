"""The public example, fetched from a small server on the loopback."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ex4d.cli.main import main
from ex4d.weights.download import DownloadError
from ex4d.weights.example import FLOWER, Example, ExampleFile, fetch_example

PUBLISHED = Path(__file__).parents[4] / "shared" / "clips" / "flower"
FILES = {"render_180.mp4": b"colours" * 100, "mask_180.mp4": b"mask", "output.mp4": b"result"}
SMALL = Example(
    repository="someone/something",
    commit="1" * 40,
    path="examples/one",
    folder="EX-4D/examples/one",
    licence="Apache-2.0",
    files=tuple(
        ExampleFile(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in FILES.items()
    ),
)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path.rpartition("/")[2])
        self.send_response(404 if data is None else 200)
        claimed = len(data or b"") + self.server.cut
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        self.wfile.write(data or b"")


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked, server.cut = dict(FILES), [], 0
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server, models, **options):
    return fetch_example(SMALL, models, host=f"http://127.0.0.1:{server.server_port}", **options)


def test_files_come_from_one_commit_and_only_those_that_are_not_there(server, tmp_path):
    lines = []
    assert fetch(server, tmp_path, report=lines.append) == 3
    assert server.asked[0] == f"/someone/something/{'1' * 40}/examples/one/render_180.mp4"
    assert len(lines) == 3
    folder = tmp_path / "EX-4D" / "examples" / "one"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert fetch(server, tmp_path) == 0
    (folder / "mask_180.mp4").write_bytes(b"MASK")
    assert fetch(server, tmp_path) == 1
    assert len(server.asked) == 4


@pytest.mark.parametrize("change", ["other bytes", "longer", "cut", "gone"])
def test_what_is_not_the_file_leaves_nothing_behind(server, tmp_path, change):
    if change == "other bytes":
        server.files["render_180.mp4"] = b"malware" * 100
    elif change == "longer":
        server.files["render_180.mp4"] += b"!"
    elif change == "cut":
        server.cut = 10
        server.files["render_180.mp4"] = b"col"
    else:
        del server.files["render_180.mp4"]
    with pytest.raises(DownloadError) as caught:
        fetch(server, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.mp4"))


def test_without_a_network_one_sentence_says_where_to_put_the_file(tmp_path):
    with pytest.raises(DownloadError, match=r"render_180.mp4 cannot be fetched \(.*by hand"):
        fetch_example(SMALL, tmp_path, host="http://127.0.0.1:1")


def test_the_command_says_where_the_example_belongs(tmp_path, capsys):
    assert main(["download", "--example", "--list", f"--models={tmp_path}"]) == 0
    told = capsys.readouterr().out
    assert "github.com/tau-yihouxiang/EX-4D/tree/b456a41/examples/flower" in told
    for file in FLOWER.files:
        assert str(tmp_path / "EX-4D" / "examples" / "flower" / file.name) in told
    assert "ex4d.ckpt" not in told  # the weights only where they are named


def test_the_files_that_are_asked_for_are_the_published_ones():
    if not PUBLISHED.is_dir():
        pytest.skip("there is no folder ../shared/clips beside this clone")
    for file in FLOWER.files:
        data = (PUBLISHED / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size_bytes, file.sha256)
