"""The report in a real browser: what it shows of a cell is what the rasters say."""

import re
from pathlib import Path

import pytest
from browser import open_page
from report.fabricated_run import COLS, NORTH, ROWS, UNMAPPED, WEST, painted, write_run

from lczmap.classes import CLASSES
from lczmap.report.page import write_report

pytestmark = pytest.mark.browser

COLOR_AT = """() => { window.colorAt = ({x, y}) => Array.from(document.getElementById("map-canvas").getContext("2d")
    .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data) }"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("run"))
    write_report(folder, folder / "report.html", benchmarks=folder / "none")
    return folder / "report.html"


def place(page, row, col):  # type: ignore[no-untyped-def]
    """Return where the middle of a cell is on the canvas while the whole map is shown (96 % of the smaller side)."""
    box = page.locator("#map-canvas").bounding_box()
    scale = 0.96 * min(box["width"] / COLS, box["height"] / ROWS)
    x = box["width"] / 2 + (col + 0.5 - COLS / 2) * scale
    return {"x": x, "y": box["height"] / 2 + (row + 0.5 - ROWS / 2) * scale}


def ready(page):  # type: ignore[no-untyped-def]
    page.wait_for_selector("#map-box.ready")
    return page.locator("#map-canvas")


def wait_until(page, expression, arg=None):  # type: ignore[no-untyped-def]
    """Wait for an expression to hold; the page's policy forbids the `eval` that Playwright's own waiting uses."""
    for _ in range(100):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def title(row: int, col: int) -> str:
    return CLASSES[painted()[row, col] - 1].title


def test_pressing_a_cell_reads_its_class_in_the_layer_that_is_shown_and_probabilities(report: Path) -> None:
    with open_page(report, 1280, 900) as page:
        canvas = ready(page)
        for row, col in ((0, 0), (0, COLS - 1), (ROWS - 1, 0), (4, 7)):
            canvas.click(position=place(page, row, col))
            assert page.locator("#map-cell h3").inner_text() == title(row, col)
            first = page.locator(".bars li").first
            assert first.locator(".name").inner_text() == title(row, col)
            assert first.locator(".share").inner_text() == f"{40 + 5 * row:.1f} %"
            wide, narrow = (bar.bounding_box()["width"] for bar in page.locator(".bars .filled").all()[:2])
            assert wide / narrow == pytest.approx((0.4 + 0.05 * row) / 0.2, rel=0.05)
            expected = f"E {WEST + 100 * col + 50:.0f} m, N {NORTH - 100 * row - 50:.0f} m"
            assert expected in page.locator("#map-cell").inner_text()
        canvas.click(position=place(page, *UNMAPPED))
        assert page.locator("#map-cell h3").inner_text() == "No class here"
        assert page.title().startswith("Local Climate Zones")  # the hostile scene did not run
        canvas.click(position=place(page, 3, 2))  # code 1, which the filter made 2
        page.get_by_label("Filtered classes").check()
        assert page.locator("#map-cell .which").inner_text() == "Filtered classes"
        assert page.locator("#map-cell h3").inner_text() == "LCZ 2: Compact midrise"
        assert page.locator(".fact").first.locator("dt, dd").all_inner_texts() == ["Classes", "LCZ 1: Compact highrise"]
        page.get_by_label("Confidence").check()
        assert page.locator("#map-cell h3").inner_text() == "55.0 %"
        assert page.locator("#map-legend .outline").inner_text() == "Outline: area of interest"


def test_layers_legend_wheel_keys_and_address(report: Path) -> None:
    with open_page(report, 1280, 900) as page:
        canvas = ready(page)
        page.evaluate(COLOR_AT)
        at = place(page, 3, 2)  # code 1, which the filtered map has not
        assert page.evaluate("at => colorAt(at)", at) == [0x8C, 0, 0, 255]
        page.get_by_label("Filtered classes").check()
        wait_until(page, "at => colorAt(at)[0] === 0xd1", at)
        assert page.locator("#map-legend li.unused .name").all_inner_texts() == ["LCZ 1: Compact highrise"]
        page.get_by_label("Network other").check()
        assert len(page.locator("#map-legend li.unused").all()) == 16
        page.locator("#map-opacity").fill("0")
        wait_until(page, "() => location.hash.endsWith('/network-other/0')")
        wait_until(page, "at => Math.abs(colorAt(at)[0] - 200) < 6 && colorAt(at)[1] < 6", at)  # the picture
        bar = page.locator("#map-scale").inner_text()
        canvas.hover(position=place(page, 3, 5))
        page.keyboard.down("Control")
        page.mouse.wheel(0, -400)
        page.keyboard.up("Control")
        wait_until(page, f"() => document.getElementById('map-scale').textContent !== {bar!r}")
        canvas.focus()
        page.keyboard.press("0")
        wait_until(page, f"() => document.getElementById('map-scale').textContent === {bar!r}")
        page.keyboard.press("Enter")  # the middle of 7 × 11 cells
        assert page.locator("#map-cell h3").inner_text() == CLASSES[16].title
        assert page.locator(".fact dd").first.inner_text() == title(3, 5)
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        moved = int(re.search(r"E (\d+) m", page.locator("#map-cell").inner_text())[1])  # type: ignore[index]
        assert moved > WEST + 550
        wait_until(page, "() => location.hash.endsWith('/network-other/0')")
        page.wait_for_timeout(300)
        page.reload()
        ready(page)
        assert page.get_by_label("Network other").is_checked()


def test_a_phone_shows_the_page_without_scrolling_sideways(report: Path) -> None:
    with open_page(report, 390, 844) as page:
        canvas = ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert canvas.bounding_box()["y"] < 400  # the map begins on the first screen
        canvas.tap(position=place(page, 5, 2))
        assert page.locator("#map-cell h3").inner_text() == title(5, 2)
        sizes = page.evaluate(
            """() => [...document.querySelectorAll("a, button, summary, label.choice, input[type=range]")]
            .map((one) => one.getBoundingClientRect().height).filter((height) => height)"""
        )
        assert min(sizes) >= 44


def test_the_wheel_scrolls_the_page_until_the_map_has_the_focus_and_a_damaged_address_does_no_harm(
    report: Path,
) -> None:
    with open_page(report, 1280, 900) as page:
        canvas = ready(page)
        bar = page.locator("#map-scale").inner_text()
        canvas.hover(position={"x": 300, "y": 100})
        page.mouse.wheel(0, 200)
        wait_until(page, "() => scrollY > 100 && document.querySelector('#map-hint.on')")
        assert page.locator("#map-scale").inner_text() == bar
        canvas.focus()
        page.mouse.wheel(0, -400)
        wait_until(page, f"() => document.getElementById('map-scale').textContent !== {bar!r}")
        page.goto(f"{report.resolve().as_uri()}#map=%E0%A4/1/1")
        page.reload()
        ready(page)
        east = """() => lonLat({mesh: {lon: [[179.5, 180.5], [179.5, 180.5]], lat: [[1, 1], [0, 0]]}, shape: [1, 1],
            cell_m: 100, west: 0, north: 100}, 75, 50)"""
        assert page.evaluate(east) == [-179.75, 0.5]
