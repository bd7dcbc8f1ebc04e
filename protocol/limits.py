"""The numbers of the protocol. SPEC.md lists them; a test compares the two."""

from __future__ import annotations

__all__ = [
    "CHUNK_BYTES",
    "CHUNK_BYTES_LEAST",
    "CHUNK_BYTES_MOST",
    "CHUNK_TRIES",
    "CONTROL_BYTES",
    "CONTROL_HWM",
    "DATA_HEADER_BYTES",
    "DATA_HWM",
    "DEFAULT_PORT",
    "HEARTBEAT_IVL_MS",
    "HEARTBEAT_TIMEOUT_MS",
    "HEARTBEAT_TTL_MS",
    "INVALID_IN_A_ROW",
    "MAJOR",
    "MINOR",
    "OPEN_FETCHES",
    "PING_S",
    "PREVIEW_BYTES",
    "STALL_S",
    "UNRESPONSIVE_S",
    "WINDOW_BYTES_FIRST",
    "WINDOW_BYTES_MOST",
]

MAJOR = 1
MINOR = 0

DEFAULT_PORT = 5570  # control; data is one above

CONTROL_BYTES = 1 << 20
CONTROL_HWM = 64  # messages
PREVIEW_BYTES = 1 << 16  # a preview picture
DATA_HEADER_BYTES = 4096  # what a data message may have beside its chunk
CHUNK_BYTES = 1 << 20
CHUNK_BYTES_LEAST = 1 << 18
CHUNK_BYTES_MOST = 1 << 22
WINDOW_BYTES_FIRST = 4 << 20
WINDOW_BYTES_MOST = 32 << 20
DATA_HWM = 64  # messages: twice the widest window in chunks
CHUNK_TRIES = 3  # T4: a chunk damaged this often ends the transfer
OPEN_FETCHES = 128  # ranges that one peer may have asked for and not got yet
INVALID_IN_A_ROW = 20  # M1: then the peer is no longer listened to

HEARTBEAT_IVL_MS = 5_000
HEARTBEAT_TIMEOUT_MS = 25_000  # T14: IVL + TIMEOUT <= 30 s; 1 MiB then tolerates 42 kB/s
HEARTBEAT_TTL_MS = 30_000
PING_S = 5.0
UNRESPONSIVE_S = 15.0
STALL_S = 10.0  # a transfer without a byte for so long is tried again on a new connection
