"""Downloads from archives that are open to anyone, and checks that look into the file that came."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class Anyone:
    """No account: the archive is public."""

    remedy = "this archive needs no account; the address may have changed"

    def headers(self, url: str) -> dict[str, str]:  # noqa: ARG002
        """Return no credentials."""
        return {}

    def renew(self, status: int) -> bool:  # noqa: ARG002
        """Return False: there is nothing to renew."""
        return False


def fault_by(check: Callable[[Path], object]) -> Callable[[Path], str | None]:
    """Return the `fault` of a `Wanted`: what `check` says of a file in a ValueError, None when it raises none."""

    def fault(path: Path) -> str | None:
        try:
            check(path)
        except ValueError as error:
            return f"what came is not usable ({error})"
        return None

    return fault
