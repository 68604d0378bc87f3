"""The page for people in trouble quotes messages that the code really says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
OURS = PAGE.partition("Of other programs:")[0]
ROWS = re.findall(r"^\| (`.*?) \|", OURS, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def source() -> str:
    """All code, with the pieces of strings that span lines joined."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "lczmap").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_the_page_has_messages() -> None:
    assert len(ROWS) >= 12


@pytest.mark.parametrize("row", ROWS)
def test_a_quoted_message_is_one_that_the_code_says(row: str, source: str) -> None:
    for quoted in re.findall(r"`([^`]+)`", row):
        for piece in quoted.split("…"):
            words = piece.strip(" ,;")
            assert not words or words in source, f"{words!r} is in no message"
