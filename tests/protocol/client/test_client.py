"""Requests, events and files through a client, against a server over real sockets."""

from __future__ import annotations

import msgspec
import pytest

from protocol.client import Client, Timeouts
from protocol.errors import (
    IdempotencyConflict,
    InvalidArgument,
    LinkError,
    TimedOut,
    TooLarge,
    UnknownJob,
)
from protocol.keys import make_key_pair
from protocol.messages import Submit
from protocol.messages.jobs import Generate, JobState
from protocol.testing import FakeServer, Proxy
from protocol.wire import Address

from ..conftest import QUICK
from ..samples import BLOB, arrays, shot

JOB = Generate(BLOB, BLOB)
MIB = 1 << 20


def client_of(server, endpoint=None, data_endpoint=None, **options):
    address = Address(endpoint or server.endpoint, data_endpoint=data_endpoint)
    return Client(address, timeouts=QUICK, **options)


def test_ping_and_status_tell_how_the_server_is(client):
    assert 0 < client.ping() < 5
    status = client.status()
    assert (status.connections, status.queued, status.transfers) == (1, 0, 0)


def test_j1_the_same_key_and_job_is_one_job(client, server):
    first, second = client.submit(JOB, key="a"), client.submit(JOB, key="a")
    assert first == second
    assert len(server.jobs.jobs()) == 1


def test_j2_the_same_key_with_another_job_is_refused(client):
    client.submit(JOB, key="a")
    with pytest.raises(IdempotencyConflict):
        client.submit(shot(), key="a")


def test_j3_a_request_whose_reply_was_lost_is_sent_again_and_runs_once(client, server):
    server.sockets.lose_replies = 1
    info = client.submit(JOB, key="a")
    assert server.counts["Submit"] == 2
    assert [job.job_id for job in client.jobs()] == [info.job_id]


def test_a_job_can_be_asked_for_cancelled_and_released(client):
    info = client.submit(JOB, key="a", label="../🎬")
    assert client.job(info.job_id).label == "../🎬"
    assert client.cancel(info.job_id).state is JobState.CANCELLED
    assert client.cancel(info.job_id).state is JobState.CANCELLED
    client.release(info.job_id)
    for gone in (info.job_id, "job-99"):
        with pytest.raises(UnknownJob):
            client.cancel(gone)
        with pytest.raises(UnknownJob):
            client.release(gone)


def test_j3_a_release_whose_reply_was_lost_is_done(client, server):
    job_id = client.submit(JOB, key="a").job_id
    client.cancel(job_id)
    server.sockets.lose_replies = 1
    client.release(job_id)
    assert server.counts["Release"] == 2
    assert server.jobs.jobs() == []


def test_an_interrupted_job_is_queued_again_and_any_other_stays_as_it_is(client, server):
    job_id = client.submit(JOB, key="a").job_id
    server.jobs.advance(job_id, JobState.RUNNING)
    assert client.resume(job_id).state is JobState.RUNNING
    server.jobs.advance(job_id, JobState.INTERRUPTED)
    server.sockets.lose_replies = 1  # so it is asked twice
    assert client.resume(job_id).state is JobState.QUEUED
    assert [event.state for event in server.jobs.events(job_id, 3)] == [JobState.QUEUED]
    assert client.cancel(job_id).state is client.resume(job_id).state is JobState.CANCELLED
    with pytest.raises(UnknownJob):
        client.resume("job-99")


def test_all_jobs_are_listed_over_several_messages(client, server):
    for number in range(250):
        server.jobs.submit(Submit(1, str(number), JOB), "")
    assert [info.key for info in client.jobs()] == [str(number) for number in range(250)]


def test_m6_a_wrong_camera_path_is_refused_before_it_is_a_job(client, server):
    bad = msgspec.structs.replace(arrays(), intrinsics=bytes(128))
    with pytest.raises(InvalidArgument, match="Frame 0"):
        client.submit(msgspec.structs.replace(shot(), trajectory=bad), key="a")
    assert server.jobs.jobs() == []


def test_m3_a_job_that_is_too_large_is_refused_before_it_is_sent(client, server):
    path = bytes(600_000)
    huge = msgspec.structs.replace(arrays(), extrinsics=path, source_extrinsics=path)
    with pytest.raises(TooLarge):
        client.submit(msgspec.structs.replace(shot(), trajectory=huge), key="a")
    assert server.counts["Submit"] == 0


def test_events_come_in_order_until_the_job_is_over(client, server):
    info = client.submit(JOB, key="a")
    events = client.attach(info.job_id, timeout_s=10)
    assert next(events).state is JobState.QUEUED
    server.jobs.advance(info.job_id, JobState.RUNNING)
    assert next(events).state is JobState.RUNNING
    server.jobs.progress(info.job_id, "raster", 3, 49)
    event = next(events)
    assert (event.stage, event.done, event.total) == ("raster", 3, 49)
    server.jobs.advance(info.job_id, JobState.DONE)
    assert [event.state for event in events] == [JobState.DONE]


def test_j6_events_of_the_time_away_are_told_again(server):
    with client_of(server) as client:
        info = client.submit(JOB, key="a")
        last = next(client.attach(info.job_id)).sequence
    server.jobs.advance(info.job_id, JobState.RUNNING)
    server.jobs.advance(info.job_id, JobState.DONE)
    with client_of(server) as client:
        states = [event.state for event in client.attach(info.job_id, since=last)]
    assert states == [JobState.RUNNING, JobState.DONE]


def test_events_go_on_after_the_connection_was_cut(server):
    with Proxy(server.ports[0]) as proxy:
        with client_of(server, proxy.endpoint) as client:
            info = client.submit(JOB, key="a")
            events = client.attach(info.job_id, timeout_s=10)
            next(events)
            proxy.cut_after(0, up=False)
            server.jobs.advance(info.job_id, JobState.RUNNING)
            server.jobs.advance(info.job_id, JobState.DONE)
            assert [e.state for e in events] == [JobState.RUNNING, JobState.DONE]
        assert proxy.cuts == 1


def test_waiting_for_a_job_ends_at_its_deadline(client):
    info = client.submit(JOB, key="a")
    with pytest.raises(TimedOut):
        list(client.attach(info.job_id, since=1, timeout_s=0.1))


def test_a_client_sees_only_the_jobs_of_its_key(tmp_path, server_keys):
    mine, other = make_key_pair(), make_key_pair()
    keys = {mine.public, other.public}
    with FakeServer(tmp_path, keys=server_keys, authorised=keys) as server:
        with Client(Address(server.endpoint, server_keys.public, mine)) as client:
            job_id = client.submit(JOB, key="a").job_id
        with Client(Address(server.endpoint, server_keys.public, other)) as client:
            assert client.jobs() == []
            with pytest.raises(UnknownJob):
                client.job(job_id)


def test_a_request_fails_when_the_server_stays_away(server):
    with client_of(server) as client:
        server.stop()
        client.conversation.timeouts = Timeouts(connect_s=1, reply_s=0.5, resend_s=0.2)
        with pytest.raises(LinkError):
            client.ping()


def test_the_server_forgets_clients_that_are_gone(server):
    with client_of(server) as client:
        client.ping()
        assert len(server.sessions) == 1
    with client_of(server) as client:
        while client.status().connections > 1:
            pass  # the sweep is twice a second; the timeout of the test ends it
