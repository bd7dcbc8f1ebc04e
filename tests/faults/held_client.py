"""A client whose interpreter is held, as a render or an operator of Blender holds it: python -m
tests.faults.held_client ENDPOINT SECONDS IDS. It watches jobs, says `holding`, and afterwards
`connected`, `done` and of how many jobs it has heard the end."""

from __future__ import annotations

import ctypes
import json
import sys
import time

from protocol.background import BackgroundClient
from protocol.client.news import Connected, Done, JobChanged
from protocol.messages.jobs import FINAL_STATES
from protocol.wire import Address

from .rig import QUICK
from .server_process import PATIENCE_S


def main() -> None:
    endpoint, seconds, ids = sys.argv[1:]
    left = set(json.loads(ids))
    n_jobs = len(left)
    with BackgroundClient(Address(endpoint), timeouts=QUICK) as client:
        waited = {client.watch(job_id) for job_id in left}
        while waited:
            news = client.news.get(timeout=PATIENCE_S)
            if isinstance(news, Done):
                waited.discard(news.token)
        print("holding", flush=True)
        ctypes.PyDLL(None).usleep(round(1e6 * float(seconds)))  # keeps the interpreter's lock
        deadline_s, connected = time.monotonic() + PATIENCE_S, False
        while left or not connected:
            news = client.news.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(news, Connected):
                connected = True
            elif isinstance(news, JobChanged) and news.event.state in FINAL_STATES:
                left.discard(news.event.job_id)
        print("connected", flush=True)
        token = client.status()
        while not (isinstance(news := client.news.get(timeout=PATIENCE_S), Done)):
            assert news is not token
        print("done", n_jobs - len(left), flush=True)


if __name__ == "__main__":
    main()
