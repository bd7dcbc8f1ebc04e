"""A server whose disk, journal or folders fail under it, and clients that want more than their
share of it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import time
from contextlib import closing

import numpy as np
import psutil
import pytest

from protocol import codec
from protocol import messages as m
from protocol.errors import Busy, UnknownBlob, UnknownJob
from protocol.messages.jobs import (
    BlobId,
    DepthFiles,
    Generate,
    JobState,
    Shot,
    Source,
    TrajectoryArrays,
)
from protocol.transfer import blob_of

from .rig import MIB, OK, REAL_SERVER, until

GATE_S = 2.0  # a ping that takes longer was not answered "all the time"


def settings(**values) -> list[str]:
    return ["--settings", json.dumps(values)]


def stored(rig, blob):
    return rig.data / "blobs" / blob.sha256[:2] / blob.sha256[2:]


def damage(path) -> None:
    """Turn a byte over, as a disk does."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def long_path(n_frames: int = 4000) -> TrajectoryArrays:
    """A camera path of 640 kB."""
    extrinsics = np.tile(np.eye(4), (n_frames, 1, 1)).astype("<f8").tobytes()
    intrinsics = np.tile([60.0, 60, 32, 18], (n_frames, 1)).astype("<f8").tobytes()
    return TrajectoryArrays(n_frames, 64, 36, extrinsics, intrinsics)


@pytest.fixture
def pair(make_rig):
    """A rig, and two clients with keys of their own."""
    rig = make_rig(encrypted=True)
    rig.start()
    with rig.client("anna") as anna, rig.client("ben") as ben:
        yield rig, anna, ben


def test_h8_a_locked_journal_keeps_nobody_waiting_and_loses_nothing(rig, client):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "gate")
    job = rig.job(client, OK)
    with closing(sqlite3.connect(rig.data / "journal.sqlite", isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        rig.gate.touch()
        slowest_s, ends_s = 0.0, time.monotonic() + 3
        while time.monotonic() < ends_s:
            began_s = time.monotonic()
            client.status()
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        with pytest.raises(Busy, match="another program"):
            client.submit(job, key="while it is locked")
        assert client.job(info.job_id).state is JobState.RUNNING
        shell.execute("ROLLBACK")
    assert slowest_s < GATE_S
    assert rig.ended(client, info.job_id).state is JobState.DONE
    rig.acknowledged.add(client.submit(job, key="while it is locked").job_id)


@pytest.mark.parametrize("folder", ["scratch", "staging", "blobs"])
def test_h8_a_removed_folder_costs_at_most_the_job_that_runs(rig, client, folder):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "gate")
    shutil.rmtree(rig.data / folder)
    rig.gate.touch()
    rig.ended(client, info.job_id)
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE


def test_h8_a_lost_data_folder_ends_the_server_and_it_says_so(rig, client):
    info = rig.submit(client, OK)
    rig.ended(client, info.job_id)
    job = rig.job(client, OK)
    rig.data.rename(rig.root / "elsewhere")
    with pytest.raises(Busy, match="gone"):
        client.submit(job, key="into nothing")
    assert rig.server.wait() == 1
    assert any("the data folder" in line and "is gone" in line for line in rig.server.log)
    shutil.rmtree(rig.data, ignore_errors=True)
    (rig.root / "elsewhere").rename(rig.data)


def test_h3_a_finished_result_is_kept_while_no_descriptor_is_free(rig, client):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "gate")
    process = psutil.Process(rig.server.process.pid)
    usual = process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (8, usual[1]))  # it holds all of these from its start
    rig.gate.touch()

    def log(_=None) -> list[str]:
        client.job(info.job_id)
        return rig.server.log

    until(log, lambda lines: any("Too many open files" in line for line in lines))
    process.rlimit(resource.RLIMIT_NOFILE, usual)
    assert rig.ended(client, info.job_id).state is JobState.DONE


@pytest.mark.parametrize("is_restarted", [False, True])
def test_h9_a_damaged_file_fails_its_job_in_words_and_can_be_sent_again(rig, is_restarted):
    steps, mask = rig.file(rig.steps(OK)), rig.file(b"mask")
    with rig.client() as client:
        job = Generate(client.upload(steps), client.upload(mask))
        damage(stored(rig, job.color))
    if is_restarted:
        rig.server.end(signal.SIGTERM)
        rig.start(warm=False)
    with rig.client() as client:
        failed = client.submit(job, key="damaged")
        rig.acknowledged.add(failed.job_id)
        failed = rig.ended(client, failed.job_id)
        assert (failed.state, failed.error_code) == (JobState.FAILED, "damaged_input")
        assert "send it again" in failed.error_text
        with pytest.raises(UnknownBlob):
            client.submit(job, key="still damaged")
        assert client.upload(steps) == job.color
        again = client.submit(job, key="mended")
        rig.acknowledged.add(again.job_id)
        assert rig.ended(client, again.job_id).state is JobState.DONE
    assert len(list((rig.data / "damaged").iterdir())) == 1


def test_h9_a_file_that_is_cut_or_gone_is_lacking(rig, client):
    cut, gone = rig.file(os.urandom(1000)), rig.file(os.urandom(1000))
    blobs = [client.upload(path) for path in (cut, gone)]
    os.truncate(stored(rig, blobs[0]), 500)
    stored(rig, blobs[1]).unlink()
    for path, blob in zip((cut, gone), blobs, strict=True):
        with pytest.raises(UnknownBlob):
            client.download(blob, rig.root / "back")
        assert client.upload(path) == blob
        assert blob_of(client.download(blob, rig.root / "back")) == blob


