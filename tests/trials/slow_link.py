"""A link that is late and loses packets: a TUN device whose packets come back out of it later, or
never. The kernel's netem does the same where it is built in; a TUN device is nearly everywhere.

    python -m tests.trials.slow_link NAME DELAY_S LOSS

makes the device NAME in its network, prints a line, and works until it is ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

import numpy as np

__all__ = ["main"]

_TUNSETIFF = 0x4004_54CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_LARGEST = 65_535


def main() -> None:
    name, delay_s, loss = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    subprocess.run(["ip", "link", "set", name, "up", "txqueuelen", "5000"], check=True)
    print("ready", flush=True)
    chance, under_way = np.random.default_rng(0), deque()
    while True:
        wait_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        if select.select([device], [], [], wait_s)[0]:
            packet = os.read(device, _LARGEST)
            if chance.random() >= loss:
                under_way.append((time.monotonic() + delay_s, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            os.write(device, under_way.popleft()[1])


if __name__ == "__main__":
    main()
