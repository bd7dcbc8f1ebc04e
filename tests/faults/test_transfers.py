"""Files over the wire to and from a server that is killed, or has no room."""

from __future__ import annotations

import os
import resource

import psutil
import pytest

from protocol.errors import DiskFull
from protocol.testing import Proxy
from protocol.transfer import blob_of

from .rig import OK

MIB = 1 << 20
SIZE = 24 * MIB
WINDOW = 4 * MIB  # of the fault server
HEADERS = MIB // 8  # of all messages, with what encryption adds, and a greeting or two


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