def test_h14_a_client_has_what_it_sent_or_was_given_and_nothing_else(pair):
    rig, anna, ben = pair
    info = rig.submit(anna, OK)
    result = rig.ended(anna, info.job_id).results["out.txt"]
    sent = anna.upload(rig.file(b"annas clip"))
    for _ in range(2):
        for blob in (result, sent):
            assert anna.download(blob, rig.root / "x")
            with pytest.raises(UnknownBlob):
                ben.download(blob, rig.root / "x")
            with pytest.raises(UnknownBlob):
                ben.submit(Generate(blob, blob), key="with another's file")
        rig.server.end(signal.SIGTERM)
        rig.start(warm=False)
    assert ben.upload(rig.file(b"annas clip")) == sent
    assert ben.download(sent, rig.root / "x").read_bytes() == b"annas clip"


def test_h14_release_deletes_the_results(rig, client):
    info = rig.ended(client, rig.submit(client, OK).job_id)
    result = info.results["out.txt"]
    client.release(info.job_id)
    rig.acknowledged.discard(info.job_id)
    assert not stored(rig, result).exists()
    with pytest.raises(UnknownBlob):
        client.download(result, rig.root / "x")


def test_h4_an_upload_that_never_fits_costs_nobody_a_file(rig, client, data_peer):
    clip = client.upload(rig.file(os.urandom(MIB)))
    part = rig.data / "staging" / f"{'e' * 64}-9-{'0' * 16}.part"
    part.write_bytes(b"half")
    begin = m.BeginUpload(7, BlobId("0" * 64, 1 << 44))
    assert data_peer.data(*codec.encode_data(begin)).code in {"disk_full", "too_large"}
    assert part.exists()
    assert blob_of(client.download(clip, rig.root / "x")) == clip


def test_h5_cancelled_jobs_of_one_client_do_not_push_out_anothers(make_rig):
    rig = make_rig(encrypted=True)
    rig.start(*settings(kept_jobs=5), warm=False)
    with rig.client("anna") as anna, rig.client("ben") as ben:
        mine = rig.ended(anna, rig.submit(anna, OK).job_id)
        job = rig.job(ben, ("gate", str(rig.gate)))
        for number in range(20):
            info = ben.submit(job, key=f"{number}")
            ben.cancel(info.job_id)
        assert anna.job(mine.job_id).state is JobState.DONE
        assert anna.download(mine.results["out.txt"], rig.root / "x").read_text() == "fine"
        assert len(ben.jobs()) == 20  # within the 24 h that SPEC.md promises
        with pytest.raises(UnknownJob):
            ben.job(mine.job_id)


def test_h6_a_client_with_a_full_queue_is_busy_and_another_has_its_turn_next(make_rig):
    rig = make_rig(encrypted=True)
    rig.start(*settings(queued_jobs=4), warm=False)
    with rig.client("anna") as anna, rig.client("ben") as ben:
        first = rig.submit(ben, ("gate", str(rig.gate)), OK)
        rig.reaches(ben, first.job_id, "gate")
        waiting = [rig.submit(ben, OK) for _ in range(4)]
        with pytest.raises(Busy, match="4 jobs of yours wait, the limit is 4") as refusal:
            rig.submit(ben, OK)
        assert refusal.value.facts == {"queued": "4", "limit": "4"}
        mine = rig.submit(anna, OK)
        rig.gate.touch()
        for info in [mine, *waiting]:
            client = anna if info is mine else ben
            assert rig.ended(client, info.job_id).state is JobState.DONE
    began = [line.split()[1] for line in rig.run_lines() if line.startswith("began")]
    assert began.index(mine.job_id) == 1


def test_h13_bodies_of_jobs_are_not_held_in_memory(make_rig):
    rig = make_rig()
    rig.start(*settings(queued_jobs=1000))
    with rig.client() as client:
        running = rig.submit(client, ("gate", str(rig.gate)), OK)
        rig.reaches(client, running.job_id, "gate")
        before = psutil.Process(rig.server.process.pid).memory_info().rss
        blob = rig.job(client, OK).color
        source = Source(blob, "clip.mp4", DepthFiles([blob]))
        for number in range(100):
            info = client.submit(Shot(source, long_path(), seed=number), key=f"big {number}")
            rig.acknowledged.add(info.job_id)
        grown = psutil.Process(rig.server.process.pid).memory_info().rss - before
        assert grown < 40 * MIB, grown
        for info in client.jobs():
            if info.state is JobState.QUEUED:
                client.cancel(info.job_id)
        rig.gate.touch()
        rig.ended(client, running.job_id)

        def size_of_journal(_=None) -> int:
            client.status()  # a client that is silent for long may be given up
            return sum(path.stat().st_size for path in rig.data.glob("journal*"))

        until(size_of_journal, lambda size: size < 20 * MIB)


def test_h16_a_hangup_is_a_graceful_stop(make_rig):
    rig = make_rig()
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup a child ignores it
    try:
        rig.start(command=REAL_SERVER, warm=False)
    finally:
        signal.signal(signal.SIGHUP, ours)
    assert rig.server.end(signal.SIGHUP) == 0
    assert any("stopping" in line for line in rig.server.log)
