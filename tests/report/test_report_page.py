import base64
import hashlib
import html
import json
import re
import zlib
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
from report.fabricated_run import CELL_M, COLS, GRID, HOSTILE, NORTH, ROWS, UNMAPPED, WEST, painted, write_run
from shapely.geometry import Point, box
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.evaluation.accuracy import assess_map
from lczmap.files import write_json
from lczmap.grid import Grid
from lczmap.raster import write_class_map
from lczmap.report.page import write_report
from lczmap.report.run_folder import RunFolder
from lczmap.report.scenes import clear_dates
from lczmap.report.viewer import class_colors, mesh_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    write_report(run, run / "report.html", benchmarks=run / "none")
    return (run / "report.html").read_text(encoding="utf-8")


def held(page: str, identifier: str) -> object:
    found = re.search(rf'<script type="application/json" id="{identifier}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def planes(page: str) -> dict[str, np.ndarray]:
    description = held(page, "map-description")
    whole = np.frombuffer(zlib.decompress(base64.b64decode(held(page, "map-cells"))), np.uint8)
    return dict(zip(description["planes"], whole.reshape(-1, ROWS, COLS), strict=True))


def test_the_page_holds_every_cell_of_every_layer(page: str) -> None:
    found = planes(page)
    np.testing.assert_array_equal(found["lcz"], painted())
    np.testing.assert_array_equal(found["code0"], painted())
    np.testing.assert_array_equal(found["share0"][4, 0], round(0.6 * 200))
    np.testing.assert_array_equal(found["confidence"][4, 0], round(0.6 * 200))
    assert found["confidence"][UNMAPPED] == 255
    assert found["filtered"][0, 0] == 2
    assert (found["network-other"] == 17).all()


def test_longitude_and_latitude_between_the_nodes_are_within_a_metre(page: str) -> None:
    mesh = held(page, "map-description")["mesh"]
    lon, lat = np.array(mesh["lon"]), np.array(mesh["lat"])
    middle = pyproj.Transformer.from_crs(GRID.crs, 4326, always_xy=True).transform(
        WEST + COLS * CELL_M / 2, NORTH - ROWS * CELL_M / 2
    )
    assert lon.mean() == pytest.approx(middle[0], abs=1e-5)
    assert lat.mean() == pytest.approx(middle[1], abs=1e-5)


def test_longitudes_of_a_map_across_180_degrees_go_on() -> None:
    x, y = pyproj.Transformer.from_crs(4326, "EPSG:32660", always_xy=True).transform(179.95, -16.5)
    grid = Grid("EPSG:32660", round(x), round(y), 1200, 1200, 10, 200, box(x, y - 12_000, x + 12_000, y))
    lon = np.array(mesh_of(grid, 12_000.0, 12_000.0)["lon"])
    east = pyproj.Transformer.from_crs("EPSG:32660", 4326, always_xy=True).transform(round(x) + 12_000, round(y))[0]
    assert lon[0, -1] == pytest.approx(east + 360)
    assert (np.diff(lon, axis=1) > 0).all()
    assert np.abs(np.diff(lon, axis=0)).max() < 0.1


def test_areas_are_those_of_the_map(page: str) -> None:
    codes = painted()
    row = re.search(r"LCZ 3: Compact lowrise</span></td>(.*?)<td><svg", page)
    assert row is not None
    shown = re.findall(r'class="number">(.*?)<', row[1])
    cells = int((codes == 3).sum())
    share = f"{cells / (ROWS * COLS - 1):.1%}"
    assert shown == [f"{cells * 0.01:.2f}", share] * 2


def test_clear_dates_are_counted_in_the_city_alone(run: Path) -> None:
    counts = clear_dates(RunFolder(run, run))["s2.tif"]
    height, width = ROWS * 10, COLS * 10
    np.testing.assert_array_equal(counts[:4], [height, 0, (height - 10) * (width - 1), 10 * (width - 1)])
    assert counts.sum() == height * width


def test_no_name_becomes_markup(page: str) -> None:
    assert HOSTILE not in page
    assert page.count(html.escape(HOSTILE)) >= 2  # the scene and the setting are there, as text


def test_nothing_on_the_page_has_another_address(page: str) -> None:
    for attribute in re.findall(r'\b(?:src|href|action|srcset)="([^"]*)"', page):
        assert attribute.startswith(("data:", "#")) or not re.match(r"[a-z]*:|//|/", attribute), attribute
    assert "url(" not in page
    assert "@import" not in page


def test_the_browser_is_told_to_run_our_scripts_alone(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 6
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1]


def test_what_a_run_lacks_is_said(page: str) -> None:
    assert "No reference areas were given" in page
    assert "area_quality.json is not there" in page
    assert "coregistration.json is not there" in page
    assert "<h2>Heat island</h2>" not in page


def test_what_a_local_climate_zone_is_is_said_once(page: str) -> None:
    assert page.count("A Local Climate Zone is a kind of") == 1


def test_a_bare_map_is_enough(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "bare" / "2024-05-01_2024-09-30"
    folder.mkdir(parents=True)
    (folder.parent / "grid.json").write_text(GRID.to_json())
    write_class_map(folder / "lcz.tif", painted(), GRID.cell_geobox, tags={})
    result = CliRunner().invoke(app, ["write-report", str(folder), str(tmp_path / "bare.html")])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "bare.html").read_text(encoding="utf-8")
    assert "Not in this run: the filtered map, the confidence, the picture from space, the probabilities" in written
    assert held(written, "map-description")["planes"] == ["lcz"]


def test_accuracy_is_called_what_it_is(run: Path, tmp_path: Path) -> None:
    figure = {"value": 0.5, "low": 0.25, "high": 0.75}
    one = {"code": 1, "label": "1", "name": "Compact highrise", "reference_cells": 4, "map_cells": 2, "polygons": 2}
    report = {
        "what": "accuracy on reference polygons (test split by polygon)",
        "note": "chosen, not sampled",
        "cells": 97,
        "polygons": 26,
        **dict.fromkeys(("oa", "aa", "kappa", "oaw", "oaw_chance"), figure),
        "classes": [one | {"pa": 0.5, "ua": None, "f1": 0.5}],
        "confusion_matrix": {"cells": [[0] * 17] * 17},
        "warnings": ["few polygons"],
    }
    path = run / "accuracy.json"
    write_json(path, report)
    try:
        write_report(run, tmp_path / "report.html", benchmarks=tmp_path)
    finally:
        path.unlink()
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>0.50</b><span>overall accuracy on reference polygons (0.25 to 0.75)</span>" in written
    assert "chance line of OAw" in written
    assert "reference cells mapped so" in written
    assert "Warning: few polygons" in written
    assert "nothing in this report measures" not in written


def test_the_filtered_map_has_its_figures_beside_those_of_the_map(run: Path, tmp_path: Path) -> None:
    codes = painted()
    rows, cols = np.indices(codes.shape)
    cells = [
        (int(r), int(c), int(codes[r, c]), int(codes[r, c]), "test")
        for r, c in zip(rows.flat, cols.flat, strict=True)
        if codes[r, c]
    ]
    row, col, code, area, split = zip(*cells, strict=True)
    table = {"row": row, "col": col, "code": code, "area": area, "split": split}
    points = [Point(WEST + CELL_M * (c + 0.5), NORTH - CELL_M * (r + 0.5)) for r, c in zip(row, col, strict=True)]
    geopandas.GeoDataFrame(table, geometry=points, crs=GRID.crs).to_file(tmp_path / "patches.gpkg")
    made = [run / "accuracy.json", run / "models" / "other" / "accuracy.json"]
    files = (run / "probabilities.tif", tmp_path / "patches.gpkg")
    assess_map(run / "lcz.tif", *files, made[0], filtered_path=run / "lcz_filtered.tif")
    assess_map(run / "models" / "other" / "lcz.tif", *files, made[1])
    try:
        write_report(run, tmp_path / "report.html", benchmarks=tmp_path)
    finally:
        for path in made:
            path.unlink()
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    # the map is right everywhere; in the filtered one all of class 1 is class 2
    wrong = (codes == 1).sum() / (codes > 0).sum()
    assert re.search(
        rf"<span>overall accuracy on reference polygons \(1\.00 to 1\.00\); filtered map {1 - wrong:.2f} \(", written
    )
    assert f"Overall accuracy of the filtered map {1 - wrong:.2f} (" in written
    assert "map before the filter (95 % interval)</th>" in written and "filtered map (95 % interval)</th>" in written
    assert re.search(rf"<td>AA</td><td>1\.00 \(1\.00 to 1\.00\)</td><td>{16 / 17:.2f} \(", written)
    assert re.search(r"<td>ECE</td><td>[^<]*</td><td>–</td>", written)
    twos = (codes == 2).sum()
    f1 = 2 * twos / (twos + twos + (codes == 1).sum())
    assert re.search(rf'LCZ 2: [^\n]*?<td class="number">1\.00</td><td class="number">{f1:.2f}</td></tr>', written)
    assert '<th scope="col">OA of the filtered map</th>' in written
    assert re.search(rf"<td>main network</td><td>1\.00 [^<]*</td><td>{1 - wrong:.2f} ", written)


def test_links_to_exports_are_relative(run: Path, tmp_path: Path) -> None:
    export = run / "exports" / "lcz & more.kmz"
    export.parent.mkdir()
    export.write_text("x")
    write_report(run, run / "linked.html", benchmarks=tmp_path)
    assert '<a href="exports/lcz%20%26%20more.kmz">exports/lcz &amp; more.kmz</a>' in (run / "linked.html").read_text()


def test_colours_are_those_of_the_raster(run: Path) -> None:
    assert class_colors(run / "lcz.tif")[17] == "#6a6aff"
    assert class_colors(run / "probabilities.tif")[1] == "#8c0000"  # no table of its own: the official ones


def test_a_folder_without_a_map_and_a_broken_record_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lcz\.tif: no such file"):
        write_report(tmp_path, tmp_path / "report.html", benchmarks=tmp_path)
    (run / "accuracy.json").write_text("{")
    with pytest.raises(ValueError, match=r"accuracy\.json: not JSON"):
        write_report(run, tmp_path / "report.html", benchmarks=tmp_path)
    (run / "accuracy.json").unlink()
    assert not (tmp_path / "report.html").exists()
