"""Work spread over fresh processes, whose results come in the order of the work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, TypeVar

from ex4d.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["in_processes"]

_Result = TypeVar("_Result")
_TICK_S = 1.0
_PATIENCE = 10  # seconds for a worker to clean up after itself


def in_processes(
    work: Callable[..., _Result],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    tick: Callable[[], None],
) -> Iterator[_Result]:
    """Call `work` with the arguments of each task in one of `workers` processes, and yield the
    results in order; `tick` is called about once a second meanwhile.

    The workers stop when the iterator is closed, when an exception leaves it (Ctrl-C too), and when
    this process dies. Raises what `work` raises, and TooLargeError when a worker was killed.
    """
    context = multiprocessing.get_context("spawn")  # fork would copy threads' locks
    stop, alive = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _prepare, (stop,))
    waiting = enumerate(tasks)
    running: dict[Future[_Result], int] = {}  # no more than workers: a stop finds no task queued
    finished: dict[int, _Result] = {}
    try:
        for number in range(len(tasks)):
            while number not in finished:
                for following, task in islice(waiting, workers - len(running)):
                    running[pool.submit(work, *task)] = following
                for future in wait(running, _TICK_S, FIRST_COMPLETED).done:
                    finished[running.pop(future)] = future.result()
                tick()
            yield finished.pop(number)
        # Idle workers end by themselves: of one that is stopped while it reads, the next reads the
        # other half.
        pool.shutdown()
    except BrokenProcessPool:
        raise TooLargeError(
            "a worker process was killed, most likely because the memory was used up: run again "
            "with fewer workers; what was made is kept"
        ) from None
    finally:
        alive.close()
        pool.shutdown(wait=True, cancel_futures=True)
        stop.close()


def _prepare(stop: connection.Connection) -> None:
    """Set up a worker: it ends when the other end of `stop` is closed, and not by Ctrl-C, which a
    terminal sends to all processes: the first one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with, args=(stop,), daemon=True).start()


def _end_with(stop: connection.Connection) -> None:
    connection.wait([stop])
    for _ in range(_PATIENCE):  # the first leaves the work through every finally, the next the wait
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    os._exit(1)
