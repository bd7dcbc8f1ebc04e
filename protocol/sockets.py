"""The options that every socket of the protocol has, at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .limits import DEAD_S, HANDSHAKE_S

if TYPE_CHECKING:
    import zmq

__all__ = ["set_options"]

_IDLE_S = 10  # without a byte, until TCP asks whether the peer's computer is there
_INTERVAL_S = 5  # between two such questions
_QUESTIONS = 3  # T14: 10 + 3 * 5 s, which is within DEAD_S


def set_options(socket: zmq.Socket[Any], *, message_bytes: int, hwm: int) -> None:
    """Bound what a socket takes and keeps, let it close at once, and have TCP find dead peers.

    `message_bytes`: of one frame; `hwm`: messages of each peer, each way. ZMTP heartbeats stay
    off: libzmq ends the process when the timer of a peer fires that was reset while its queue was
    full (H1; libzmq#4364, #3937, #4767). A dead computer is found by TCP, which asks when nothing
    moves and gives up on bytes that nobody confirms; a program that hangs, by `pong`.
    """
    socket.linger = 0
    socket.maxmsgsize = message_bytes
    socket.set_hwm(hwm)
    socket.handshake_ivl = round(HANDSHAKE_S * 1000)
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = _IDLE_S
    socket.tcp_keepalive_intvl = _INTERVAL_S
    socket.tcp_keepalive_cnt = _QUESTIONS
    socket.tcp_maxrt = round((DEAD_S - _INTERVAL_S) * 1000)
