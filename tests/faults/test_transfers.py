"""Files over the wire to and from a server that is killed, or has no room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import psutil
import pytest

from protocol import codec
from protocol import messages as m
from protocol.errors import DiskFull, UnknownJob
from protocol.messages.jobs import JobState
from protocol.testing import Proxy, RawPeer
from protocol.transfer import blob_of

from .rig import OK, until
from .server_process import ROOT

MIB = 1 << 20
SIZE = 24 * MIB
WINDOW = 4 * MIB  # of the fault server
HEADERS = MIB // 8  # of all messages, with what encryption adds, and a greeting or two


FETCHER = """
import sys, time
from pathlib import Path
from protocol.client import Client
from protocol.wire import Address
endpoint, job_id, target = sys.argv[1:]
with Client(Address(endpoint)) as client:
    for _ in client.attach(job_id):
        pass
    [blob] = client.job(job_id).results.values()
    print("fetching", flush=True)
    client.download(blob, Path(target), on_progress=lambda done, total: time.sleep(60))
"""


@pytest.fixture(params=[False, True], ids=["plain", "curve"])
def proxied(make_rig, request):
    """A rig, a client whose files go through a proxy, and that."""
    rig = make_rig(encrypted=request.param)
    rig.start()
    with Proxy(rig.ports[1]) as proxy, rig.client(data_endpoint=proxy.endpoint) as client:
        yield rig, client, proxy


def killer(rig, at: int):
    """Tells of progress, and kills the server and starts the next when so many bytes are there."""

    def on_progress(done: int, total: int) -> None:
        if done > at and not rig.killed:
            rig.killed = True
            rig.server.end()
            rig.start(warm=False)

    rig.killed = False
    return on_progress


def test_t2_an_upload_goes_on_after_the_server_was_killed(proxied):
    rig, client, proxy = proxied
    source = rig.file(os.urandom(SIZE))
    blob = client.upload(source, on_progress=killer(rig, SIZE // 2))
    assert rig.killed
    assert proxy.up_bytes <= SIZE + WINDOW + HEADERS
    assert blob == blob_of(source) == blob_of(client.download(blob, rig.root / "back"))


def test_t2_a_download_goes_on_after_the_server_was_killed(proxied):
    rig, client, proxy = proxied
    source = rig.file(os.urandom(SIZE))
    blob = client.upload(source)
    target = client.download(blob, rig.root / "back", on_progress=killer(rig, SIZE // 2))
    assert rig.killed
    assert proxy.down_bytes <= SIZE + WINDOW + HEADERS
    assert blob == blob_of(target)
    assert not list(rig.root.glob(".*.part"))


@pytest.mark.parametrize("limit", ["quota", "disk"])
def test_t9_no_room_is_said_with_need_and_have_before_the_first_byte(make_rig, limit):
    rig = make_rig()
    rig.start(*(["--quota", str(8 * MIB)] if limit == "quota" else []))
    if limit == "disk":
        process = psutil.Process(rig.server.process.pid)
        process.rlimit(resource.RLIMIT_FSIZE, (8 * MIB, 8 * MIB))  # EFBIG, one way to say full
    with Proxy(rig.ports[1]) as proxy, rig.client(data_endpoint=proxy.endpoint) as client:
        with pytest.raises(DiskFull) as refusal:
            client.upload(rig.file(bytes(16 * MIB)))
        assert int(refusal.value.facts["need_bytes"]) >= 16 * MIB
        assert int(refusal.value.facts["have_bytes"]) >= 0
        assert proxy.up_bytes < HEADERS
        assert list((rig.data / "staging").iterdir()) == []
        assert rig.ended(client, rig.submit(client, OK).job_id).state == "done"


def test_t9_results_that_have_no_room_fail_their_job_and_nothing_else(make_rig):
    rig = make_rig()
    rig.start("--quota", str(4 * MIB))
    with rig.client() as client:
        failed = rig.ended(client, rig.submit(client, ("big_result", "a", 8 * MIB)).job_id)
        assert (failed.state, failed.error_code, failed.results) == ("failed", "disk_full", {})
        assert str(8 * MIB) in failed.error_text
        assert rig.ended(client, rig.submit(client, OK).job_id).state == "done"


def test_t9_a_client_without_room_says_so_and_leaves_nothing(rig, client):
    blob = client.upload(rig.file(bytes(16 * MIB)))
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, allowed[1]))
    try:
        with pytest.raises(DiskFull) as refusal:
            client.download(blob, rig.root / "target" / "clip.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert int(refusal.value.facts["need_bytes"]) >= 16 * MIB
    assert list((rig.root / "target").iterdir()) == []


def test_t3_a_client_that_died_leaves_its_results_to_the_next_until_it_releases_them(rig, client):
    job = rig.job(client, ("big_result", "out.txt", 4 * MIB))
    info = client.submit(job, key="mine")
    rig.acknowledged.add(info.job_id)
    command = [sys.executable, "-c", FETCHER, rig.endpoint, info.job_id, str(rig.root / "got")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout.readline() == "fetching\n"
        dying.kill()
    again = client.submit(job, key="mine")
    assert (again.job_id, again.state) == (info.job_id, JobState.DONE)
    [blob] = again.results.values()
    for turn in range(2):  # as often as it likes
        assert client.download(blob, rig.root / f"back {turn}").stat().st_size == 4 * MIB
    assert rig.runs()["began", info.job_id] == 1
    client.release(info.job_id)
    rig.acknowledged.discard(info.job_id)
    with pytest.raises(UnknownJob):
        client.job(info.job_id)


@pytest.fixture
def reader(rig, client):
    """A raw peer that has asked for a window of a file and reads nothing of it; the file."""
    content = os.urandom(SIZE)
    blob = client.upload(rig.file(content))
    with RawPeer(rig.endpoint) as control, RawPeer(f"tcp://127.0.0.1:{rig.ports[1]}") as data:
        data.socket.rcvhwm = 1
        data.hello(control.hello().connection)
        for number in range(WINDOW // MIB):
            data.send(codec.encode_data(m.Fetch(7 + number, blob, number * MIB, MIB))[0])
        yield control, data, content


def test_t7_a_reader_that_stops_costs_a_window_and_no_other_client_and_goes_on(rig, reader):
    control, data, content = reader
    before = psutil.Process(rig.server.process.pid).memory_info().rss
    with rig.client("ben") as other:
        for _ in range(20):
            assert other.ping() < 1
        blob = other.upload(rig.file(os.urandom(MIB)))
        other.download(blob, rig.root / "other")
    grown = psutil.Process(rig.server.process.pid).memory_info().rss - before
    assert grown <= WINDOW + 4 * MIB
    for number in range(WINDOW // MIB):
        header, payload = data.receive()
        chunk, _ = codec.decode_data([header, payload])
        assert chunk.transfer == 7 + number
        assert payload == content[number * MIB : (number + 1) * MIB]
    assert control.control(codec.encode_control(m.Ping(99))) == m.Pong(99)


def test_t8_a_reader_that_vanishes_is_forgotten_with_what_it_had_asked_for(rig, reader, client):
    control, data, _ = reader
    assert client.status().connections == 2
    data.socket.close()
    control.socket.close()
    until(lambda: client.status().connections, lambda count: count == 1)
