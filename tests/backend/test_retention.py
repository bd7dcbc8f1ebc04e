"""What is kept of jobs that have ended, and for how long; whose turn it is; what one may ask."""

from __future__ import annotations

import pytest

from protocol.errors import Busy, DiskFull, InvalidArgument, UnknownBlob, UnknownJob
from protocol.messages.jobs import (
    DepthFiles,
    EngineSettings,
    Generate,
    JobState,
    Reconstruct,
    Shot,
    Source,
    TrajectoryArrays,
)

from .conftest import OWNER, FakeClock, quick_settings

GIB = 1 << 30
OK = ("result", "out.txt", "fine")
DAY_S = 86_400


@pytest.fixture
def clock():
    return FakeClock()


def fetch(harness, job_id, owner=OWNER) -> None:
    """What a client's first `fetch` of each result notes."""
    for blob in harness.info(job_id).results.values():
        harness.service.journal.holdings.note_fetched(owner, blob.sha256)


def known(harness, *job_ids) -> list[bool]:
    jobs = {info.job_id for owner in (OWNER, "mallory") for info in harness.service.jobs(owner)}
    return [job_id in jobs for job_id in job_ids]


def settle(harness, clock, seconds=0.0) -> None:
    """Let time go by, and the housekeeping of it."""
    clock.now_s += seconds
    for _ in range(5):
        clock.now_s += 61
        harness.service.step()
        harness.synced()


def result(harness, number, size=100):
    return ("big_result", f"r{number}", size + number)


def test_h5_jobs_of_one_client_never_push_out_those_of_another(make_service, clock):
    harness = make_service(clock=clock, settings=quick_settings(kept_jobs=3, kept_hours=0))
    mine = harness.submit(OK)
    harness.ended(mine)
    hers = [harness.submit(OK, owner="mallory") for _ in range(9)]
    for job_id in hers:
        harness.service.cancel("mallory", job_id)
    harness.ended(*hers[:0])
    settle(harness, clock)
    assert known(harness, mine) == [True]
    assert known(harness, *hers).count(True) == 3


def test_h5_within_the_promised_time_nothing_is_forgotten(make_service, clock):
    harness = make_service(clock=clock, settings=quick_settings(kept_jobs=1))
    jobs = [harness.submit(OK) for _ in range(3)]
    for job_id in jobs:
        harness.service.cancel(OWNER, job_id)
    settle(harness, clock, DAY_S / 2)
    assert known(harness, *jobs) == [True] * 3
    settle(harness, clock, DAY_S / 2)
    assert known(harness, *jobs) == [False, False, True]


def test_h5_a_result_that_nobody_has_fetched_is_the_last_to_go(make_service, clock):
    harness = make_service(clock=clock, settings=quick_settings(kept_jobs=1, kept_hours=24))
    unfetched, fetched = harness.submit(OK), harness.submit(result(harness, 1))
    harness.ended(unfetched, fetched)
    fetch(harness, fetched)
    cancelled = harness.submit(OK)
    harness.service.cancel(OWNER, cancelled)
    settle(harness, clock, DAY_S)
    assert known(harness, unfetched, fetched, cancelled) == [True, False, False]


def test_h5_everything_goes_when_it_is_old(make_service, clock):
    harness = make_service(clock=clock, settings=quick_settings(retention_days=2))
    job_id = harness.submit(OK)
    harness.ended(job_id)
    settle(harness, clock, 2 * DAY_S)
    assert known(harness, job_id) == [False]
    assert harness.service.blobs.used_bytes == sum(
        blob.size for blob in (harness.blob(b"mask"), harness.job(OK).color)
    )


def test_h5_j16_time_is_that_of_the_servers_not_of_the_wall(make_service, clock):
    first = make_service(clock=clock)
    job_id = first.submit(OK)
    first.ended(job_id)
    clock.now_s += 1000
    first.service.close()
    later = FakeClock()
    later.now_s = 50.0  # another machine's, or after a restart of it
    second = make_service(clock=later)
    assert 1000 <= second.service.journal.now_s() < 1100
    assert known(second, job_id) == [True]


def test_h5_results_make_room_only_after_the_promised_time_and_the_unfetched_last(
    make_service, clock
):
    settings = quick_settings(store_gib=5000 / GIB, client_share=1, upload_share=1)
    harness = make_service(clock=clock, settings=settings)
    unfetched, fetched = (harness.submit(result(harness, n, 1800)) for n in range(2))
    harness.ended(unfetched, fetched)
    fetch(harness, fetched)
    with pytest.raises(DiskFull):
        harness.service.blobs.reserve("new", 3000)
    settle(harness, clock, DAY_S)
    harness.service.blobs.reserve("new", 3000)
    harness.service.blobs.release("new")
    settle(harness, clock)
    assert known(harness, unfetched, fetched) == [True, False]
    harness.service.blobs.reserve("new", 4500)
    harness.service.blobs.release("new")
    settle(harness, clock)
    assert known(harness, unfetched) == [False]


