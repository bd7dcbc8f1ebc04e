"""The wire against raw TCP and Python's TLS, as ratios of one interleaved run.

The goals (plain >= 0.70 x TCP; CURVE >= 0.90 x TLS and >= 0.35 x TCP) are for chunks from memory
to memory, so frames are measured bare. Files go through the whole client and server, with disk,
CRC-32 and SHA-256 on both sides, here in one process; their rates are shown beside.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import statistics
import subprocess
import threading
import time

import pytest
import zmq

from protocol.client import Client
from protocol.keys import make_key_pair
from protocol.testing import FakeServer
from protocol.wire import Address

pytestmark = pytest.mark.perf

MIB = 1 << 20
N_CHUNKS = 200
ROUNDS = 5
NOISE = 0.8  # the machine is shared


def stream_rate(tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> float:
    """MB/s of one TCP connection of loopback, or of TLS over it (server's and client's side)."""
    chunk = bytes(MIB)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def send() -> None:
            raw = socket.create_connection(("127.0.0.1", port))
            with tls[1].wrap_socket(raw) if tls else raw as connection:
                for _ in range(N_CHUNKS):
                    connection.sendall(chunk)
                connection.recv(1)  # until the other side has it all

        thread = threading.Thread(target=send)
        thread.start()
        raw, _ = listener.accept()
        with tls[0].wrap_socket(raw, server_side=True) if tls else raw as connection:
            began_s = time.perf_counter()
            buffer, left = bytearray(MIB), N_CHUNKS * MIB
            while left:
                left -= connection.recv_into(buffer)
            took_s = time.perf_counter() - began_s
            connection.sendall(b"!")
        thread.join()
        return N_CHUNKS * MIB / 1e6 / took_s


def frame_rate(*, encrypted: bool) -> float:
    """MB/s of 1 MiB frames that are asked for eight ahead, DEALER to ROUTER."""
    keys, mine = make_key_pair(), make_key_pair()
    # a context each, as in two processes: one would share its thread for both ends
    with zmq.Context() as context, zmq.Context() as other, context.socket(zmq.ROUTER) as router:
        if encrypted:
            router.curve_server, router.curve_secretkey = True, keys.secret.encode()
        port = router.bind_to_random_port("tcp://127.0.0.1")

        def serve() -> None:
            chunk = bytes(MIB)
            for _ in range(N_CHUNKS):
                peer, ask = router.recv_multipart()
                router.send_multipart([peer, ask, chunk], copy=False)

        thread = threading.Thread(target=serve)
        thread.start()
        with other.socket(zmq.DEALER) as dealer:
            if encrypted:
                dealer.curve_serverkey = keys.public.encode()
                dealer.curve_publickey = mine.public.encode()
                dealer.curve_secretkey = mine.secret.encode()
            dealer.connect(f"tcp://127.0.0.1:{port}")
            began_s = time.perf_counter()
            for asked in range(N_CHUNKS + 8):
                if asked < N_CHUNKS:
                    dealer.send(b"ask")
                if asked >= 8:
                    dealer.recv_multipart(copy=False)
            took_s = time.perf_counter() - began_s
        thread.join()
        return N_CHUNKS * MIB / 1e6 / took_s


@pytest.fixture
def tls(tmp_path):
    """Both sides of TLS with a throw-away certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    files = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    server, client = (
        ssl.SSLContext(side) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)
    )
    server.load_cert_chain(certificate, key)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server, client


def file_rates(tmp_path, number: int, *, encrypted: bool) -> tuple[float, float]:
    """MB/s up and down of a file, with everything that a transfer does."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(64 * MIB))
    keys, mine = (make_key_pair(), make_key_pair()) if encrypted else (None, None)
    root = tmp_path / f"{number}-{encrypted}"
    with FakeServer(root, keys=keys, authorised={mine.public} if mine else ()) as server:
        address = Address(server.endpoint, keys.public if keys else None, mine)
        with Client(address) as client:
            began_s = time.perf_counter()
            blob = client.upload(source)
            between_s = time.perf_counter()
            client.download(blob, tmp_path / "target")
            ended_s = time.perf_counter()
    size = 64 * MIB / 1e6
    return size / (between_s - began_s), size / (ended_s - between_s)


def test_frames_keep_up_with_tcp_and_tls(tls):
    runs = [
        (
            stream_rate(),
            stream_rate(tls),
            frame_rate(encrypted=False),
            frame_rate(encrypted=True),
        )
        for _ in range(ROUNDS)
    ]
    tcp, secure, plain, curve = (statistics.median(rates) for rates in zip(*runs, strict=True))
    print(
        f"\nTCP {tcp:.0f} MB/s; plain {plain / tcp:.2f} x TCP, "
        f"CURVE {curve / tcp:.2f} x TCP = {curve / secure:.2f} x TLS"
    )
    assert plain >= NOISE * 0.70 * tcp
    assert curve >= NOISE * 0.90 * secure
    assert curve >= NOISE * 0.35 * tcp


def test_encryption_does_not_cost_files_more_than_it_must(tmp_path):
    runs = [
        (*file_rates(tmp_path, n, encrypted=False), *file_rates(tmp_path, n, encrypted=True))
        for n in range(3)
    ]
    up, down, curve_up, curve_down = (statistics.median(rates) for rates in zip(*runs, strict=True))
    print(f"\nplain file up {up:.0f}, down {down:.0f} MB/s")
    print(f"CURVE file up {curve_up:.0f}, down {curve_down:.0f} MB/s")
    assert curve_up >= 0.4 * up
    assert curve_down >= 0.4 * down


def test_g4_a_request_is_answered_soon_while_files_flow(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(128 * MIB))
    times = []
    with FakeServer(tmp_path / "s") as server:
        address = Address(server.endpoint)
        with Client(address) as asking, Client(address) as client:
            blob = client.upload(source)
            done = threading.Event()

            def download() -> None:
                with Client(address) as other:
                    other.download(blob, tmp_path / "target")
                done.set()

            thread = threading.Thread(target=download)
            thread.start()
            while not done.is_set():
                times.append(asking.ping())
            thread.join()
    times.sort()
    p50, p99 = (1000 * times[int(q * (len(times) - 1))] for q in (0.5, 0.99))
    print(f"\n{len(times)} pings under bulk: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    assert p99 <= 25
