"""Jobs that are right, and a few messages of every type."""

from __future__ import annotations

import msgspec
import numpy as np

from protocol import messages as m
from protocol.messages.jobs import (
    BlobId,
    Conditions,
    DepthFiles,
    JobInfo,
    JobState,
    Reconstruct,
    Shot,
    Source,
)
from protocol.trajectory import Trajectory, pack_trajectory

BLOB = BlobId("ab" * 32, 1234)
SOURCE = Source(clip=BLOB, clip_name="clip.mp4", depth=DepthFiles([BLOB]), num_frames=4)


def trajectory(n_frames: int = 4, **changes: object) -> Trajectory:
    intrinsics = np.tile(np.array([[500.0, 0, 256], [0, 500, 256], [0, 0, 1]]), (n_frames, 1, 1))
    fields = {
        "width": 512,
        "height": 512,
        "extrinsics": np.tile(np.eye(4), (n_frames, 1, 1)),
        "intrinsics": intrinsics,
    }
    return Trajectory(**(fields | changes))


def arrays(**changes: object):
    return pack_trajectory(trajectory(**changes))


def shot(**changes: object) -> Shot:
    return Shot(source=SOURCE, trajectory=arrays(**changes))


RECONSTRUCT = Reconstruct(source=SOURCE)
CONDITIONS = Conditions(source=SOURCE, trajectory=arrays())
INFO = JobInfo("job-1", "key", "shot", "A shot", JobState.RUNNING, sequence=3)
HELLO = m.Hello(1, 1, 0, "0" * 32, "test", "1")

CONTROL = [
    HELLO,
    m.Welcome(
        1, 1, 0, "server", "1", "0" * 32, 5571, m.Limits(), ["shot"], [m.EngineInfo("a", "A")]
    ),
    m.Failure(1, "busy", "The queue is full.", {"limit": "3"}),
    m.Ping(1),
    m.Pong(1),
    m.GetStatus(1),
    m.Status(1, 1.5, 1, 2, 3, 4, 5, 6, encrypted=True, workers=[m.WorkerInfo("w", "cuda:0")]),
    m.Submit(1, "key", shot(), "A shot"),
    m.Accepted(1, INFO),
    m.Cancel(1, "job-1"),
    m.Resume(1, "job-1"),
    m.GetJob(1, "job-1"),
    m.Release(1, "job-1"),
    m.OneJob(1, INFO),
    m.GetJobs(1),
    m.JobList(1, [INFO]),
    m.Attach(1, "job-1", 3),
    m.Attached(1, INFO),
    m.Event("job-1", 4, JobState.RUNNING, "raster", 3, 49),
    m.Preview("job-1", 832, 64, 13, b"\xff\xd8"),
]
DATA = [
    HELLO,
    CONTROL[1],
    m.Failure(1, "busy", "no"),
    m.AskBlobs(1, [BLOB]),
    m.Lacking(1, [m.Held(BLOB, 0)]),
    m.BeginUpload(1, BLOB),
    m.UploadReady(1, 0, 1 << 22),
    m.ChunkAck(1, 5, 1 << 22),
    m.ChunkAgain(1, 5, 10),
    m.FinishUpload(2, 1),
    m.Stored(1, BLOB),
    m.Fetch(1, BLOB, 0, 1234),
]


def as_map(message: msgspec.Struct) -> dict:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message))
