"""A client that sends and gets one file again and again: python -m tests.perf.bulk_client WHAT
FOLDER ENDPOINT [SERVER_KEY]. WHAT is up, down or both. For each line of its input it says the
seconds, up before down."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from protocol.client import Client
from protocol.keys import load_key_pair
from protocol.wire import Address

__all__ = ["FILE_BYTES"]

FILE_BYTES = 128 << 20


def main() -> None:
    what, folder, endpoint, *server_key = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    keys = load_key_pair(folder, "client") if server_key else None
    block = os.urandom(FILE_BYTES)
    source, target = (folder / f"{name} {os.getpid()}" for name in ("source", "target"))
    with Client(Address(endpoint, *server_key, keys)) as client:
        source.write_bytes(block)
        blob = client.upload(source) if what == "down" else None
        for number, _ in enumerate(sys.stdin):
            seconds = []
            if what != "down":
                source.write_bytes(number.to_bytes(8, "little") + block[8:])
                began_s = time.perf_counter()
                blob = client.upload(source)
                seconds.append(time.perf_counter() - began_s)
            if what != "up":
                began_s = time.perf_counter()
                client.download(blob, target)
                seconds.append(time.perf_counter() - began_s)
            print(*seconds, flush=True)


if __name__ == "__main__":
    main()
