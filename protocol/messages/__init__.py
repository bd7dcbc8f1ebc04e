"""Every message, as a frozen struct. On the wire: a msgpack map whose `type` names the struct.

Control messages go over the control socket, data messages over the data socket, `hello`,
`welcome` and `failure` over both. A request has an `id`, its reply has it as `reply_to`.
"""

from typing import get_args

from .control import (
    Accepted,
    Cancel,
    Failure,
    GetJob,
    GetJobs,
    GetStatus,
    Hello,
    JobList,
    OneJob,
    Ping,
    Pong,
    Release,
    Resume,
    Status,
    Submit,
    Welcome,
)
from .data import (
    AskBlobs,
    BeginUpload,
    Chunk,
    ChunkAck,
    ChunkAgain,
    Fetch,
    FinishUpload,
    Lacking,
    Stored,
    UploadReady,
)
from .events import Attach, Attached, Event, Preview
from .parts import EngineInfo, EstimatorInfo, Held, Limits, Message, WorkerInfo

__all__ = [
    "CONTROL_MESSAGES",
    "DATA_MESSAGES",
    "Accepted",
    "AskBlobs",
    "Attach",
    "Attached",
    "BeginUpload",
    "Cancel",
    "Chunk",
    "ChunkAck",
    "ChunkAgain",
    "ControlMessage",
    "DataMessage",
    "EngineInfo",
    "EstimatorInfo",
    "Event",
    "Failure",
    "Fetch",
    "FinishUpload",
    "GetJob",
    "GetJobs",
    "GetStatus",
    "Held",
    "Hello",
    "JobList",
    "Lacking",
    "Limits",
    "Message",
    "OneJob",
    "Ping",
    "Pong",
    "Preview",
    "Release",
    "Resume",
    "Status",
    "Stored",
    "Submit",
    "UploadReady",
    "Welcome",
    "WorkerInfo",
]

ControlMessage = (
    Hello
    | Welcome
    | Failure
    | Ping
    | Pong
    | GetStatus
    | Status
    | Submit
    | Accepted
    | Cancel
    | Resume
    | GetJob
    | Release
    | OneJob
    | GetJobs
    | JobList
    | Attach
    | Attached
    | Event
    | Preview
)
DataMessage = (
    Hello
    | Welcome
    | Failure
    | AskBlobs
    | Lacking
    | BeginUpload
    | UploadReady
    | Chunk
    | ChunkAck
    | ChunkAgain
    | FinishUpload
    | Stored
    | Fetch
)
CONTROL_MESSAGES: tuple[type[Message], ...] = get_args(ControlMessage)
DATA_MESSAGES: tuple[type[Message], ...] = get_args(DataMessage)
