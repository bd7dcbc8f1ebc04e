"""The second reader of the protocol: SPEC.md's examples against a real server, with pyzmq and
msgpack and nothing of ours. A client written from SPEC.md alone works (H18)."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import uuid
import zlib
from itertools import count
from pathlib import Path

import msgpack
import pytest
import zmq

ROOT = Path(__file__).parents[3]
SHOT = ROOT / "examples" / "shot"
SPEC = (ROOT / "protocol" / "SPEC.md").read_text(encoding="utf-8")
PATIENCE_S = 60
EXAMPLES = SPEC.split("\n## Examples\n", 1)[1].split("\n## ", 1)[0]
FENCED = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOVE = r"^(control|data) +(->|<-) (.*?)(?=^control |^data |\Z)"
MOVES = re.compile(MOVE, re.MULTILINE | re.DOTALL)
TITLES = re.findall(r"^### Example: (.*)$", EXAMPLES, re.MULTILINE)
ENDS = {"done", "failed", "cancelled", "interrupted"}


def example(title: str) -> list[tuple[str, str, dict]]:
    """The moves of an example: the socket, `->` or `<-`, and the message."""
    [text] = FENCED.findall(EXAMPLES.split(f"\n### Example: {title}\n", 1)[1].split("\n### ", 1)[0])
    return [(name, arrow, json.loads(message)) for name, arrow, message in MOVES.findall(text)]


def filled(template, known):
    """A message with its values in place of their names."""
    if isinstance(template, dict):
        return {key: filled(value, known) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, known) for value in template]
    is_name = isinstance(template, str) and template.startswith("$")
    return known[template[1:]] if is_name else template


def learn(template, message, known, path="") -> None:
    """Compare a message with what SPEC.md shows, and take down what it tells for the first time."""
    if template == "...":
        return
    if isinstance(template, str) and template.startswith("$"):
        assert known.setdefault(template[1:], message) == message, f"{path}: {template}"
    elif isinstance(template, dict):
        assert isinstance(message, dict), path
        assert set(message) == set(template), path
        for key, value in template.items():
            learn(value, message[key], known, f"{path}.{key}")
    elif isinstance(template, list):
        assert isinstance(message, list), path
        assert len(message) == len(template), path
        for index, value in enumerate(template):
            learn(value, message[index], known, f"{path}[{index}]")
    else:
        assert type(message) is type(template), path
        assert message == template, path


class PlainClient:
    """Plays examples. `known` holds the values that their names stand for."""

    def __init__(self, context: zmq.Context, endpoint: str) -> None:
        self.known = {"client_id": uuid.uuid4().hex, "key": uuid.uuid4().hex}
        self._context = context
        self._host, _, port = endpoint.rpartition(":")
        self._numbers = count(1)
        self._sockets = {"control": self._connected(port)}
        self.played: set[str] = set()

    def play(self, title: str, payload: bytes | None = None) -> bytes | None:
        """Send and receive what the example shows; returns the bytes of a chunk that came."""
        self.played.add(title)
        came = None
        for name, arrow, template in example(title):
            if name not in self._sockets:
                self._sockets[name] = self._connected(self.known["data_port"])
            if arrow == "->":
                if "id" in template:
                    self.known["id"] = next(self._numbers)
                frames = [msgpack.packb(filled(template, self.known))]
                self._sockets[name].send_multipart(frames + ([payload] if payload else []))
            else:
                message, came = self._receive(name)
                learn(template, message, self.known, f"{title}: {template['type']}")
        return came

    def forget(self, *names: str) -> None:
        """Names that stand for something else from now on."""
        for name in names:
            self.known.pop(name, None)

    def close(self) -> None:
        for socket in self._sockets.values():
            socket.close(linger=0)

    def _connected(self, port) -> zmq.Socket:
        socket = self._context.socket(zmq.DEALER)
        socket.reconnect_ivl = -1
        socket.connect(f"{self._host}:{port}")
        return socket

    def _receive(self, name: str) -> tuple[dict, bytes | None]:
        socket = self._sockets[name]
        while socket.poll(PATIENCE_S * 1000):
            header, *payload = socket.recv_multipart()
            message = msgpack.unpackb(header)
            if message != {"type": "pong", "reply_to": 0}:
                return message, payload[0] if payload else None
        raise TimeoutError(f"nothing came on {name}")


@pytest.fixture
def endpoint(tmp_path):
    """Where a real server listens; afterwards it ends well."""
    command = [sys.executable, "-m", "ex4d", "serve", "--bind", "tcp://127.0.0.1:0"]
    flags = ["--data_dir", str(tmp_path / "data"), "--device", "cpu"]
    with subprocess.Popen(
        [*command, *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            lines = iter(server.stderr)
            yield next(ln for ln in lines if "listening" in ln).split("endpoint=")[1].split()[0]
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0


@pytest.fixture
def client(endpoint):
    with zmq.Context() as context:
        client = PlainClient(context, endpoint)
        yield client
        client.close()


def send_file(client: PlainClient, name: str, content: bytes) -> None:
    known = client.known
    client.forget("offset", "sha256", "size")
    known |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    client.play("an upload begins")
    known["transfer"] = known["id"]
    while known["offset"] < len(content):
        piece = content[known["offset"] :][: known["chunk_bytes"]]
        known |= {"piece_size": len(piece), "crc32": zlib.crc32(piece)}
        known["next_offset"] = known["offset"] + len(piece)
        client.play("a piece of a file goes up", piece)
        known["offset"] = known["next_offset"]
    client.play("an upload ends")
    known |= {f"{name}_sha256": known["sha256"], f"{name}_size": known["size"]}


def fetch_result(client: PlainClient) -> bytes:
    known, content = client.known, b""
    while len(content) < known["result_size"]:
        known["offset"] = len(content)
        known["piece_size"] = min(known["chunk_bytes"], known["result_size"] - len(content))
        client.forget("crc32")
        piece = client.play("a piece of a result comes down")
        assert zlib.crc32(piece) == known["crc32"]
        content += piece
    return content


def test_h18_a_client_that_knows_only_the_spec_does_a_whole_job(client):
    client.play("both sockets say hello")
    client.play("the server is asked whether it answers")
    send_file(client, "clip", (SHOT / "input.mp4").read_bytes())
    send_file(client, "depth", (SHOT / "depth.npz").read_bytes())
    client.play("a job is handed in")
    client.play("a client attaches to a job")
    sequences = [0]
    while client.known.get("state") not in ENDS:
        client.forget("state", "sequence")
        client.play("an event")
        sequences.append(client.known["sequence"])
    assert sequences == sorted(set(sequences))
    client.play("the results are asked for")
    result = fetch_result(client)
    assert hashlib.sha256(result).hexdigest() == client.known["result_sha256"]
    client.play("a job is released")
    assert client.played == set(TITLES)


def test_h18_the_bytes_of_the_spec_are_its_message_and_the_server_takes_them(client):
    as_hex, as_json = FENCED.findall(EXAMPLES)[:2]
    packed = bytes.fromhex(as_hex)
    assert msgpack.packb(json.loads(as_json)) == packed
    control = client._sockets["control"]
    control.send(packed)
    assert client._receive("control")[0]["type"] == "welcome"
