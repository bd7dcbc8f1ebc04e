"""What the client commands share: flags, the connection, and errors as sentences."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import say
from ex4d.errors import Ex4dError, InputError
from ex4d.version import __version__
from protocol.client import Client
from protocol.errors import JobFailed, LinkError, ProtocolError
from protocol.keys import check_key, load_key_pair, read_public_key
from protocol.wire import Address

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from protocol.messages.jobs import BlobId, JobInfo

__all__ = [
    "add_link_arguments",
    "as_command_errors",
    "connected",
    "describe",
    "failed",
    "send_file",
]


class _LinkFailure(Ex4dError):
    """The server cannot be reached, or the job ended badly: nothing given was wrong."""

    code = "link"


@contextmanager
def as_command_errors() -> Iterator[None]:
    """Turn what goes wrong between client and server into the command line's errors."""
    try:
        yield
    except (LinkError, JobFailed) as error:
        raise _LinkFailure(error.text) from None
    except ProtocolError as error:
        raise InputError(error.text) from None
    except FileNotFoundError as error:
        raise InputError(f"there is no file {error.filename}") from None
    except FileExistsError as error:
        raise InputError(str(error)) from None
    except PermissionError as error:
        raise InputError(f"{error.filename} cannot be read: permission denied") from None


def add_link_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where the server is."""
    add = parser.add_argument
    add("--endpoint", default="tcp://127.0.0.1:5570", help="the server's tcp://HOST:PORT")
    add("--server_key", help="the server's public key, or the file that holds it")
    add("--keys", type=Path, help="folder with this computer's client.key and client.secret")


@contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[Client]:
    """Connect, and close at the end."""
    with as_command_errors():
        server_key, keys = None, None
        if arguments.server_key is not None:
            given = Path(arguments.server_key)
            if given.is_file():
                server_key = read_public_key(given, name=f"text in {given}")
            else:
                server_key = check_key(arguments.server_key, name="server key")
        if arguments.keys is not None:
            keys = load_key_pair(arguments.keys, "client")
        address = Address(arguments.endpoint, server_key, keys)
        with Client(address, name="ex4d command line", version=__version__) as client:
            yield client


def describe(info: JobInfo) -> str:
    """One line about a job."""
    progress = f" {info.stage} {info.done}/{info.total}" if info.total else ""
    error = f": {info.error_text.splitlines()[0]}" if info.error_text else ""
    label = f" {info.label}" if info.label else ""
    return f"{info.job_id}  {info.state:<11} {info.kind}{label}{progress}{error}"


def failed(info: JobInfo) -> JobFailed:
    """The error for a job that did not end well."""
    first = info.error_text.splitlines()[0] if info.error_text else "no reason was given"
    return JobFailed(f"the job {info.job_id} is {info.state}: {first}", job_id=info.job_id)


def send_file(client: Client, path: Path) -> BlobId:
    """Send a file, and say so."""
    blob = client.upload(path)
    say("sent", f"{path} ({blob.size / 1e6:.1f} MB)")
    return blob
