"""A client and a server in networks of their own, with a router between that can be made bad.

    client 10.79.1.2 --- 10.79.1.1 router 10.79.2.1 --- 10.79.2.2 server

Needs Linux and root; `why_not` says what is missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.faults.server_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SERVER_HOST", "Networks", "server_inside", "why_not"]

SERVER_HOST = "10.79.2.2"
_CLONE_NEWNET = 0x4000_0000
_INSIDE = """
import ctypes, os, runpy, sys
if ctypes.CDLL(None, use_errno=True).setns(os.open("/run/netns/{name}", os.O_RDONLY), 0x40000000):
    raise OSError(ctypes.get_errno(), "setns")
sys.argv[1:1] = ["serve"]
runpy.run_module("ex4d", run_name="__main__", alter_sys=True)
"""
_TIMEOUT_S = 20


def why_not() -> str:
    """Why this computer cannot make networks; nothing if it can."""
    if not shutil.which("ip"):
        return "the command ip is not installed"
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root can make network namespaces"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no TUN device"
    try:
        with Networks():
            return ""
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


def server_inside(networks: Networks) -> tuple[str, str]:
    """The command of an `ex4d serve` in the server's network."""
    return "-c", _INSIDE.format(name=networks.name("server"))


class Networks:
    """Use as a context manager. What the threads of `client` and `server` do happens in those
    networks, also on the sockets and libzmq's threads that they make."""

    def __init__(self) -> None:
        self._prefix = f"ex4d{os.getpid()}"
        self._endings = contextlib.ExitStack()

    def name(self, which: str) -> str:
        """Of a namespace."""
        return f"{self._prefix}{which}"

    def __enter__(self) -> Self:
        with self._endings:
            for which in ("client", "router", "server"):
                _run("ip", "netns", "add", self.name(which))
                self._endings.callback(_run, "ip", "netns", "delete", self.name(which))
                self.inside(which, "ip link set lo up")
            self._join("client", "10.79.1.2", "10.79.1.1")
            self._join("server", SERVER_HOST, "10.79.2.1")
            # It forwards, also what comes back from a slow link with another's address.
            for setting in ("ip_forward", "conf/all/rp_filter", "conf/default/rp_filter"):
                value = f"echo {int(setting == 'ip_forward')} > /proc/sys/net/ipv4/{setting}"
                _run("ip", "netns", "exec", self.name("router"), "sh", "-c", value)
            self.client = self._thread("client")
            self.server = self._thread("server")
            self._endings = self._endings.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._endings.close()

    def inside(self, which: str, command: str) -> str:
        """Run a command in a network; what it prints."""
        return _run("ip", "netns", "exec", self.name(which), *command.split())

    def cut(self) -> None:
        """Take out the cable between router and server."""
        self.inside("router", "ip link set server down")

    def mend(self) -> None:
        """Put it in again."""
        self.inside("router", "ip link set server up")

    def delay_and_lose(self, seconds: float, share: float) -> None:
        """Delay every packet, half of it each way, and lose this share of the round trips'."""
        command = ["ip", "netns", "exec", self.name("router"), sys.executable]
        link = subprocess.Popen(
            [*command, "-m", "tests.trials.slow_link", "slow", str(seconds / 2), str(share / 2)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._endings.callback(_end, link)
        assert link.stdout is not None
        assert link.stdout.readline() == "ready\n", "the slow link could not be made"
        for leg in ("client", "server"):  # all goes through it, and from it as before
            self.inside("router", f"ip rule add dev {leg} lookup 10")
        self.inside("router", "ip route add default dev slow table 10")

    def forget(self, server_pid: int, ports: tuple[int, int]) -> int:
        """Drop all packets of the connections that there are, in silence, as a NAT does whose table
        was emptied; new ones are let through. How many there were."""
        clients = _remote_ports(server_pid, ports)
        for port in clients:
            for end in ("sport", "dport"):
                rule = f"ip rule add ipproto tcp {end} {port} pref 5 blackhole"
                self.inside("router", rule)
        return len(clients)

    def _join(self, which: str, address: str, gateway: str) -> None:
        ends = self.name(which), self.name("router")
        pair = "ip link add wire netns {} type veth peer name {} netns {}"
        _run(*pair.format(ends[0], which, ends[1]).split())
        self.inside(which, f"ip addr add {address}/24 dev wire")
        self.inside("router", f"ip addr add {gateway}/24 dev {which}")
        self.inside(which, "ip link set wire up")
        self.inside("router", f"ip link set {which} up")
        self.inside(which, f"ip route add default via {gateway}")

    def _thread(self, which: str) -> Callable[..., Any]:
        """A function that runs others in a thread inside a network, and returns their result."""
        path = f"/run/netns/{self.name(which)}"
        pool = ThreadPoolExecutor(1, which, initializer=_enter, initargs=(path,))
        self._endings.callback(pool.shutdown)
        return lambda work, *given: pool.submit(work, *given)


def _enter(path: str) -> None:
    with open(path, "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def _end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    return done.stdout


def _remote_ports(pid: int, local: tuple[int, int]) -> set[int]:
    """The other ends' ports of a network's established connections to these ports."""
    ports = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *_ = line.split()
        if state == "01" and int(here.rpartition(":")[2], 16) in local:
            ports.add(int(there.rpartition(":")[2], 16))
    return ports
