"""The messages of the control socket but those about events. `hello`, `welcome` and `failure` go
over the data socket, too."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated

from msgspec import Meta, field

from .jobs import Job, JobInfo
from .parts import (
    Bytes,
    Capabilities,
    EngineInfo,
    EstimatorInfo,
    Extra,
    Facts,
    Hex,
    Id,
    Limits,
    Message,
    Name,
    Number,
    Text,
    Version,
    WorkerInfo,
)

__all__ = [
    "Accepted",
    "Cancel",
    "Failure",
    "GetJob",
    "GetJobs",
    "GetStatus",
    "Hello",
    "JobList",
    "OneJob",
    "Ping",
    "Pong",
    "Release",
    "Resume",
    "Status",
    "Submit",
    "Welcome",
]


class Hello(Message, frozen=True, tag="hello"):
    """Opens a connection; the first message on each socket."""

    id: Number
    major: Version
    minor: Version
    client_id: Hex  # made once by each client; the same after a reconnect
    client_name: Name
    client_version: Name
    connection: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?\Z")] = ""  # data socket only
    capabilities: Capabilities = field(default_factory=list)
    extra: Extra = field(default_factory=dict)


class Welcome(Message, frozen=True, tag="welcome"):
    """Answers `hello`."""

    reply_to: Number
    major: Version
    minor: Version
    server_name: Name
    server_version: Name
    connection: Hex
    data_port: Annotated[int, Meta(ge=1, le=65_535)]
    limits: Limits
    capabilities: Capabilities = field(default_factory=list)
    engines: Annotated[list[EngineInfo], Meta(max_length=32)] = field(default_factory=list)
    # the first is what to take when the artist does not choose
    estimators: Annotated[list[EstimatorInfo], Meta(max_length=32)] = field(default_factory=list)
    extra: Extra = field(default_factory=dict)


class Failure(Message, frozen=True, tag="failure"):
    """Answers any request that was refused or went wrong."""

    reply_to: Number  # 0: the request's id could not be read
    code: Name
    text: Text
    facts: Facts = field(default_factory=dict)


class Ping(Message, frozen=True, tag="ping"):
    """Asks whether the server's program answers."""

    id: Number


class Pong(Message, frozen=True, tag="pong"):
    """Answers `ping`."""

    reply_to: Number


class GetStatus(Message, frozen=True, tag="get_status"):
    """Asks how the server is."""

    id: Number


class Status(Message, frozen=True, tag="status"):
    """How the server is."""

    reply_to: Number
    uptime_s: Annotated[float, Meta(ge=0)]
    queued: Number
    running: Number
    transfers: Number  # uploads that are open
    connections: Number
    stored_bytes: Bytes
    free_bytes: Bytes
    encrypted: bool
    accepting: bool = True  # false while the server shuts down
    text: Text = ""  # what is wrong with it, as a sentence
    workers: Annotated[list[WorkerInfo], Meta(max_length=256)] = field(default_factory=list)


class Submit(Message, frozen=True, tag="submit"):
    """Asks for a job. The same key with the same job again gives the same job."""

    id: Number
    key: Id
    job: Job
    label: Name = ""


class Accepted(Message, frozen=True, tag="accepted"):
    """The job is in the journal."""

    reply_to: Number
    info: JobInfo
    again: bool = False  # the key was known


class Cancel(Message, frozen=True, tag="cancel"):
    """Asks that a job stop; a finished one stays finished. Answered by `job`."""

    id: Number
    job_id: Id


class Resume(Message, frozen=True, tag="resume"):
    """Asks that an interrupted job run again; any other stays as it is. Answered by `job`."""

    id: Number
    job_id: Id


class GetJob(Message, frozen=True, tag="get_job"):
    """Asks for one job. Answered by `job`."""

    id: Number
    job_id: Id


class Release(Message, frozen=True, tag="release"):
    """Says that a finished job's results are no longer wanted. Answered by `job`."""

    id: Number
    job_id: Id


class OneJob(Message, frozen=True, tag="job"):
    """One job as it is now."""

    reply_to: Number
    info: JobInfo


class GetJobs(Message, frozen=True, tag="get_jobs"):
    """Asks for this client's jobs, oldest first, those after one that is known."""

    id: Number
    after: Name = ""  # job_id; none: from the beginning


class JobList(Message, frozen=True, tag="jobs"):
    """Some jobs, oldest first."""

    reply_to: Number
    jobs: Annotated[list[JobInfo], Meta(max_length=200)]
    more: bool = False  # ask again, after the last of these
