"""The wire against raw TCP and Python's TLS, as ratios of one interleaved run.

Each end of each contender is a process of its own, on its half of the cores. The limits are for
chunks from memory to memory through the product's own sockets; what they are compared with is taken
in turns, and a ratio is the median of those of the turns, for the machine is shared. Files go
through the whole server and client; their rates are shown beside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from protocol.keys import authorise, make_key_pair, save_key_pair
from protocol.limits import CHUNK_BYTES, WINDOW_BYTES_MOST
from protocol.testing import Proxy
from tests.faults.rig import REAL_SERVER, Rig
from tests.faults.server_process import ROOT

from .bulk_client import FILE_BYTES
from .wire_ends import CHUNKS, KINDS

pytestmark = pytest.mark.perf

MIB = 1 << 20
TURNS = 31
PING_MS = 25  # 99 of 100, while files flow
ENDS = "tests.perf.wire_ends"


class Process:
    """A Python process that answers each line with one, on some of the cores."""

    def __init__(self, module: str, *arguments: object, cores: set[int] | None = None) -> None:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        if cores:
            os.sched_setaffinity(self.process.pid, cores)

    def line(self) -> str:
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return line.strip()

    def ask(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path):
    """Keys of both sides, and a throw-away certificate for TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl is not installed")
    for name in ("server", "client"):
        save_key_pair(make_key_pair(), tmp_path, name)
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    files = ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(
        [*command.split(), *files], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )
    return tmp_path


@pytest.fixture
def processes():
    """A list of what is to be ended."""
    started: list[Process] = []
    yield started
    for process in started:
        process.end()


def halves() -> tuple[set[int], set[int]]:
    """Cores for the one end and for the other."""
    cores = sorted(os.sched_getaffinity(0))
    middle = len(cores) // 2
    return set(cores[:middle]), set(cores[middle:])


def test_g1_chunks_keep_up_with_tcp_and_tls(folder, processes):
    receivers = {}
    for kind in KINDS:
        sender = Process(ENDS, "send", kind, folder, cores=halves()[0])
        processes.append(sender)
        port = sender.line()
        receivers[kind] = Process(ENDS, "receive", kind, port, folder, cores=halves()[1])
        processes.append(receivers[kind])

    def rate(kind: str) -> float:
        receivers[kind].ask()
        return CHUNKS * CHUNK_BYTES / 1e6 / float(receivers[kind].line())

    for kind in KINDS:
        rate(kind)
    turns = [{kind: rate(kind) for kind in KINDS} for _ in range(TURNS)]

    def ratio(kind: str, other: str) -> float:
        return statistics.median(turn[kind] / turn[other] for turn in turns)

    for kind in KINDS:
        rates = sorted(turn[kind] for turn in turns)
        print(
            f"\n{kind:5} median {statistics.median(rates):5.0f}, best {rates[-1]:5.0f} MB/s", end=""
        )
    print(
        f"\nplain {ratio('plain', 'tcp'):.2f} x TCP; CURVE {ratio('curve', 'tls'):.2f} x TLS, "
        f"{ratio('curve', 'tcp'):.2f} x TCP"
    )
    assert ratio("plain", "tcp") >= 0.70
    assert ratio("curve", "tls") >= 0.90
    assert ratio("curve", "tcp") >= 0.35


@contextlib.contextmanager
def serving(root: Path, *movements: str, encrypted: bool):
    """`ex4d serve`, and for each movement a client process that moves files when it is asked."""
    rig, folder = Rig(root, encrypted=encrypted), root / "bulk"
    folder.mkdir()
    link = [rig.endpoint]
    if encrypted:
        pair = make_key_pair()
        save_key_pair(pair, folder, "client")
        authorise(rig.root / "keys" / "clients", "bulk", pair.public)
        link.append(rig.keys["server"].public)
    clients: list[Process] = []
    try:
        rig.start(command=REAL_SERVER, warm=False)
        clients += [Process("tests.perf.bulk_client", what, folder, *link) for what in movements]
        yield rig, *clients
    finally:
        for client in clients:
            client.end()
        rig.close()


