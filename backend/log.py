"""Logs that a person can read: one line for each event.

    2025-11-22 20:31:03 INFO    job=3f2a done in 12.1 s results=2

The time, the level, the job (`-` for none), then what happened and its facts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["JobLog", "LineFormatter", "log_to"]

_ROOT = "ex4d.server"
_LONGEST = 2000  # characters of one line


class LineFormatter(logging.Formatter):
    """Formats a record as one line; what could break or forge a line is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = self.formatTime(record, "%Y-%m-%d %H:%M:%S")
        job = getattr(record, "job", "-")
        line = f"{time} {record.levelname:<7} job={job} {record.getMessage()}"
        if record.exc_info:
            line += f" | {self.formatException(record.exc_info)}"
        printable = line if line.isprintable() else "".join(map(_escaped, line))
        return printable if len(printable) <= _LONGEST else printable[: _LONGEST - 3] + "..."


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


class JobLog:
    """Writes events with their facts, `name=value` each."""

    def __init__(self, name: str = "jobs") -> None:
        self._log = logging.getLogger(f"{_ROOT}.{name}")

    def info(self, what: str, job: str = "-", **facts: object) -> None:
        """Write what happened as it should."""
        self._write(logging.INFO, what, job, facts)

    def warning(self, what: str, job: str = "-", **facts: object) -> None:
        """Write what somebody should look at."""
        self._write(logging.WARNING, what, job, facts)

    def fault(self, what: str, job: str = "-", *, error: Exception, **facts: object) -> None:
        """Write what is a mistake of this program, and where it happened."""
        self._write(logging.ERROR, what, job, facts, error)

    def _write(
        self,
        level: int,
        what: str,
        job: str,
        facts: dict[str, object],
        error: Exception | None = None,
    ) -> None:
        told = "".join(f" {name}={_quoted(value)}" for name, value in facts.items())
        self._log.log(level, "%s%s", what, told, extra={"job": job[:12]}, exc_info=error)


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if not text or " " in text or "=" in text else text


def log_to(stream: TextIO, level: int = logging.INFO) -> logging.Handler:
    """Send the server's events to `stream`; returns the handler, for taking it away again."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    log = logging.getLogger(_ROOT)
    log.setLevel(level)
    log.addHandler(handler)
    log.propagate = False
    return handler
