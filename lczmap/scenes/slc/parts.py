"""What has come of a file that is on its way, and of which version of the file it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path


class Parts:
    """`partial`, which is gone on with, and `other`, which takes its place when it is whole, or longer."""

    def __init__(self, target: Path) -> None:
        self.partial = target.with_name(f".{target.name}.partial")
        self.other = target.with_name(f".{target.name}.other")
        self._tag = target.with_name(f".{target.name}.partial.etag")

    @property
    def length(self) -> int:
        """Return how many bytes of the file are there."""
        return length_of(self.partial)

    def etag(self) -> str | None:
        """Return the version that `partial` is of, None where the service did not say."""
        return self._tag.read_text() if self._tag.is_file() else None

    def begin(self, etag: str | None) -> None:
        """Throw away what is there: `partial` will be of this version."""
        self.discard()
        if etag:
            self._tag.write_text(etag)

    def prefer_longer(self, etag: str | None) -> bool:
        """After `other` broke off: say whether it is now `partial`, because more of it has come."""
        is_longer = length_of(self.other) > self.length
        if is_longer:
            self._tag.unlink(missing_ok=True)  # in this order: never one's version beside the other
            self.other.replace(self.partial)
            if etag:
                self._tag.write_text(etag)
        self.other.unlink(missing_ok=True)
        return is_longer

    def reject(self, whole: Path) -> None:
        """Throw away one of the two, which is whole and has a fault."""
        if whole == self.partial:
            self.discard()
        else:
            whole.unlink()

    def discard(self) -> None:
        """Throw away all that has come."""
        for path in (self.partial, self.other, self._tag):
            path.unlink(missing_ok=True)


def length_of(path: Path) -> int:
    """Return a file's size in bytes, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def fault_of(path: Path, size: int | None, md5: str | None, look: Callable[[Path], str | None] | None) -> str | None:
    """Say what is wrong with a whole file, None when nothing is; `look` is asked where no MD5 is known."""
    if size is not None and length_of(path) != size:
        return f"expected {size} bytes, got {length_of(path)}"
    if md5 is not None:
        with path.open("rb") as stream:
            came = hashlib.file_digest(stream, "md5").hexdigest()
        return None if came == md5.lower() else f"expected the MD5 {md5}, got {came}"
    return None if look is None else look(path)
