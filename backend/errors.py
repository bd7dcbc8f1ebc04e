"""Why a server does not start, or ends.

StartError         base of all; the text is a sentence for who starts the server
  FolderInUse        another server works on the same folder
  JournalTooNew      a later version has written the journal
  JournalShut        the journal cannot be opened: no room, no right, no disk
FolderLost         the data folder of a running server is gone
"""

from __future__ import annotations

__all__ = ["FolderInUse", "FolderLost", "JournalShut", "JournalTooNew", "StartError"]


class StartError(Exception):
    """The server cannot start; nothing was changed."""


class FolderInUse(StartError):
    """Another server works on the same folder."""


class JournalTooNew(StartError):
    """A later version has written the journal."""


class JournalShut(StartError):
    """The journal cannot be opened: no room, no right, no disk."""


class FolderLost(Exception):
    """The data folder of a running server is gone: nothing can be promised any more."""
