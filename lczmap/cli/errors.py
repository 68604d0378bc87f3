"""What the operating system refuses, in one paragraph for a person."""

from __future__ import annotations

import errno

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REMEDIES: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, "check the name, or make this file first"),
    (PermissionError, "you may not read or write there: change its permissions, or choose another folder"),
    (FileExistsError, "a file stands where a folder is needed: choose another folder, or move the file away"),
    (NotADirectoryError, "a file stands where a folder is needed: choose another folder, or move the file away"),
    (IsADirectoryError, "a folder stands where a file is needed: choose another name"),
)
_OTHERWISE = "see whether the disk is full or the file is damaged, then run the same command again"


def os_error_text(error: OSError) -> str:
    """Return which file the system refused, why, and what to do, on one line.

    Errors of GDAL and of the network have no errno: their own text is all that is known.
    """
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    reason = error.strerror if error.errno is not None else " ".join(str(error).split())
    if not reason:
        return f"{type(error).__name__}, of which the system says no more"
    where = " and ".join(names)
    return f"{where}{': ' if where else ''}{reason}; {_remedy(error)}"


def _remedy(error: OSError) -> str:
    if error.errno in _FULL:
        return "make room on that disk, or write elsewhere"
    return next((text for kind, text in _REMEDIES if isinstance(error, kind)), _OTHERWISE)
