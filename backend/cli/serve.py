"""serve: the server that does the jobs of Blender and of scripts"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import zmq
from msgspec import structs

from backend.cli.link import as_command_errors
from backend.devices import local_devices
from backend.errors import FolderLost, StartError
from backend.executors.local import LocalExecutor
from backend.journal.file import JOURNAL_NAMES
from backend.log import log_to
from backend.offers import engines_of, estimators_of, extra_of
from backend.server import Server
from backend.service import JobService
from backend.settings import ServerSettings
from backend.settings_text import as_toml, descriptions, read_settings, takes_many
from backend.text import hide_folder
from ex4d.cli.console import tell
from ex4d.errors import Ex4dError, OutputError, UsageError
from ex4d.raster.choose import check_rasterizer
from ex4d.version import __version__
from protocol.errors import ProtocolError
from protocol.keys import load_key_pair
from protocol.server import AuthorisedClients, SocketSettings, check_bind

if TYPE_CHECKING:
    import argparse

    from protocol.keys import KeyPair

__all__ = ["add_arguments", "run"]


_OWN_FOLDERS = {"blobs", "damaged", "scratch", "staging"}  # in --data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags: one for each setting."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="settings as TOML; a flag beats the file")
    add("--show_config", action="store_true", help="print the settings as TOML, and start nothing")
    usual = ServerSettings()
    group = parser.add_argument_group("settings; a client is a key, without keys all are one")
    add = group.add_argument
    for name, text in descriptions().items():
        if takes_many(name):
            one = name.removesuffix("s")  # the flag of one entry; it may come again
            add(f"--{name}", f"--{one}", metavar="VALUE", action="append", help=text)
            continue
        value = getattr(usual, name)
        usual_value = "" if value is None else f" (default: {value})"
        add(f"--{name}", metavar="VALUE", help=f"{text}{usual_value}")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C, SIGTERM or a hangup; the second one kills what still runs."""
    settings = _settings(arguments)
    _check_bind(settings)
    if arguments.show_config:
        tell(as_toml(_with_whole_paths(settings)).rstrip())
        return 0
    _check(settings)
    keys, clients = _keys(settings.keys)
    hide_folder(settings.models_folder)
    handler = log_to(sys.stderr)
    sockets = SocketSettings(
        bind=settings.bind,
        server_name="EX-4D backend",
        server_version=__version__,
        capabilities=["reconstruct", "conditions", "generate", "shot"],
        engines=engines_of(settings.engine_options()),
        extra=extra_of(settings.engine_options()),
        estimators=estimators_of(settings.models_folder),
        keys=keys,
        authorised=AuthorisedClients(clients) if clients else dict,
        limits=settings.limits(),
    )
    try:
        with as_command_errors():
            server = _make_server(settings, sockets)
        signals = _signals()
        server.run(signals)
        for number in signals:  # it has ended well: another one changes nothing
            signal.signal(number, signal.SIG_IGN)
    except FolderLost as error:
        raise Ex4dError(f"the server has ended: {error} ({settings.data_dir})") from None
    finally:
        handler.close()
    return 0


def _settings(arguments: argparse.Namespace) -> ServerSettings:
    """What the file and the flags say. Raises InputError."""
    given = {name: getattr(arguments, name) for name in descriptions()}
    flags = {name: value for name, value in given.items() if value is not None}
    return read_settings(arguments.config, flags)


def _with_whole_paths(settings: ServerSettings) -> ServerSettings:
    """The same settings, wherever they are read again."""
    values = structs.asdict(settings).items()
    paths = {name: value.absolute() for name, value in values if isinstance(value, Path)}
    return structs.replace(settings, **paths)


def _check_bind(settings: ServerSettings) -> None:
    try:
        check_bind(settings.bind, encrypted=settings.keys is not None)
    except ProtocolError as error:
        raise UsageError(f"bind cannot be {settings.bind}: {error.text}") from None


def _check(settings: ServerSettings) -> None:
    """Raise what speaks against the settings on this machine, before anything is started."""
    _check_data_dir(settings.data_dir)
    check_rasterizer(settings.rasterizer)
    if settings.checkpoint is not None and not settings.checkpoint.is_file():
        raise UsageError(f"the checkpoint {settings.checkpoint} is no file")
    if settings.steps_lora is not None and not settings.steps_lora.is_file():
        raise UsageError(f"the step-distilled LoRA {settings.steps_lora} is no file")
    if settings.models is not None and settings.models.exists() and not settings.models.is_dir():
        raise UsageError(f"{settings.models}, where weights are to lie, is no folder")


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


def _make_server(settings: ServerSettings, sockets: SocketSettings) -> Server:
    try:
        devices = settings.devices or local_devices()
        executors = [LocalExecutor(device, settings) for device in devices]
        service = JobService(settings.data_dir, executors, settings)
    except (StartError, OSError) as error:
        raise OutputError(f"{settings.data_dir} cannot be used: {error}") from None
    try:
        return Server(service, sockets)
    except zmq.ZMQError as error:
        service.close()
        raise UsageError(f"{settings.bind} cannot be bound: {error}") from None
    except BaseException:
        service.close()
        raise


def _keys(folder: Path | None) -> tuple[KeyPair | None, Path | None]:
    if folder is None:
        return None, None
    with as_command_errors():
        return load_key_pair(folder, "server"), folder / "clients"
