"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of small real data, or skip: it is not part of the repository."""
    folder = Path(os.environ.get("LCZMAP_REAL_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set LCZMAP_REAL_DATA to run this test")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start files with long tests first, so that the short ones fill what is left on the other cores.

    Tests that wait for servers stand among those that compute.
    """
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    marks = ("workflow", "slow", "browser")
    return next((rank for rank, mark in enumerate(marks) if item.get_closest_marker(mark)), len(marks))
