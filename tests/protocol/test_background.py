"""The client that never makes its owner wait."""

from __future__ import annotations

import queue
import time

import pytest

from protocol.background import BackgroundClient
from protocol.client.news import Connected, Disconnected, Done, Failed, JobChanged, Progress
from protocol.errors import NotReachable, UnknownJob, WrongServerKey
from protocol.keys import make_key_pair
from protocol.messages.jobs import Generate, JobState
from protocol.testing import FakeServer, Proxy
from protocol.wire import Address
from tests.faults.ports import free_ports

from .conftest import QUICK
from .samples import BLOB

JOB = Generate(BLOB, BLOB)


def wait_for(background, kind, **fields):
    """The next news of this kind and with these fields; others are passed over."""
    deadline_s = time.monotonic() + 10
    while True:
        try:
            news = background.news.get(timeout=max(0, deadline_s - time.monotonic()))
        except queue.Empty:
            pytest.fail(f"no {kind.__name__} {fields} came")
        if isinstance(news, kind) and all(getattr(news, k) == v for k, v in fields.items()):
            return news


@pytest.fixture
def background(server):
    with BackgroundClient(Address(server.endpoint), timeouts=QUICK) as background:
        yield background


def test_commands_are_answered_by_token(background, server):
    assert wait_for(background, Connected).welcome.server_name == "FakeServer"
    info = wait_for(background, Done, token=background.submit(JOB, key="a")).value
    assert wait_for(background, Done, token=background.job(info.job_id)).value == info
    assert wait_for(background, Done, token=background.jobs()).value == [info]
    assert wait_for(background, Done, token=background.status()).value.queued == 1
    server.jobs.advance(info.job_id, JobState.RUNNING)
    server.jobs.advance(info.job_id, JobState.INTERRUPTED)
    resumed = wait_for(background, Done, token=background.resume(info.job_id)).value
    assert resumed.state is JobState.QUEUED
    cancelled = wait_for(background, Done, token=background.cancel(info.job_id)).value
    assert cancelled.state is JobState.CANCELLED
    assert wait_for(background, Done, token=background.release(info.job_id))


def test_an_error_is_told_with_its_token(background):
    token = background.job("job-99")
    assert isinstance(wait_for(background, Failed, token=token).error, UnknownJob)
    token = background.upload("/no/such/file")
    assert isinstance(wait_for(background, Failed, token=token).error, FileNotFoundError)


def test_files_go_both_ways_with_progress(background, file, tmp_path):
    token = background.upload(file)
    blob = wait_for(background, Done, token=token).value
    token = background.download(blob, tmp_path / "x")
    assert wait_for(background, Progress, token=token, done=blob.size)
    assert wait_for(background, Done, token=token).value == tmp_path / "x"
    assert (tmp_path / "x").read_bytes() == file.read_bytes()


def test_a_short_command_goes_ahead_of_a_transfer(server, file, tmp_path):
    blob = server.store.add(file.read_bytes())
    with Proxy(server.ports[1], rate=8e6) as slow:
        address = Address(server.endpoint, data_endpoint=slow.endpoint)
        with BackgroundClient(address, timeouts=QUICK) as background:
            transfer = background.download(blob, tmp_path / "x")
            wait_for(background, Progress, token=transfer)
            ping = background.ping()
            assert wait_for(background, Done).token == ping
            assert wait_for(background, Done).token == transfer


def test_a_transfer_that_was_dropped_before_it_began_is_not_done(server, file, tmp_path):
    blob = server.store.add(file.read_bytes())
    with Proxy(server.ports[1], rate=8e6) as slow:
        address = Address(server.endpoint, data_endpoint=slow.endpoint)
        with BackgroundClient(address, timeouts=QUICK) as background:
            first = background.download(blob, tmp_path / "x")
            second = background.download(blob, tmp_path / "y")
            third = background.download(blob, tmp_path / "z")
            background.drop(second)
            assert wait_for(background, Done).token == first
            assert wait_for(background, Done).token == third
    assert not (tmp_path / "y").exists()


def test_events_are_told_until_the_job_is_over(background, server):
    info = wait_for(background, Done, token=background.submit(JOB, key="a")).value
    background.watch(info.job_id)
    assert wait_for(background, JobChanged).event.state is JobState.QUEUED
    server.jobs.advance(info.job_id, JobState.RUNNING)
    assert wait_for(background, JobChanged).event.state is JobState.RUNNING
    server.jobs.advance(info.job_id, JobState.DONE)
    assert wait_for(background, JobChanged).event.state is JobState.DONE


def test_c1_it_keeps_trying_until_the_server_is_there(tmp_path):
    ports = free_ports()
    with BackgroundClient(Address(f"tcp://127.0.0.1:{ports[0]}"), timeouts=QUICK) as background:
        news = wait_for(background, Disconnected)
        assert isinstance(news.error, NotReachable)
        assert 0.05 <= news.retry_s <= 5
        with FakeServer(tmp_path, ports=ports):
            wait_for(background, Connected)


def test_c2_attempts_end_at_a_wrong_key_until_reconnect(tmp_path, server_keys, client_keys):
    with FakeServer(tmp_path, keys=server_keys, authorised={client_keys.public}) as server:
        address = Address(server.endpoint, make_key_pair().public, client_keys)
        with BackgroundClient(address, timeouts=QUICK) as background:
            news = wait_for(background, Disconnected)
            assert isinstance(news.error, WrongServerKey)
            assert news.retry_s is None
            with pytest.raises(queue.Empty):
                background.news.get(timeout=0.3)
            background.reconnect()
            assert isinstance(wait_for(background, Disconnected).error, WrongServerKey)


