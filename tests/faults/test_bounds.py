"""What one peer takes of descriptors, memory and time has an end, and others notice little."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
import zlib

import psutil
import pytest
import zmq

from protocol import codec
from protocol import messages as m
from protocol.errors import ProtocolError
from protocol.keys import authorise, make_key_pair
from protocol.messages.jobs import BlobId, JobState

from .hostile import (
    GREETING,
    READY,
    Hostiles,
    cpu_s,
    hello,
    idle_connections,
    limited_server,
    memory_bytes,
    peak_bytes,
    until_answered,
)
from .rig import OK, REAL_SERVER, packed
from .small_jobs import reconstruction

MIB = 1 << 20
DESCRIPTORS = 256  # what the server may open; systems give 1024
HANDSHAKE_S = 15.0  # who has not shaken hands by then is gone


@pytest.fixture
def product(make_rig):
    """`ex4d serve`."""
    rig = make_rig()
    rig.start(command=REAL_SERVER)
    return rig


@pytest.fixture
def short_of_descriptors(make_rig):
    """`ex4d serve` with keys that may not open many."""
    rig = make_rig(encrypted=True)
    rig.start(command=limited_server(DESCRIPTORS))
    return rig


def done(rig, client, n_frames: int = 2) -> None:
    """A reconstruction is made, fetched and released."""
    info = client.submit(reconstruction(client, n_frames), key=os.urandom(8).hex())
    rig.acknowledged.add(info.job_id)
    ended = rig.ended(client, info.job_id)
    assert ended.state is JobState.DONE, ended
    for name, blob in ended.results.items():
        client.download(blob, rig.root / name)
    client.release(info.job_id)
    rig.acknowledged.discard(info.job_id)


def open_connections(rig) -> int:
    return psutil.Process(rig.server.process.pid).num_fds()


def test_h3_idle_connections_cost_nobody_a_result_and_nobody_the_server(short_of_descriptors):
    """Strangers who only connect took every descriptor, and the next handshake ended it."""
    rig = short_of_descriptors
    before, idle = open_connections(rig), []
    try:
        with rig.client() as client:
            done(rig, client)
            for _ in range(2):
                idle += idle_connections(rig.ports[0], 400)
                idle += idle_connections(rig.ports[1], 200)
                done(rig, client, 3)  # its worker, its files and its results need some
                assert open_connections(rig) < DESCRIPTORS
        deadline_s = time.monotonic() + HANDSHAKE_S
        while True:
            try:
                with rig.client("ben") as client:
                    done(rig, client)
                break
            except ProtocolError:  # no room yet
                assert rig.server.is_running, rig.server.log[-3:]
                assert time.monotonic() < deadline_s, "nobody gets in any more"
        assert rig.server.is_running
    finally:
        for connection in idle:
            connection.close()
    deadline_s = time.monotonic() + HANDSHAKE_S
    while open_connections(rig) > before + 2:
        assert time.monotonic() < deadline_s, "descriptors did not come back"
        time.sleep(0.05)
    assert sum(map(len, rig.server.log)) < 100_000


def test_h3_uploads_of_one_client_leave_the_others_their_descriptors(short_of_descriptors):
    """A begun upload holds a file open: 1000 of them ended everybody's work."""
    rig = short_of_descriptors
    with Hostiles() as hostiles:
        control, data = hostiles.joined(rig, "ben", sndhwm=1000, rcvhwm=1000)
        refusals = set()
        for number in range(400):
            blob = BlobId(f"{number:064x}", 1)
            data.send_multipart(codec.encode_data(m.BeginUpload(number + 2, blob)))
            answer = codec.decode_data(until_answered(data))[0]
            if isinstance(answer, m.Failure):
                refusals.add(answer.code)
                assert answer.text
        assert refusals == {"busy"}
        with rig.client() as client:
            assert client.status().transfers < DESCRIPTORS // 2
            done(rig, client)
        control.send(packed(type="ping", id=9))
        assert codec.decode_control(until_answered(control)) == m.Pong(9)


def test_h3_fifty_clients_of_ten_keys_are_all_served(make_rig):
    rig = make_rig(encrypted=True)
    for number in range(10):
        rig.keys[f"artist{number}"] = pair = make_key_pair()
        authorise(rig.root / "keys" / "clients", f"artist{number}", pair.public)
    rig.start()
    states = []

    def work(number: int) -> None:
        with rig.client(f"artist{number % 10}") as client:
            jobs = [rig.submit(client, OK, key=f"{number} {n}") for n in range(3)]
            states.extend(rig.ended(client, job.job_id).state for job in jobs)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == [JobState.DONE] * 150


def test_h6_a_message_without_end_is_ended(product):
    """Without keys libzmq collects the frames of a message for as long as they come."""
    frame = b"\x03" + MIB.to_bytes(8, "big") + bytes(MIB)  # more follow
    before = memory_bytes(product)
    with product.client() as client:
        for pieces in ([frame] * 400, [b"\x01\x00" * 50_000] * 40):
            with socket.create_connection(("127.0.0.1", product.ports[0]), timeout=2) as peer:
                peer.sendall(GREETING + READY)
                with contextlib.suppress(OSError):  # it is cut
                    for piece in pieces:
                        peer.sendall(piece)
                client.ping()
                # what a computer sends itself until it is noticed; it was 419 MiB, and stayed
                assert peak_bytes(product) - before < 256 * MIB
        deadline_s = time.monotonic() + 10
        while memory_bytes(product) - before > 64 * MIB:
            assert time.monotonic() < deadline_s, "its memory did not come back"
            time.sleep(0.1)


