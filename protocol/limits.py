"""The numbers of the protocol. SPEC.md lists them; a test compares the two."""

from __future__ import annotations

__all__ = [
    "CHUNK_BYTES",
    "CHUNK_BYTES_MOST",
    "CHUNK_TRIES",
    "CONTROL_BYTES",
    "CONTROL_HWM",
    "DATA_HEADER_BYTES",
    "DATA_HWM",
    "DEAD_S",
    "DEFAULT_PORT",
    "GREET_S",
    "HANDSHAKE_S",
    "INVALID_IN_A_ROW",
    "LARGEST_SIDE_PX",
    "LEAST_SIDE_PX",
    "MAJOR",
    "MINOR",
    "NARROWEST_FOV_DEG",
    "OPEN_FETCHES",
    "PONG_S",
    "PREVIEW_BYTES",
    "STALL_S",
    "WIDEST_FOV_DEG",
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
CHUNK_BYTES_MOST = 1 << 22
WINDOW_BYTES_FIRST = 4 << 20
WINDOW_BYTES_MOST = 32 << 20
DATA_HWM = 64  # messages: twice the widest window in chunks
CHUNK_TRIES = 3  # T4: a chunk damaged this often ends the transfer
OPEN_FETCHES = 128  # ranges that one peer may have asked for and not got yet
INVALID_IN_A_ROW = 20  # M1: then the connection is closed

PONG_S = 2.0  # a server says so often, unasked, that it is there
DEAD_S = 30.0  # T14: a peer that was silent for so long is gone
HANDSHAKE_S = 10.0  # from the TCP connection to the end of ZMTP's handshake
GREET_S = 15.0  # from the TCP connection to hello
STALL_S = 10.0  # a transfer without a byte for so long is tried again on a new connection

LEAST_SIDE_PX, LARGEST_SIDE_PX = 16, 8192  # of a picture that is made
NARROWEST_FOV_DEG, WIDEST_FOV_DEG = 1, 175  # horizontal