def test_c3_it_connects_once_the_key_was_authorised(tmp_path, server_keys, client_keys):
    authorised: set[str] = set()
    with FakeServer(tmp_path, keys=server_keys, authorised=authorised) as server:
        address = Address(server.endpoint, server_keys.public, client_keys)
        with BackgroundClient(address, timeouts=QUICK) as background:
            wait_for(background, Disconnected, retry_s=None)
            authorised.add(client_keys.public)
            background.reconnect()
            wait_for(background, Connected)


def test_watching_goes_on_after_the_server_was_restarted(tmp_path):
    ports = free_ports()
    with (
        FakeServer(tmp_path, ports=ports) as server,
        BackgroundClient(Address(server.endpoint), timeouts=QUICK) as background,
    ):
        info = wait_for(background, Done, token=background.submit(JOB, key="a")).value
        wait_for(background, Done, token=background.watch(info.job_id))
        assert wait_for(background, JobChanged).event.sequence == 1
        server.stop()
        wait_for(background, Disconnected)
        server.jobs.advance(info.job_id, JobState.RUNNING)
        with FakeServer(tmp_path, ports=ports, jobs=server.jobs):
            wait_for(background, Connected)
            assert wait_for(background, JobChanged).event.sequence == 2


def test_a_command_given_while_disconnected_is_done_once_there_is_a_server(tmp_path):
    ports = free_ports()
    with BackgroundClient(Address(f"tcp://127.0.0.1:{ports[0]}"), timeouts=QUICK) as background:
        wait_for(background, Disconnected)
        token = background.ping()
        with FakeServer(tmp_path, ports=ports):
            wait_for(background, Done, token=token)


@pytest.mark.parametrize("way", ["upload", "download"])
def test_a_dropped_transfer_ends_at_once_and_the_next_one_begins(server, file, tmp_path, way):
    small = tmp_path / "small"
    small.write_bytes(b"small")
    blob = server.store.add(file.read_bytes()) if way == "download" else None
    with Proxy(server.ports[1], rate=2e6) as slow:  # a window needs 2 s
        address = Address(server.endpoint, data_endpoint=slow.endpoint)
        with BackgroundClient(address, timeouts=QUICK) as background:
            target = tmp_path / "x"
            dropped = background.download(blob, target) if blob else background.upload(file)
            wait_for(background, Progress, token=dropped)
            began_s = time.monotonic()
            background.drop(dropped)
            told = background.news.qsize()
            done = wait_for(background, Done, token=background.upload(small))
            assert time.monotonic() - began_s < 1
            assert done.value.size == 5
            assert told <= 1
            assert not target.exists()
            again = background.download(blob, target) if blob else background.upload(file)
            first = wait_for(background, Progress, token=again)  # what was verified has stayed
            assert first.done >= 2 << 20


def test_a_dropped_transfer_has_no_more_news(server, file, tmp_path):
    with (
        Proxy(server.ports[1], rate=3e6) as slow,
        BackgroundClient(
            Address(server.endpoint, data_endpoint=slow.endpoint), timeouts=QUICK
        ) as background,
    ):
        running, waiting = background.upload(file), background.upload(tmp_path / "no such file")
        wait_for(background, Progress, token=running)
        background.drop(running)
        background.drop(waiting)
        while not background.news.empty():  # those of the time before
            background.news.get()
        last = background.upload(tmp_path / "no other")
        news = [background.news.get(timeout=10)]
        while not isinstance(news[-1], Failed):
            news.append(background.news.get(timeout=10))
        assert {n.token for n in news if not isinstance(n, Connected)} == {last}


def test_a_transfer_that_waits_for_the_server_can_be_dropped(server, file):
    with Proxy(server.ports[1], rate=3e6) as slow:
        address = Address(server.endpoint, data_endpoint=slow.endpoint)
        with BackgroundClient(address, timeouts=QUICK) as background:
            token = background.upload(file)
            wait_for(background, Progress, token=token)
            server.stop()
            while background.news.qsize():
                background.news.get()
            background.drop(token)
            began_s = time.monotonic()
            wait_for(background, Disconnected)  # nothing else is to be done
            assert time.monotonic() - began_s < 1


@pytest.mark.parametrize(
    "moment", ["connecting", "black hole", "idle", "transfer", "never started"]
)
def test_b1_stop_ends_the_thread_within_a_second(server, file, tmp_path, moment):
    blob = server.store.add(file.read_bytes())
    with Proxy(server.ports[1], rate=4e6) as slow, Proxy(server.ports[0]) as silent:
        silent.blackhole = True
        endpoint = silent.endpoint if moment == "black hole" else server.endpoint
        if moment == "connecting":
            endpoint = f"tcp://127.0.0.1:{free_ports()[0]}"
        background = BackgroundClient(
            Address(endpoint, data_endpoint=slow.endpoint), timeouts=QUICK
        )
        if moment != "never started":
            background.start()
        if moment == "black hole":
            while not silent.connections:
                assert background.news.empty()
        elif moment != "never started":
            wait_for(background, Disconnected if moment == "connecting" else Connected)
        if moment == "transfer":
            background.download(blob, tmp_path / "x")
            wait_for(background, Progress)
        began_s = time.monotonic()
        assert background.stop()
        assert time.monotonic() - began_s < 1
    assert not (tmp_path / "x").exists()
