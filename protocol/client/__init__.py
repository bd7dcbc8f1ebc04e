"""The client's side: connections that may be lost, requests and their answers, whole files."""

from __future__ import annotations

from .client import Client, Timeouts

__all__ = ["Client", "Timeouts"]