@pytest.mark.alone
def test_h6_who_asks_for_files_and_never_reads_gets_no_more_memory(product):
    """Each connection had up to 192 MiB of chunks waiting for it."""
    with product.client() as client:
        blob = client.upload(product.file(os.urandom(4 * MIB)))
        before = memory_bytes(product)
        with Hostiles() as hostiles:
            for _ in range(4):
                _, data = hostiles.joined(product, rcvhwm=1, rcvbuf=4096)
                for number in range(185):
                    fetch = m.Fetch(number + 2, blob, (number % 4) * MIB, MIB)
                    if data.poll(200, zmq.POLLOUT):  # not when nobody takes it any more
                        with contextlib.suppress(zmq.Again):  # closed since the poll
                            data.send_multipart(codec.encode_data(fetch), zmq.NOBLOCK)
            times = [client.ping() for _ in range(100)]
            assert peak_bytes(product) - before < 200 * MIB
            began_s, used_s = time.monotonic(), cpu_s(product)
            times += [client.ping() for _ in range(20) if time.sleep(0.05) is None]
            assert (cpu_s(product) - used_s) / (time.monotonic() - began_s) < 0.3
        assert sorted(times)[len(times) * 9 // 10] < 0.05
        assert client.download(blob, product.root / "back").stat().st_size == 4 * MIB


@pytest.mark.alone
def test_h6_strangers_who_never_shake_hands_leave_after_their_time(make_rig):
    """Slow greetings, silent connections and unknown keys at once; one with a key is served."""
    rig = make_rig(encrypted=True)
    rig.start(command=REAL_SERVER)
    before, times = open_connections(rig), []
    with rig.client() as client, Hostiles() as hostiles:
        slow = list(idle_connections(rig.ports[0], 200))
        silent = list(idle_connections(rig.ports[1], 200))
        for _ in range(100):
            hostiles.dealer(rig.address("stranger"))
        deadline_s = time.monotonic() + HANDSHAKE_S
        while open_connections(rig) > before + 2 + 4:  # the client has two, both ends of a pipe
            assert time.monotonic() < deadline_s, "they are still there"
            for connection in slow:
                with contextlib.suppress(OSError):  # it is cut
                    connection.send(b"\xff")
            times += [client.ping() for _ in range(5) if time.sleep(0.1) is None]
        for connection in slow + silent:
            connection.close()
    assert sorted(times)[len(times) * 95 // 100] < 0.05
    assert sum(map(len, rig.server.log)) < 50_000


@pytest.mark.alone
def test_h7_the_end_of_a_large_upload_holds_up_nobody(product):
    """The whole file was hashed and synced on the thread that answers."""
    block, n_blocks = os.urandom(MIB), 384
    sha = hashlib.sha256()
    for _ in range(n_blocks):
        sha.update(block)
    blob, times, over = BlobId(sha.hexdigest(), n_blocks * MIB), [], threading.Event()

    def ask() -> None:
        with product.client() as client:
            while not over.is_set():
                times.append(client.ping())
                time.sleep(0.005)

    with Hostiles() as hostiles:
        _, data = hostiles.joined(product)
        data.send_multipart(codec.encode_data(m.BeginUpload(2, blob)))
        ready = codec.decode_data(until_answered(data))[0]
        ahead = ready.window_bytes // MIB
        on_the_way, order = 0, [*range(1, n_blocks), 0]  # so that nothing is hashed before the end
        for number in order:
            chunk = m.Chunk(2, number * MIB, MIB, zlib.crc32(block))
            data.send_multipart(codec.encode_data(chunk, block))
            on_the_way += 1
            while on_the_way >= ahead:
                until_answered(data)
                on_the_way -= 1
        for _ in range(on_the_way):
            until_answered(data)
        asking = threading.Thread(target=ask)
        asking.start()
        while len(times) < 20:
            time.sleep(0.01)
        times.clear()
        data.send_multipart(codec.encode_data(m.FinishUpload(3, 2)))
        assert codec.decode_data(until_answered(data, 60))[0] == m.Stored(3, blob)
        over.set()
        asking.join()
    # Where tests run, others run too: it was 472 ms, and `make perf` holds it to less.
    assert max(times) < 0.3, f"a ping took {max(times):.3f} s"


@pytest.mark.alone
def test_h12_who_attaches_again_and_again_and_never_reads_takes_no_core(product):
    with product.client() as client, Hostiles() as hostiles:
        jobs = []
        for number in range(10):
            job = reconstruction(client, 2)
            jobs.append(client.submit(job, key=f"attached {number}").job_id)
            product.acknowledged.add(jobs[-1])
        for job_id in jobs:
            product.ended(client, job_id)
        usual, _ = share_of(product, client)
        peer = hostiles.dealer(product.address(), rcvhwm=1, rcvbuf=4096, sndhwm=10)
        peer.send(hello())
        until_answered(peer)
        end_s, number = time.monotonic() + 3, 2
        while time.monotonic() < end_s:
            attach = packed(type="attach", id=number, job_id=jobs[number % 10], since=0)
            if peer.poll(50, zmq.POLLOUT):
                with contextlib.suppress(zmq.Again):  # closed since the poll
                    peer.send(attach, zmq.NOBLOCK)
                number += 1
        client.ping()
        share, times = share_of(product, client)
        assert sorted(times)[len(times) // 2] < 0.025
        done(product, client)
    assert share < usual + 0.3  # it was 0.96 of a core


def share_of(rig, client) -> tuple[float, list[float]]:
    """How much of a core the server takes while somebody asks now and then, and how long that
    takes."""
    began_s, used_s = time.monotonic(), cpu_s(rig)
    times = [client.ping() for _ in range(60) if time.sleep(0.05) is None]
    return (cpu_s(rig) - used_s) / (time.monotonic() - began_s), times
