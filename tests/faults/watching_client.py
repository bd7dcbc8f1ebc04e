"""A client in a process of its own: python -m tests.faults.watching_client ENDPOINT JOB_ID says
each stage and state of the job as it hears of it, and ends with the job."""

from __future__ import annotations

import sys

from protocol.client import Client
from protocol.wire import Address

from .rig import QUICK


def main() -> None:
    endpoint, job_id = sys.argv[1:]
    with Client(Address(endpoint), timeouts=QUICK) as client:
        for event in client.attach(job_id):
            print(event.stage, event.state, flush=True)


if __name__ == "__main__":
    main()
