"""serve: the server that does the jobs of Blender and of scripts"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from backend.cli.link import as_command_errors
from backend.devices import local_devices
from backend.errors import FolderLost, StartError
from backend.executors.local import LocalExecutor
from backend.journal_file import JOURNAL_NAMES
from backend.log import log_to
from backend.server import Server
from backend.service import JobService
from backend.settings import ServiceSettings
from backend.text import without_folders
from ex4d.depth.estimators.catalogue import DEFAULT, ESTIMATORS
from ex4d.depth.estimators.ready import missing_packages, missing_weights
from ex4d.engines.choose import ENGINES, choose_engine
from ex4d.errors import Ex4dError, OutputError, UsageError
from ex4d.models_folder import default_folder
from ex4d.version import __version__
from protocol.keys import load_key_pair
from protocol.messages import EngineInfo, EstimatorInfo
from protocol.serving import AuthorisedClients, FrontSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.keys import KeyPair

__all__ = ["add_arguments", "run"]


_OWN_FOLDERS = {"blobs", "damaged", "scratch", "staging"}  # in --data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--bind", default="tcp://127.0.0.1:5570", help="tcp://HOST:PORT; data takes the next port")
    add("--data_dir", type=Path, default=Path("ex4d-data"), help="folder of jobs and files")
    each = "cpu, cuda:0, ...: a worker for it; may come again (default: every GPU, or cpu)"
    add("--device", action="append", help=each)
    add("--keys", type=Path, help="folder of `ex4d keys`; without it only this computer is served")
    _add_limits(parser.add_argument_group("limits; a client is a key, without keys all are one"))


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C, SIGTERM or a hangup; the second one kills what still runs."""
    _check_data_dir(arguments.data_dir)
    keys, clients = _keys(arguments.keys)
    limits = _limits(arguments)
    handler = log_to(sys.stderr)
    settings = FrontSettings(
        bind=arguments.bind,
        server_name="EX-4D backend",
        server_version=__version__,
        capabilities=["reconstruct", "conditions", "generate", "shot"],
        engines=_engines(),
        estimators=_estimators(),
        keys=keys,
        authorised=AuthorisedClients(clients) if clients else dict,
        limits=limits.limits(),
    )
    try:
        with as_command_errors():
            server = _make_server(arguments, settings, limits)
        signals = _signals()
        server.run(signals)
        for number in signals:  # it has ended well: another one changes nothing
            signal.signal(number, signal.SIG_IGN)
    except FolderLost as error:
        raise Ex4dError(f"the server has ended: {error} ({arguments.data_dir})") from None
    finally:
        handler.close()
    return 0


def _add_limits(group: argparse._ArgumentGroup) -> None:
    usual = ServiceSettings()
    add, whole = group.add_argument, _more_than_0(int, "a whole number")
    number = _more_than_0(float, "a number")
    gib = usual.quota_bytes >> 30
    add("--store_gib", type=number, default=gib, help=f"of all files, in GiB (default: {gib})")
    memory = (
        "memory of a worker, in GiB; a job that wants more fails (default: 3/4 of the machine's)"
    )
    add("--worker_gib", type=number, help=memory)
    hours = usual.kept_s / 3600
    kept = f"an ended job and its results, in hours at least (default: {hours:g})"
    add("--kept_hours", type=number, default=hours, help=kept)
    for name, what in (
        ("kept_jobs", "ended jobs of a client that are kept for longer, while there is room"),
        ("queued_jobs", "jobs of a client that wait"),
        ("open_uploads", "uploads of a client at once"),
        ("connections", "connections of a client"),
        ("job_pixels", "width x height x frames of what one job makes"),
    ):
        value = getattr(usual, name)
        add(f"--{name}", type=whole, default=value, help=f"{what} (default: {value})")


def _more_than_0(kind: Callable[[str], float], what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not 0 < value < 1 << 53:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} above 0")
        return value

    return parse


def _limits(arguments: argparse.Namespace) -> ServiceSettings:
    """The service's settings with what the flags say."""
    return ServiceSettings(
        quota_bytes=int(arguments.store_gib * (1 << 30)),
        kept_s=arguments.kept_hours * 3600,
        kept_jobs=arguments.kept_jobs,
        queued_jobs=arguments.queued_jobs,
        queue_limit=max(ServiceSettings.queue_limit, 2 * arguments.queued_jobs),
        open_uploads=arguments.open_uploads,
        connections=arguments.connections,
        job_pixels=arguments.job_pixels,
    )


def _signals() -> set[signal.Signals]:
    """What stops the server; a hangup does not where `nohup` has it ignored."""
    stopping = {signal.SIGINT, signal.SIGTERM}
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        stopping.add(hangup)
    return stopping


def _check_data_dir(folder: Path) -> None:
    """Raise UsageError for a folder of somebody's own: a server removes what it left in its own.
    Other things may lie there: keys, or `lost+found` of a disk."""
    names: set[str] = set()
    with suppress(OSError):  # it is not there yet, or is refused when it is used
        names = {path.name for path in folder.iterdir()}
    if names & _OWN_FOLDERS and not any(fnmatch(name, JOURNAL_NAMES) for name in names):
        raise UsageError(
            f"{folder} holds something else than a server's jobs: give another --data_dir"
        )


def _make_server(
    arguments: argparse.Namespace, settings: FrontSettings, limits: ServiceSettings
) -> Server:
    try:
        memory = None if arguments.worker_gib is None else int(arguments.worker_gib * (1 << 30))
        devices = arguments.device or local_devices()
        executors = [LocalExecutor(device, memory_bytes=memory) for device in devices]
        service = JobService(arguments.data_dir, executors, limits)
    except (StartError, OSError) as error:
        raise OutputError(f"{arguments.data_dir} cannot be used: {error}") from None
    try:
        return Server(service, settings)
    except zmq.ZMQError as error:
        service.close()
        raise UsageError(f"{arguments.bind} cannot be bound: {error}") from None
    except BaseException:
        service.close()
        raise


def _keys(folder: Path | None) -> tuple[KeyPair | None, Path | None]:
    if folder is None:
        return None, None
    with as_command_errors():
        return load_key_pair(folder, "server"), folder / "clients"


def _engines() -> list[EngineInfo]:
    """What this machine can generate with."""
    engines = []
    for name in ENGINES[1:]:
        try:
            engine, _ = choose_engine(name)
            engines.append(EngineInfo(name, engine.label))
        except Ex4dError as error:
            reason = without_folders(str(error))
            engines.append(EngineInfo(name, name, available=False, reason=reason))
    return engines


def _estimators() -> list[EstimatorInfo]:
    """What this machine can estimate depth with, the default first."""
    models = default_folder()
    entries = sorted(ESTIMATORS.values(), key=lambda entry: entry.name != DEFAULT)
    found = []
    for entry in entries:
        problem = missing_packages(entry)
        if not problem and missing_weights(entry, models):
            size_gib = sum(part.size_gib for part in entry.parts)
            note = f"fetched at its first use, {size_gib:g} GiB"
        else:
            note = without_folders(problem)
        found.append(
            EstimatorInfo(
                entry.name,
                entry.label,
                entry.gives,
                entry.licence,
                entry.is_commercial,
                available=not problem,
                reason=note,
            )
        )
    return found
