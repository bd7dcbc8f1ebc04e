"""Why a server does not start.

StartError         base of all; the text is a sentence for who starts the server
  FolderInUse        another server works on the same folder
  JournalTooNew      a later version has written the journal
"""

from __future__ import annotations

__all__ = ["FolderInUse", "JournalTooNew", "StartError"]


class StartError(Exception):
    """The server cannot start; nothing was changed."""


class FolderInUse(StartError):
    """Another server works on the same folder."""


class JournalTooNew(StartError):
    """A later version has written the journal."""
