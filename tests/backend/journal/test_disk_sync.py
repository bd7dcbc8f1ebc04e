"""What is written gets safe in a thread of its own; what tells of it waits, and nothing else."""

from __future__ import annotations

import errno
import hashlib
import threading
import time

import pytest

from backend.errors import FolderLost
from backend.journal.disk_sync import _Disk
from backend.journal.journal import Journal
from protocol.client import Client
from protocol.messages.jobs import BlobId, DepthFiles, JobState, Reconstruct, Source
from tests.backend.conftest import OWNER, PATIENCE_S

OK = ("result", "out.txt", "fine")


class Disk:
    """The real one, which can be made to keep waiting, or to fail."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.error: OSError | None = None
        self.synced: list[list[str]] = []  # names of the folders, each time
        self.sync = _Disk.sync

    def wait_and_sync(self, disk, folders) -> None:
        assert self.answers.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        self.sync(disk, folders)
        self.synced.append([folder.name for folder in folders])


@pytest.fixture
def disk(monkeypatch) -> Disk:
    slow = Disk()
    monkeypatch.setattr(_Disk, "sync", lambda *given: slow.wait_and_sync(*given))
    return slow


@pytest.mark.alone
def test_h7_a_disk_that_keeps_waiting_holds_what_was_promised_and_nothing_else(
    disk, address, submit, tmp_path
):
    (tmp_path / "file").write_bytes(b"here by now")
    with Client(address) as client:
        held = client.upload(tmp_path / "file")
    disk.answers.clear()
    accepted, ended = threading.Event(), threading.Event()

    def hand_in() -> None:
        job_id = submit(OK)
        accepted.set()
        with Client(address) as client:
            for _ in client.attach(job_id, timeout_s=PATIENCE_S):
                pass
        ended.set()

    thread = threading.Thread(target=hand_in)
    thread.start()
    with Client(address) as client:
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            assert client.ping() < 0.5
        assert client.download(held, tmp_path / "back").read_bytes() == b"here by now"
    assert not accepted.is_set()
    disk.answers.set()
    assert accepted.wait(PATIENCE_S)
    assert ended.wait(PATIENCE_S)
    thread.join()


def test_h7_writes_share_a_sync(disk, harness):
    jobs = [harness.submit(OK) for _ in range(3)]
    harness.synced()
    disk.answers.clear()
    before = len(disk.synced)
    for job_id in jobs:
        harness.service.cancel(OWNER, job_id)
    disk.answers.set()
    harness.synced()
    assert len(disk.synced) - before <= 2


def test_j4_a_job_ends_when_the_names_of_its_results_are_safe(disk, harness):
    job_id = harness.submit(OK)
    harness.synced()
    service, disk.error = harness.service, OSError(errno.EMFILE, "no descriptor is free")
    harness.until(lambda: not service.status().workers[0].job_id and service.status().notices)
    assert harness.info(job_id).state is JobState.RUNNING
    assert "no descriptor is free" in service.status().notices[0]
    disk.error = None
    [info] = harness.ended(job_id)
    assert info.state is JobState.DONE
    blob = info.results["out.txt"]
    names = [folders for folders in disk.synced if blob.sha256[:2] in folders]
    assert names
    assert service.status().notices == ()


def test_j4_files_go_only_when_the_journal_is_safe_that_nobody_needs_them(disk, harness):
    job = harness.job(OK)
    job_id = harness.service.submit(OWNER, "key", job)[0].job_id
    [info] = harness.ended(job_id)
    disk.answers.clear()
    harness.service.release(OWNER, job_id)
    harness.service.step()
    assert harness.service.blobs.has(info.results["out.txt"])
    disk.answers.set()
    harness.synced()
    assert not harness.service.blobs.has(info.results["out.txt"])


def test_h8_a_disk_that_lost_what_was_written_ends_the_server(disk, harness):
    disk.error = OSError(errno.EIO, "the disk is broken")
    harness.submit(OK)
    with pytest.raises(FolderLost, match="lost what was written"):
        harness.until(lambda: False)
    disk.error = None


def test_a_log_that_has_grown_goes_into_the_database(tmp_path):
    journal = Journal(tmp_path)
    log = tmp_path / "journal.sqlite-wal"
    for number in range(80):
        blob = BlobId(hashlib.sha256(b"%d" % number).hexdigest(), 1)
        parts = [BlobId(hashlib.sha256(b"%d %d" % (number, k)).hexdigest(), 1) for k in range(300)]
        source = Source(blob, "a.mp4", DepthFiles(parts), num_frames=300, width=8, height=8)
        journal.add(f"key {number}", OWNER, Reconstruct(source))
        end_s = time.monotonic() + PATIENCE_S
        while journal.sync.safe < journal.sync.mark:
            assert time.monotonic() < end_s
            journal.sync.step()
            time.sleep(0.001)
    assert log.stat().st_size < 4 << 20
    assert (tmp_path / "journal.sqlite").stat().st_size > 5 << 20
    journal.close()
    journal.close()
    assert not log.exists()
