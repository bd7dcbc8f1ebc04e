"""Files through a client, over links that fail."""

from __future__ import annotations

import os
import threading

import pytest

from protocol.client import Client
from protocol.errors import ChecksumMismatch, FileChanged, UnknownBlob
from protocol.messages import Limits
from protocol.messages.jobs import BlobId
from protocol.testing import FakeServer, Proxy
from protocol.transfer import blob_of
from protocol.wire import Address
from tests.faults.ports import free_ports

from ..conftest import QUICK

MIB = 1 << 20
WINDOW = 4 * MIB


def client_of(server, proxy=None, **options):
    data = proxy.endpoint if proxy else None
    return Client(Address(server.endpoint, data_endpoint=data), timeouts=QUICK, **options)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1])
def test_t12_a_file_of_any_size_goes_up_and_comes_down(client, server, tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    blob = client.upload(source)
    assert server.store.find(blob).read_bytes() == source.read_bytes()
    client.download(blob, target)
    assert target.read_bytes() == source.read_bytes()
    assert not list(server.store.staging.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="modes say nothing there")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_what_comes_down_may_be_read_by_whom_the_umask_lets(client, file, tmp_path, umask):
    blob = client.upload(file)
    before = os.umask(umask)
    try:
        path = client.download(blob, tmp_path / "target")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_that_the_server_has_is_not_sent_again(client, server, file):
    client.upload(file)
    chunks = server.counts["Chunk"]
    client.upload(file)
    assert server.counts["Chunk"] == chunks == 7


def test_progress_rises_to_the_size(client, file, tmp_path):
    told = []
    blob = client.upload(file, on_progress=lambda *x: told.append(x))
    client.download(blob, tmp_path / "x", on_progress=lambda *x: told.append(x))
    assert told[-1] == (blob.size, blob.size)
    assert all(total == blob.size for _, total in told)


def test_files_go_both_ways_encrypted(tmp_path, file, server_keys, client_keys):
    with FakeServer(tmp_path / "s", keys=server_keys, authorised={client_keys.public}) as server:
        address = Address(server.endpoint, server_keys.public, client_keys)
        with Client(address, timeouts=QUICK) as client:
            blob = client.upload(file)
            client.download(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == file.read_bytes()


def test_an_unknown_file_is_told_and_leaves_nothing(client, tmp_path):
    with pytest.raises(UnknownBlob):
        client.download(BlobId("0" * 64, 10), tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["server"]


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_t1_an_upload_that_is_cut_goes_on_and_sends_at_most_one_window_again(server, file, percent):
    size = file.stat().st_size
    with Proxy(server.ports[1]) as proxy:
        proxy.cut_after(size * percent // 100, up=True)
        with client_of(server, proxy) as client:
            blob = client.upload(file)
        assert proxy.cuts == 1
        assert proxy.up_bytes <= size + WINDOW + 100_000
    assert server.store.find(blob).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_t1_a_download_that_is_cut_goes_on_and_gets_at_most_one_window_again(
    server, file, tmp_path, percent
):
    blob = server.store.add(file.read_bytes())
    with Proxy(server.ports[1]) as proxy:
        proxy.cut_after(blob.size * percent // 100, up=False)
        with client_of(server, proxy) as client:
            client.download(blob, tmp_path / "x")
        assert proxy.cuts == 1
        assert proxy.down_bytes <= blob.size + WINDOW + 100_000
    assert (tmp_path / "x").read_bytes() == file.read_bytes()


def test_t1_a_download_goes_on_in_another_client(server, file, tmp_path):
    blob = server.store.add(file.read_bytes())

    class Quit(Exception):
        pass

    def quit_half_way(done, total):
        if done >= total // 2:
            raise Quit

    with client_of(server) as client, pytest.raises(Quit):
        client.download(blob, tmp_path / "x", on_progress=quit_half_way)
    assert not (tmp_path / "x").exists()
    before = server.counts["Fetch"]
    with client_of(server) as client:
        client.download(blob, tmp_path / "x")
    assert server.counts["Fetch"] - before <= 4
    assert (tmp_path / "x").read_bytes() == file.read_bytes()
    assert not list(tmp_path.glob(".*.part"))


def test_t2_an_upload_goes_on_after_the_server_was_restarted(tmp_path, file):
    ports = free_ports()
    root = tmp_path / "s"
    half, first = threading.Event(), FakeServer(root, ports=ports)
    second: list[FakeServer] = []

    def restart_half_way(done, total):
        if done >= total // 2 and not half.is_set():
            half.set()
            first.stop()
            assert not list(first.store.blobs.iterdir())
            second.append(FakeServer(root, ports=ports))
            second[0].__enter__()

    with first, client_of(first) as client:
        blob = client.upload(file, on_progress=restart_half_way)
    second[0].stop()
    assert second[0].counts["Chunk"] <= 4
    assert second[0].store.find(blob).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("up", [True, False])
def test_t4_a_bit_that_flips_on_a_plain_link_is_noticed_and_mended(server, file, tmp_path, up):
    blob = blob_of(file)
    if not up:
        server.store.add(file.read_bytes())
    with Proxy(server.ports[1]) as proxy:
        proxy.flip_after(blob.size // 2, up=up)
        with client_of(server, proxy) as client:
            if up:
                client.upload(file)
                assert server.store.find(blob).read_bytes() == file.read_bytes()
            else:
                client.download(blob, tmp_path / "x")
                assert (tmp_path / "x").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("up", [True, False])
def test_t4_a_bit_that_flips_on_an_encrypted_link_costs_time_only(
    tmp_path, file, server_keys, client_keys, up
):
    with FakeServer(tmp_path / "s", keys=server_keys, authorised={client_keys.public}) as server:
        blob = blob_of(file) if up else server.store.add(file.read_bytes())
        with Proxy(server.ports[1]) as proxy:
            proxy.flip_after(blob.size // 2, up=up)
            address = Address(server.endpoint, server_keys.public, client_keys, proxy.endpoint)
            with Client(address, timeouts=QUICK) as client:
                if up:
                    client.upload(file)
                client.download(blob, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == file.read_bytes()


def test_t4_a_part_damaged_on_the_servers_disk_is_sent_anew(tmp_path, server, file):
    blob = blob_of(file)

    class Quit(Exception):
        pass

    def quit_half_way(done, total):
        if done >= total // 2:
            raise Quit

    with client_of(server) as client, pytest.raises(Quit):
        client.upload(file, on_progress=quit_half_way)
    with open(server.store.part(blob), "r+b") as part:
        part.write(b"damage")
    with client_of(server) as client:
        client.conversation._client_id = "f" * 32
        client.upload(file)
    assert server.store.find(blob).read_bytes() == file.read_bytes()


def test_t6_a_file_that_is_not_what_its_address_says_is_refused(server, file, tmp_path):
    wrong = BlobId("0" * 64, file.stat().st_size)
    server.store.final(wrong).write_bytes(file.read_bytes())
    with client_of(server) as client, pytest.raises(ChecksumMismatch):
        client.download(wrong, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_t10_a_file_that_two_clients_send_is_stored_once(server, file):
    gate = threading.Event()
    done: list[BlobId] = []

    def other():
        with client_of(server) as client:
            done.append(client.upload(file))

    thread = threading.Thread(target=other)

    def start_other_half_way(sent, total):
        if sent >= total // 2 and not gate.is_set():
            gate.set()
            thread.start()

    with client_of(server) as client:
        done.append(client.upload(file, on_progress=start_other_half_way))
    thread.join(10)
    assert done == [blob_of(file)] * 2
    assert len(list(server.store.blobs.iterdir())) == 1
    assert not list(server.store.staging.iterdir())


@pytest.mark.parametrize("how", ["append", "overwrite"])
def test_t11_a_file_that_changes_while_it_is_sent_is_told(server, file, how):
    changed = threading.Event()

    def change(done, total):
        if not changed.is_set():
            changed.set()
            with open(file, "ab" if how == "append" else "r+b") as opened:
                opened.write(b"other bytes")

    limits = Limits(chunk_bytes=1 << 18, window_bytes=1 << 20)
    with FakeServer(file.parent / "small", limits=limits) as small, client_of(small) as client:
        with pytest.raises(FileChanged):
            client.upload(file, on_progress=change)
        assert not list(small.store.blobs.iterdir())


def test_t14_a_link_that_stops_forwarding_is_left_for_a_new_one(server, file, tmp_path):
    blob = server.store.add(file.read_bytes())
    with Proxy(server.ports[1]) as dead:
        stalled = threading.Event()

        def blackhole(done, total):
            if not stalled.is_set():
                stalled.set()
                dead.blackhole = True

        def mend(seconds):
            dead.blackhole = False

        with client_of(server, dead, pause=mend) as client:
            client.download(blob, tmp_path / "x", on_progress=blackhole)
        assert stalled.is_set()
    assert (tmp_path / "x").read_bytes() == file.read_bytes()


def test_short_requests_are_answered_during_a_transfer(server, file, tmp_path):
    blob = server.store.add(file.read_bytes())
    times = []
    with client_of(server) as client:
        client.conversation._on_idle = None
        client.download(blob, tmp_path / "x", on_progress=lambda *_: times.append(client.ping()))
    assert times
    assert max(times) < 1