@pytest.fixture(params=[False, True], ids=["plain", "curve"])
def served(tmp_path, request):
    """`ex4d serve` and a client that moves files up and down."""
    with serving(tmp_path, "both", encrypted=request.param) as both:
        yield both


def test_g2_g3_files_are_moved_soon_and_cost_the_server_little_memory(served):
    rig, bulk = served
    bulk.ask()
    bulk.line()  # warm
    process = Path(f"/proc/{rig.server.process.pid}")
    before = psutil.Process(rig.server.process.pid).memory_info().rss
    (process / "clear_refs").write_text("5")  # the peak begins anew
    rates = []
    for _ in range(5):
        bulk.ask()
        rates.append([FILE_BYTES / 1e6 / float(seconds) for seconds in bulk.line().split()])
    peak = 1024 * int((process / "status").read_text().partition("VmHWM:")[2].split()[0])
    up, down = (statistics.median(rate) for rate in zip(*rates, strict=True))
    grown = peak - before
    print(f"\nup {up:.0f}, down {down:.0f} MB/s; the server grew by {grown / MIB:.1f} MiB")
    assert grown <= WINDOW_BYTES_MOST + 4 * CHUNK_BYTES + 16 * MIB


def pings_while(rig: Rig, *clients: Process, seconds: float) -> tuple[float, float]:
    """The median and the 99th percentile of a third client's pings, in ms, while files flow."""
    with rig.client() as asking:
        for client in clients:
            client.ask()
        for client in clients:
            client.line()  # warm
            for _ in range(200):  # more than it can do in the time
                client.ask()
        times, until_s = [], time.monotonic() + seconds
        while time.monotonic() < until_s:
            times.append(1000 * asking.ping())
    times.sort()
    p50, p99 = (times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
    print(f"\n{len(times)} pings under bulk: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return p50, p99


def test_g4_a_request_is_answered_soon_while_files_flow(served):
    _, p99_ms = pings_while(*served, seconds=10)
    assert p99_ms <= PING_MS


def test_h7_a_request_is_answered_soon_under_two_uploads_and_a_download(tmp_path):
    """All three encrypted: each took its turn of 16 chunks, and their hashes were made between."""
    with serving(tmp_path, "up", "up", "down", encrypted=True) as all_of_them:
        _, p99_ms = pings_while(*all_of_them, seconds=15)
    assert p99_ms <= PING_MS


def test_t15_a_link_of_100_mbit_is_filled_and_requests_do_not_wait_for_files(tmp_path):
    """The proxy holds too little for 1 Gbit and 100 ms: that takes network namespaces."""
    rate, round_trip_s = 12.5e6, 0.02
    rig = Rig(tmp_path)
    rig.start(command=REAL_SERVER, warm=False)
    shape = {"rate": rate, "delay_s": round_trip_s / 2}
    try:
        with Proxy(rig.ports[0], **shape) as control, Proxy(rig.ports[1], **shape) as data:
            link = {"endpoint": control.endpoint, "data_endpoint": data.endpoint}
            with rig.client(**link) as client, rig.background(**link) as moving:
                size = round(rate * 8)
                source = rig.file(os.urandom(size))
                began_s = time.monotonic()
                moving.upload(source)
                times = []
                while not client.status().stored_bytes:
                    times.append(client.ping())
                took_s = time.monotonic() - began_s
    finally:
        rig.close()
    times.sort()
    p99 = times[int(0.99 * (len(times) - 1))]
    print(f"\n{size / took_s / rate:.2f} of the link; ping p99 {1000 * p99:.0f} ms")
    assert size / took_s >= 0.92 * rate
    assert p99 <= round_trip_s + 0.025
