"""Error texts made fit for a message: not too long, and without the server's paths."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ex4d.weights.folder import default_folder

__all__ = ["LONGEST_TEXT_BYTES", "hide_folder", "trimmed", "without_folders"]

LONGEST_TEXT_BYTES = 10_000
_CUT = "\n[...]\n"
_HIDDEN = "[folder]"
_NAME = r"[^/\s'\"<>|:*?]+"
# A quoted path may have spaces, as Windows paths do.
_QUOTED = re.compile(r"(?P<quote>['\"])/(?:[^/'\"\n]+/)*(?P<last>[^/'\"\n]+)/?(?P=quote)")
_WINDOWS = re.compile(r"(?<!\w)(?:[A-Za-z]:[\\/]+|\\\\+)(?:[^\\/'\"<>|:*?\n]+[\\/]+)*")
# A path from the root; not the rest of an address such as https://host/a/b.
_FOLDERS = re.compile(rf"(?<![\w/.~\\-])(?:/{_NAME})*/(?={_NAME})")
_known: set[str] = set()


def trimmed(text: str, limit: int = LONGEST_TEXT_BYTES) -> str:
    """Return a text of at most `limit` bytes of UTF-8: a long one keeps its beginning and its
    end. What UTF-8 cannot hold is escaped."""
    encoded = text[: 4 * limit].encode("utf-8", "backslashreplace")
    if len(text) <= 4 * limit and len(encoded) <= limit:
        return encoded.decode("utf-8")
    half = (limit - len(_CUT)) // 2
    end = text[-limit:].encode("utf-8", "backslashreplace")
    return encoded[:half].decode("utf-8", "ignore") + _CUT + end[-half:].decode("utf-8", "ignore")


def hide_folder(folder: Path) -> None:
    """Have this process keep a folder out of its texts, also where its name has spaces."""
    _known.update({str(folder.absolute()), str(folder.resolve())})


def without_folders(text: str) -> str:
    """Return a text where absolute paths are cut to their last part, and folders that are known
    to be the server's are not named at all: where it keeps its files is nobody's business."""
    text = text.replace("file://", "")
    for folder in sorted(_known | _usual_folders(), key=len, reverse=True):
        # Windows paths come with each backslash doubled in the texts of Python's errors.
        for written in {folder, folder.replace("\\", "\\\\")}:
            inner = re.compile(rf"{re.escape(written)}[/\\]+(?:{_NAME}[/\\]+)*(?={_NAME})")
            text = inner.sub("", text)
            text = re.sub(rf"{re.escape(written)}(?![\w.-])[/\\]*", _HIDDEN, text)
    text = _QUOTED.sub(r"\g<quote>\g<last>\g<quote>", text)
    return _FOLDERS.sub("", _WINDOWS.sub("", text))


def _usual_folders() -> set[str]:
    """Where people and models live on this computer."""
    found = {str(default_folder().absolute())}
    with suppress(RuntimeError):  # who runs this has no home
        found.add(str(Path.home()))
    return {folder for folder in found if Path(folder).name}  # not the root itself
