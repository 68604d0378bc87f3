"""The labelling page in a real browser: keys, mouse and touch, progress, export and import."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from browser import open_page
from odc.geo.geobox import GeoBox

from lczmap.classes import class_colors
from lczmap.evaluation.cell_pictures import views_of_tiles
from lczmap.evaluation.labelling_page import lonlat, write_labelling_page
from lczmap.evaluation.labels import CANNOT_TELL, read_labels
from lczmap.evaluation.sample_files import Allocation, sample
from lczmap.evaluation.sampling import Design, draw_sample
from lczmap.raster import Stack, write_cells, write_class_map, write_stack

UTM = "EPSG:32633"
GRID = GeoBox((10, 12), Affine(100, 0, 400_000, 0, -100, 5_800_000), UTM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Design]:
    """A sample of 20 cells; red rises to the east in the picture."""
    run = tmp_path_factory.mktemp("page")
    codes = np.repeat([[6, 14]], 6, axis=1).repeat(10, axis=0).astype(np.uint8)
    write_class_map(run / "lcz.tif", codes, GRID, tags={})
    east = np.broadcast_to(np.linspace(1, 255, 120), (100, 120)).astype(np.uint8)
    fine = GeoBox((100, 120), Affine(10, 0, 400_000, 0, -10, 5_800_000), UTM)
    write_cells(run / "rgb.tif", np.stack([east, 255 - east // 2, east]), fine, names=["r", "g", "b"], nodata=0)
    design, out, _ = sample(run, None, Allocation(10), seed=1)
    return out, design


def begin(page, name: str) -> None:
    page.fill("#name", name)
    page.click("dialog button")


def saved(page, path: Path) -> Path:
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == f"labels_{path.stem}.csv"
    download.value.save_as(path)
    return path


@pytest.mark.browser
def test_labels_by_key_and_mouse_survive_a_reload_and_are_read_by_assess(
    folder: tuple[Path, Design], tmp_path: Path
) -> None:
    out, design = folder
    with open_page(out / "labelling.html") as page:
        begin(page, "Ana")
        page.keyboard.press("6")
        assert page.inner_text("#number") == "2 of 20"
        page.keyboard.press("u")
        page.keyboard.press("d")
        page.fill("#comment", 'red "roofs", tiled')
        page.click("button[data-name='10']")
        page.keyboard.press("x")
        page.reload()
        begin(page, "Ana")
        assert page.inner_text("#progress") == "4 of 20 labelled"
        assert page.inner_text("#number") == "5 of 20"  # the first open cell
        path = saved(page, tmp_path / "Ana")
    labels = read_labels(path, design)
    assert labels.code[:5].tolist() == [6, 14, 10, CANNOT_TELL, -1]
    assert labels.sure[:4].tolist() == [True, False, True, True]
    assert 'red ""roofs"", tiled' in path.read_text(encoding="utf-8-sig").splitlines()[3]


@pytest.mark.browser
def test_a_second_person_starts_afresh_and_a_saved_file_is_opened_to_go_on(
    folder: tuple[Path, Design], tmp_path: Path
) -> None:
    out, design = folder
    rows = f'{design.sample_id},3,A,no,"a ""b"", c",Ben\r\n{design.sample_id},1,10,yes,,Ben\r\n'
    (tmp_path / "labels.csv").write_text("sample,cell,class,sure,comment,labeller\r\n" + rows, newline="")
    with open_page(out / "labelling.html", 390, 844) as page:
        begin(page, "Ana")
        page.tap("button[data-name='6']")
        page.set_input_files("#file", tmp_path / "labels.csv")
        page.get_by_text("These are labels of Ben: change the labeller first.").wait_for()
        page.tap("#labeller")
        begin(page, "Ben")
        assert page.inner_text("#progress") == "0 of 20 labelled"
        page.set_input_files("#file", tmp_path / "labels.csv")
        page.wait_for_function("document.getElementById('message').textContent === '2 labels read.'")
        assert page.inner_text("#number") == "2 of 20"
        page.tap("#forward")
        assert page.get_attribute("button[data-name='A']", "aria-pressed") == "true"
        assert page.input_value("#comment") == 'a "b", c' and page.is_checked("#unsure")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        labels = read_labels(saved(page, tmp_path / "Ben"), design)
    assert (labels.labeller, labels.code[:3].tolist()) == ("Ben", [10, -1, 11])


@pytest.mark.browser
def test_a_key_held_down_labels_one_cell_and_an_arrow_held_down_goes_on(folder: tuple[Path, Design]) -> None:
    out, _ = folder
    with open_page(out / "labelling.html") as page:
        begin(page, "Eva")
        for _ in range(3):  # without a release in between: repeats
            page.keyboard.down("6")
        assert page.inner_text("#progress") == "1 of 20 labelled"
        page.keyboard.up("6")
        for _ in range(3):
            page.keyboard.down("ArrowRight")
        assert page.inner_text("#number") == "5 of 20"


@pytest.mark.browser
def test_opened_files_may_have_semicolons_but_no_strange_class_and_formulas_are_kept_as_text(
    folder: tuple[Path, Design], tmp_path: Path
) -> None:
    out, design = folder
    header = "sample;cell;class;sure;comment;labeller\r\n"
    strange, good, short = (tmp_path / f"{name}.csv" for name in ("strange", "good", "short"))
    strange.write_text(f"{header}{design.sample_id};1;6;yes;;=Cleo\r\n{design.sample_id};2;H;yes;;=Cleo\r\n")
    good.write_text(f'{header}{design.sample_id};1;6;yes;"a; b";\'=Cleo\r\n')
    short.write_text(f"{header}{design.sample_id};1;6\r\n")
    with open_page(out / "labelling.html") as page:
        begin(page, "=Cleo")
        page.set_input_files("#file", strange)
        page.get_by_text("Cell 2: “H” is no class; nothing was read.").wait_for()
        page.set_input_files("#file", short)
        page.get_by_text("A row has not as many columns as the header.").wait_for()
        assert page.inner_text("#progress") == "0 of 20 labelled"
        page.set_input_files("#file", good)
        page.get_by_text("1 labels read.").wait_for()
        page.fill("#comment", "-1+2")
        page.keyboard.press("Enter")
        page.keyboard.press("d")
        page.fill("#comment", "'=A1")
        page.keyboard.press("Enter")
        page.keyboard.press("d")
        with page.expect_download() as download:
            page.click("#export")
        download.value.save_as(tmp_path / "saved.csv")
        page.evaluate("localStorage.clear()")
        page.reload()
        begin(page, "=Cleo")
        page.set_input_files("#file", tmp_path / "saved.csv")
        page.get_by_text("3 labels read.").wait_for()
        for comment in ("'=A1", "-1+2", "a; b"):
            page.click("#back")
            assert page.input_value("#comment") == comment
    text = (tmp_path / "saved.csv").read_text(encoding="utf-8-sig")
    assert text.count('"\'=Cleo"') == 3 and "\"''=A1\"" in text
    assert read_labels(tmp_path / "saved.csv", design).labeller == "=Cleo"


@pytest.mark.browser
def test_the_picture_shows_the_cells_place_and_an_address_can_name_cells(folder: tuple[Path, Design]) -> None:
    out, design = folder
    brightness = """() => {
      const image = document.querySelector("#pictures img"), canvas = document.createElement("canvas");
      canvas.width = canvas.height = 100;
      const pen = canvas.getContext("2d");
      pen.drawImage(image, 0, 0);
      return [pen.getImageData(50, 50, 1, 1).data[0], image.naturalWidth];
    }"""
    with open_page(out / "labelling.html") as page:
        begin(page, "Ana")
        for k in range(3):
            page.wait_for_function("document.querySelector('#pictures img').complete")
            red, width = page.evaluate(brightness)
            assert width == 100
            assert abs(red - np.interp(design.col[k] * 10 + 5, [0, 119], [1, 255])) < 8
            page.keyboard.press("ArrowRight")
        page.goto(page.url + "#4,9")
        page.reload()
        begin(page, "Ana")
        assert page.inner_text("#number") == "4 of 20" and page.inner_text("#progress") == "0 of 2 labelled"


def test_views_without_a_pixel_are_left_out_and_none_with_one_is_an_error(tmp_path: Path) -> None:
    codes = np.full((10, 12), 3, np.uint8)
    design = draw_sample(codes, GRID, np.bincount([2] * 2, minlength=17), map_name="m", seed=1)
    fine = GeoBox((100, 120), Affine(10, 0, 400_000, 0, -10, 5_800_000), UTM)
    for name, value in (("s1.tif", np.nan), ("s2.tif", 0.2)):
        bands = ("VH", "VV") if name == "s1.tif" else ("B2", "B3", "B4", "B8")
        stack = np.full((len(bands), 100, 120), value, np.float32)
        write_stack(tmp_path / "tiles" / "a" / name, Stack(stack, bands, fine))
    views = views_of_tiles(tmp_path / "tiles")
    assert len(views) == 3 and write_labelling_page(tmp_path / "page.html", design, views) == 2
    assert '"views": ["Natural colour", "Infrared (plants red)"]' in (tmp_path / "page.html").read_text()
    with pytest.raises(ValueError, match=r"s1\.tif: no pixel around the sample's cells"):
        write_labelling_page(tmp_path / "page.html", design, views[2:])


def test_without_scenes_the_page_has_links_only_and_names_the_right_places(tmp_path: Path) -> None:
    codes = np.full((10, 12), 3, np.uint8)
    design = draw_sample(codes, GRID, np.bincount([2] * 5, minlength=17), map_name="</script>", seed=1)
    write_labelling_page(tmp_path / "page.html", design, ())
    page = (tmp_path / "page.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert data["views"] == [] and data["sample"] == design.sample_id
    # pyproj, by hand: the centre of the cell in row 0, column 0 is 400050 m east, 5799950 m north of zone 33
    import pyproj

    to_lonlat = pyproj.Proj(UTM)
    expected = to_lonlat(400_050 + 100 * design.col, 5_799_950 - 100 * design.row, inverse=True)
    assert np.allclose(lonlat(design), np.column_stack(expected), atol=1e-9)
    assert np.allclose(data["cells"], np.column_stack(expected), atol=1e-6)


def test_classes_have_the_colours_of_the_sampled_map(tmp_path: Path) -> None:
    codes = np.repeat([[3, 12]], 6, axis=1).repeat(10, axis=0).astype(np.uint8)
    write_class_map(tmp_path / "lcz.tif", codes, GRID, tags={}, palette="colour_blind")
    _, out, _ = sample(tmp_path / "lcz.tif", None, Allocation(2), seed=1)
    content = (out / "labelling.html").read_text()
    assert re.findall(r'"color": "(#\w+)"', content) == list(class_colors("colour_blind"))
