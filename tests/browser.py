"""A headless Chromium for tests of our pages: opened from file://, offline, silent in its console.

    with open_page(tmp_path / "report.html", 390, 800) as page:
        page.click("#map")

`page` is a page of Playwright. The test is skipped where Playwright or Chromium is absent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file:", "data:", "blob:", "about:")


def chromium() -> str:
    """Return the path of the browser, or skip the test with the reason."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for program in PROGRAMS:
        if found := shutil.which(program):
            return found
    pytest.skip(f"no Chromium found; looked for {', '.join(PROGRAMS)}")


@contextmanager
def open_page(path: Path, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """Yield a page of Playwright that shows a file, in a window of `width` × `height` CSS pixels, without network.

    When the block ends without an error, it fails if the page asked for anything but local files, wrote an error to
    its console or threw one. Narrow windows (below 600) are phones: touch screen and mobile layout. The page keeps
    its localStorage across `page.reload()`. `page.wait_for_timeout` is rarely needed: locators wait by themselves.
    """
    program = chromium()
    from playwright.sync_api import sync_playwright

    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        phone = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, is_mobile=phone, has_touch=phone
        )
        context.set_default_timeout(10_000)
        context.on("request", lambda sent: None if sent.url.startswith(LOCAL) else troubles.append(f"asked {sent.url}"))
        context.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"threw {error}"))
        try:
            page.goto(path.resolve().as_uri())
            yield page
        finally:
            browser.close()
    assert not troubles, f"{path.name}: {troubles}"
