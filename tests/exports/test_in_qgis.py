"""The map, its style and the project in the real QGIS, headless; skipped where it is not installed."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_city import COLS, ROWS, drawn_areas, made_codes, made_grid, write_stacks

from lczmap.classes import CLASSES, class_colors
from lczmap.exports.area_layer import write_area_layer
from lczmap.exports.outline import write_aoi
from lczmap.exports.qgis_project import ProjectFiles, write_project
from lczmap.exports.qgis_styles import write_style
from lczmap.exports.true_color import draw_true_color
from lczmap.raster import read_cells, write_cells, write_class_map

pytestmark = pytest.mark.browser

GRID = made_grid()
CELL_PX = 20  # of the drawn picture
PLACES = [(CELL_PX * col + CELL_PX // 2, CELL_PX * 3 + CELL_PX // 2) for col in range(COLS)]  # cells of the fourth row
TITLES = [c.title for c in CLASSES]


def qgis_python() -> str:
    """Return a Python that can import QGIS, or skip the test."""
    for python in (os.environ.get("LCZMAP_QGIS_PYTHON"), "/usr/bin/python3"):
        if (
            python
            and subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode == 0
        ):
            return python
    pytest.skip("QGIS is not installed (Debian: python3-qgis), or LCZMAP_QGIS_PYTHON does not name its Python")


def write_run(folder: Path) -> None:
    write_class_map(folder / "lcz.tif", made_codes(), GRID.cell_geobox, tags={})
    write_class_map(folder / "lcz_filtered.tif", made_codes(), GRID.cell_geobox, tags={})
    confidence = np.tile(np.linspace(0, 1, COLS, dtype=np.float32), (2, ROWS, 1))
    names = ["confidence", "entropy"]
    write_cells(folder / "confidence.tif", confidence, GRID.cell_geobox, names=names, nodata=np.nan)
    shutil.copytree(folder, folder / "bare")
    for name in ("lcz.tif", "lcz_filtered.tif", "confidence.tif"):
        write_style(folder / name)
    draw_true_color(write_stacks(GRID, folder), GRID, folder / "rgb.tif")
    write_aoi(GRID, folder / "aoi.geojson", name="made")
    write_area_layer(drawn_areas(folder), folder / "training_areas.gpkg", crs=GRID.crs)
    files = ProjectFiles(
        folder / "lcz.tif",
        filtered=folder / "lcz_filtered.tif",
        confidence=folder / "confidence.tif",
        picture=folder / "rgb.tif",
        outline=folder / "aoi.geojson",
        areas=folder / "training_areas.gpkg",
    )
    write_project(files, folder / "project.qgs", title="made")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has been moved since it was written."""
    qgis_python()  # before anything is written
    made = tmp_path_factory.mktemp("made") / "run"
    write_run(made)
    return made.rename(tmp_path_factory.mktemp("moved") / "elsewhere")


@pytest.fixture(scope="module")
def seen(run: Path) -> Any:
    reader = Path(__file__).with_name("qgis_reader.py")
    places = [f"{x},{y}" for x, y in PLACES]
    command = [qgis_python(), str(reader), str(run), str(CELL_PX * COLS), str(CELL_PX * ROWS), *places]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GDAL", "PROJ"))}
    environment = clean | {"QT_QPA_PLATFORM": "offscreen"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_qgis_shows_exactly_17_named_rows_in_the_official_colours(seen: Any):
    assert seen["legend"] == [[c.title, c.color] for c in CLASSES]


def test_qgis_names_the_classes_even_without_the_style(seen: Any):
    assert [row[0] for row in seen["bare_legend"]][1:] == TITLES


def test_gdal_reads_the_attribute_table(seen: Any):
    assert [row[:3] for row in seen["table"]] == [[str(c.code), str(ROWS), c.title] for c in CLASSES]
    assert seen["table"][5][3:] == ["255", "153", "85", "255"]


def test_qgis_reads_the_colour_map(seen: Any):
    plain = [title.replace(":", "").replace(",", "") for title in TITLES]
    assert seen["clr"] == [[c.code, name, c.color, 255] for c, name in zip(CLASSES, plain, strict=True)]


def test_the_project_opens_after_its_folder_was_moved(seen: Any, run: Path):
    assert seen["read"] and seen["crs"] == "EPSG:32633"
    assert [(name, visible, valid) for name, visible, valid, _ in seen["layers"]] == [
        ("Area of interest", True, True),
        ("Training areas", False, True),
        ("Local Climate Zones, filtered", False, True),
        ("Local Climate Zones", True, True),
        ("Confidence (largest probability)", False, True),
        ("Sentinel-2, natural colour", True, True),
    ]
    assert all(source.startswith(str(run)) for *_, source in seen["layers"])


def test_the_training_areas_are_coloured_by_class(seen: Any):
    assert [[int(value), *row] for value, *row in seen["areas"]] == [[c.code, c.title, c.color] for c in CLASSES]
    assert seen["area_count"] == 2


def test_every_cell_is_drawn_in_its_colour_and_nodata_shows_the_picture_below(seen: Any, run: Path):
    assert seen["colours"][1:] == list(class_colors())
    pixels = read_cells(run / "rgb.tif")[0]
    below = ["#{:02x}{:02x}{:02x}".format(*pixels[:, 35, col]) for col in (4, 5)]  # the middle of cell (3, 0)
    assert seen["colours"][0] in below


def test_confidence_is_drawn_from_dark_to_bright(seen: Any):
    assert (seen["confidence"][0], seen["confidence"][-1]) == ("#440154", "#fde725")
    brightness = [sum(bytes.fromhex(colour[1:])) for colour in seen["confidence"]]
    assert brightness == sorted(brightness)