def test_h5_too_many_kept_jobs_are_busy_in_words(make_service):
    harness = make_service(settings=quick_settings(kept_jobs_most=2))
    jobs = [harness.submit(OK) for _ in range(2)]
    for job_id in jobs:
        harness.service.cancel(OWNER, job_id)
    with pytest.raises(Busy, match="release some") as refusal:
        harness.submit(OK)
    assert refusal.value.facts == {"kept": "2", "limit": "2"}
    harness.submit(OK, owner="ben")
    harness.service.release(OWNER, jobs[0])
    harness.submit(OK)


def test_h5_what_is_kept_stands_in_the_status(harness):
    job_id = harness.submit(OK)
    harness.service.cancel(OWNER, job_id)
    assert harness.service.status().kept == 1


def test_h6_one_client_cannot_fill_the_queue_of_the_others(make_service):
    harness = make_service(0, settings=quick_settings(queued_jobs=3, queued_jobs_in_all=5))
    for _ in range(3):
        harness.submit(OK, owner="mallory")
    with pytest.raises(Busy, match="3 jobs of yours wait, the limit is 3"):
        harness.submit(OK, owner="mallory")
    for _ in range(2):
        harness.submit(OK)
    with pytest.raises(Busy, match="5 jobs wait, the limit is 5"):
        harness.submit(OK)


def test_h6_clients_take_turns_also_after_a_restart(make_service):
    harness = make_service(0)
    order = ["mallory"] * 4 + ["anna", "anna", "ben"]
    jobs = [(owner, harness.submit(OK, owner=owner)) for owner in order]
    turns = []
    for number in range(len(jobs)):
        if number == 3:
            harness.service.close()
            harness = make_service(0)
        entry = harness.service.journal.next_queued()
        turns.append((entry.owner, entry.info.job_id))
        harness.service.journal.advance(entry.info.job_id, JobState.QUEUED, JobState.RUNNING)
        harness.service.journal.advance(entry.info.job_id, JobState.RUNNING, JobState.DONE)
    wanted = ["mallory", "anna", "ben", "mallory", "anna", "mallory", "mallory"]
    assert [owner for owner, _ in turns] == wanted
    for owner in ("mallory", "anna"):
        assert [job for who, job in turns if who == owner] == [j for w, j in jobs if w == owner]


def test_h6_a_job_that_makes_too_much_is_refused_with_the_numbers(make_service):
    harness = make_service(0, settings=quick_settings(job_pixels=64 * 64 * 10))
    blob = harness.blob(b"x")
    source = Source(blob, "a.mp4", DepthFiles([blob]), num_frames=10, width=64, height=64)
    path = TrajectoryArrays(10, 64, 64, b"", b"")
    engine = EngineSettings(width=64, height=64)
    harness.service.submit(OWNER, "fits", Shot(source, path, settings=engine))
    wide = Source(blob, "a.mp4", DepthFiles([blob]), num_frames=11, width=64, height=64)
    long = TrajectoryArrays(11, 64, 64, b"", b"")
    tall = EngineSettings(width=64, height=80)
    for field, job in (
        ("source", Reconstruct(wide)),
        ("trajectory", Shot(source, long)),
        ("settings", Shot(source, path, settings=tall)),
        ("settings", Generate(blob, blob, settings=EngineSettings(width=8192, height=8192))),
    ):
        with pytest.raises(InvalidArgument, match="pixels") as refusal:
            harness.service.submit(OWNER, field, job)
        assert refusal.value.facts["field"] == field
        assert refusal.value.facts["limit"] == str(64 * 64 * 10)


def test_h14_another_clients_file_is_no_input(harness):
    job = harness.job(OK, owner="anna")
    with pytest.raises(UnknownBlob):
        harness.service.submit("mallory", "key", job)


def test_h14_a_release_removes_results_that_nobody_else_may_use(harness):
    mine, hers = harness.submit(OK), harness.submit(OK, ("result", "b", "x"), owner="mallory")
    harness.ended(mine, hers)
    shared, own = (harness.info(hers).results[name] for name in ("out.txt", "b"))
    harness.service.release("mallory", hers)
    harness.synced()
    assert not harness.service.blobs.has(own)
    assert harness.text_of(shared) == "fine"
    harness.service.release(OWNER, mine)
    harness.synced()
    assert not harness.service.blobs.has(shared)
    with pytest.raises(UnknownJob):
        harness.service.get(OWNER, mine)


def test_h14_a_released_result_that_a_job_reads_stays_until_that_has_ended(harness, gate):
    first = harness.submit(("result", "steps", f'[["gate", "{gate}"]]'))
    harness.ended(first)
    steps = harness.info(first).results["steps"]
    job = Generate(steps, harness.blob(b"mask"))  # a result is an input without being sent
    second = harness.service.submit(OWNER, "second", job)[0].job_id
    harness.service.release(OWNER, first)
    harness.reaches(second, "gate")
    assert harness.service.blobs.has(steps)
    gate.touch()
    harness.ended(second)
    assert not harness.service.blobs.has(steps)
