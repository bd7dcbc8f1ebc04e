"""The two ends of a wire, a process each: python -m tests.perf.wire_ends END KIND PLACE.

    send KIND FOLDER            listens, says on which port, and gives a block to whoever asks
    receive KIND PORT FOLDER    for each line of its input takes the block and says the seconds

From memory to memory: 200 MB of random bytes, chunk by chunk into their places in a buffer of that
size. KIND is tcp, tls, plain or curve. The last two are the product's own sockets with all their
options and messages; a window of chunks is asked for ahead, as a download does.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from pathlib import Path

import zmq

from protocol import codec
from protocol.client.wire import Wire
from protocol.keys import load_key_pair
from protocol.limits import CHUNK_BYTES, CHUNK_BYTES_MOST, DATA_HEADER_BYTES, DATA_HWM
from protocol.messages import Chunk, Fetch
from protocol.messages.jobs import BlobId
from protocol.server import Routers, ZapHandler
from protocol.wire import Address

__all__ = ["CHUNKS", "KINDS"]

KINDS = ("tcp", "tls", "plain", "curve")
CHUNKS = 200
AHEAD = 4  # chunks that are asked for and not there yet: the first window of a transfer
BLOB = BlobId("0" * 64, CHUNKS * CHUNK_BYTES)


def send_stream(kind: str, folder: Path) -> None:
    """Give the block to each connection, chunk by chunk, each time that it asks."""
    block = memoryview(os.urandom(CHUNKS * CHUNK_BYTES))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            if kind == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                while connection.recv(1):
                    for at in range(0, len(block), CHUNK_BYTES):
                        connection.sendall(block[at : at + CHUNK_BYTES])


def receive_stream(kind: str, port: int) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection)
    buffer = memoryview(bytearray(CHUNKS * CHUNK_BYTES))
    with connection:
        for _ in sys.stdin:
            began_s = time.perf_counter()
            connection.sendall(b"!")
            taken = 0
            while taken < len(buffer):
                taken += connection.recv_into(buffer[taken : taken + CHUNK_BYTES])
            print(time.perf_counter() - began_s, flush=True)


def send_frames(kind: str, folder: Path) -> None:
    """Answer each fetch with its chunk."""
    block = memoryview(os.urandom(CHUNKS * CHUNK_BYTES))
    keys = load_key_pair(folder, "server") if kind == "curve" else None
    with zmq.Context() as context:
        zap = ZapHandler(context, lambda: {load_key_pair(folder, "client").public})
        routers = Routers(context, "tcp://127.0.0.1:0", keys=keys)
        print(routers.data_port, flush=True)
        poller = zmq.Poller()
        for router in (routers.data, zap.socket):
            poller.register(router, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if zap.socket in ready:
                zap.handle()
            while (received := routers.receive("data")) is not None:
                fetch, _ = codec.decode_data(received.frames)
                answer = Chunk(fetch.id, fetch.offset, fetch.size, 0)
                chunk = block[fetch.offset : fetch.offset + fetch.size]
                routers.send("data", received.peer, codec.encode_data(answer, chunk))


def receive_frames(kind: str, port: int, folder: Path) -> None:
    keys = load_key_pair(folder, "client") if kind == "curve" else None
    server = load_key_pair(folder, "server").public if kind == "curve" else None
    buffer = memoryview(bytearray(CHUNKS * CHUNK_BYTES))
    address = Address(f"tcp://127.0.0.1:{port}", server, keys)
    with zmq.Context() as context:
        wire = Wire(context, address, CHUNK_BYTES_MOST + DATA_HEADER_BYTES, DATA_HWM)
        wire.connect(address.endpoint, time.monotonic() + 5, lambda: None)
        for _ in sys.stdin:
            began_s = time.perf_counter()
            asked = taken = 0
            while taken < CHUNKS:
                while asked < min(CHUNKS, taken + AHEAD):
                    fetch = Fetch(asked + 1, BLOB, asked * CHUNK_BYTES, CHUNK_BYTES)
                    wire.send(codec.encode_data(fetch))
                    asked += 1
                wire.socket.poll()
                while (frames := wire.receive()) is not None:
                    chunk, payload = codec.decode_data(frames)
                    buffer[chunk.offset : chunk.offset + chunk.size] = payload
                    taken += 1
            print(time.perf_counter() - began_s, flush=True)


def main() -> None:
    end, kind, *place = sys.argv[1:]
    if end == "send":
        (send_stream if kind in ("tcp", "tls") else send_frames)(kind, Path(place[0]))
    elif kind in ("tcp", "tls"):
        receive_stream(kind, int(place[0]))
    else:
        receive_frames(kind, int(place[0]), Path(place[1]))


if __name__ == "__main__":
    main()
