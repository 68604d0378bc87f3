from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib
import numpy as np
import pytest
from made_city import made_codes, made_grid
from matplotlib.colors import to_hex

from lczmap.classes import CLASSES, code_to_wudapt
from lczmap.evaluation.map_agreement import DIFFERENCES
from lczmap.exports.qgis_styles import clr_text, write_style
from lczmap.raster import write_categories, write_cells, write_class_map

GRID = made_grid()


@pytest.fixture
def lcz(tmp_path: Path) -> Path:
    write_class_map(tmp_path / "lcz.tif", made_codes(), GRID.cell_geobox, tags={})
    return tmp_path / "lcz.tif"


def test_a_class_map_gets_a_legend_of_exactly_17_named_rows(lcz: Path):
    assert [path.name for path in write_style(lcz)] == ["lcz.qml", "lcz.clr"]
    renderer = ET.parse(lcz.with_suffix(".qml")).getroot().find("pipe/rasterrenderer")
    assert renderer is not None and renderer.get("type") == "paletted"
    rows = [(int(row.attrib["value"]), row.get("label"), row.get("color")) for row in renderer.iter("paletteEntry")]
    assert rows == [(c.code, c.title, c.color) for c in CLASSES]
    assert rows[12] == (13, "LCZ C: Bush, scrub", "#648525")


def test_the_colour_map_has_lines_of_value_red_green_blue_alpha_label():
    lines = clr_text().splitlines()
    assert len(lines) == 17
    assert lines[5] == "6 255 153 85 255 LCZ 6 Open lowrise"
    assert lines[12] == "13 100 133 37 255 LCZ C Bush scrub"  # QGIS takes commas and colons for gaps
    assert clr_text("colour_blind").splitlines()[16] == "17 107 105 255 255 LCZ G Water"


def test_the_colour_blind_palette_is_chosen_by_name(lcz: Path):
    write_style(lcz, palette="colour_blind")
    assert (
        '<paletteEntry value="1" color="#8a0000" label="LCZ 1: Compact highrise"' in lcz.with_suffix(".qml").read_text()
    )
    with pytest.raises(ValueError, match="official or colour_blind"):
        write_style(lcz, palette="rainbow")  # type: ignore[arg-type]


def test_confidence_gets_viridis_from_0_to_1(tmp_path: Path):
    path = tmp_path / "confidence.tif"
    cells = np.zeros((2, *GRID.cells_shape), np.float32)
    write_cells(path, cells, GRID.cell_geobox, names=["confidence", "entropy"], nodata=np.nan)
    assert [p.name for p in write_style(path)] == ["confidence.qml"]
    items = list(ET.parse(path.with_suffix(".qml")).getroot().iter("item"))
    viridis = matplotlib.colormaps["viridis"]
    assert [i.get("color") for i in items] == [to_hex(viridis(float(i.attrib["value"]))) for i in items]
    assert (items[0].get("value"), items[-1].get("value"), len(items)) == ("0.0", "1.0", 11)


def test_a_comparison_gets_its_five_kinds(tmp_path: Path):
    path = tmp_path / "difference.tif"
    kinds = np.ones(GRID.cells_shape, np.uint8)
    write_categories(path, kinds, GRID.cell_geobox, name="difference", categories=DIFFERENCES, tags={})
    assert [p.name for p in write_style(path)] == ["difference.qml"]
    rows = [row.attrib for row in ET.parse(path.with_suffix(".qml")).getroot().iter("paletteEntry")]
    assert [(row["value"], row["label"]) for row in rows][3] == ("4", "built here, natural in the other map")
    assert [row["color"] for row in rows] == ["#d9d9d9", "#e08214", "#5aae61", "#b2182b", "#2166ac"]


def test_another_raster_has_no_style(tmp_path: Path):
    path = tmp_path / "s1.tif"
    write_cells(path, np.zeros((1, *GRID.cells_shape), np.float32), GRID.cell_geobox, names=["VV"], nodata=None)
    with pytest.raises(ValueError, match=r"s1\.tif: expected a class map .* got the bands \('VV',\)"):
        write_style(path)


def test_the_generators_bands_show_the_filtered_map(tmp_path: Path):
    path = tmp_path / "lcz_generator.tif"
    bands = np.stack([made_codes(), made_codes(), made_codes()]).astype(np.int16)
    write_cells(path, bands, GRID.cell_geobox, names=["lcz", "lczFilter", "classProbability"], nodata=None)
    write_style(path)
    assert '<rasterrenderer type="paletted" band="2"' in path.with_suffix(".qml").read_text()


def test_wudapt_codes_have_a_legend_of_their_own_and_are_taken_for_no_other(tmp_path: Path):
    path = tmp_path / "lcz_wudapt.tif"
    codes = code_to_wudapt(made_codes())[None]
    write_cells(path, codes, GRID.cell_geobox, names=["LCZ"], nodata=0)
    with pytest.raises(ValueError, match=r"lcz_wudapt\.tif: .* got \[101, 102, 103"):
        write_style(path)
    write_style(path, numbering="wudapt")
    assert path.with_suffix(".clr").read_text().splitlines()[10] == "101 0 106 0 255 LCZ A Dense trees"
    rows = [row.get("value") for row in ET.parse(path.with_suffix(".qml")).getroot().iter("paletteEntry")]
    assert rows == [str(n) for n in (*range(1, 11), *range(101, 108))]
