"""A client that sends and gets one file again and again: python -m tests.perf.bulk_client FOLDER
ENDPOINT [SERVER_KEY]. For each line of its input it says the seconds up and down."""

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
    folder, endpoint, *server_key = Path(sys.argv[1]), *sys.argv[2:]
    keys = load_key_pair(folder, "client") if server_key else None
    block = os.urandom(FILE_BYTES)
    source = folder / f"source {os.getpid()}"
    with Client(Address(endpoint, *server_key, keys)) as client:
        for number, _ in enumerate(sys.stdin):
            source.write_bytes(number.to_bytes(8, "little") + block[8:])
            began_s = time.perf_counter()
            blob = client.upload(source)
            between_s = time.perf_counter()
            client.download(blob, folder / f"target {os.getpid()}")
            print(between_s - began_s, time.perf_counter() - between_s, flush=True)


if __name__ == "__main__":
    main()
