"""The map in Google Earth: the right class at the right place, in the right colour."""

import zipfile
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pyproj
import pytest
from affine import Affine
from matplotlib.image import imread
from odc.geo.geobox import GeoBox
from tiny_run import TinyRun, make_run

from lczmap.classes import CLASSES, class_colors
from lczmap.exports.kmz import export_kmz
from lczmap.exports.overlay import lonlat_overlay
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import write_class_map

KML = "{http://www.opengis.net/kml/2.2}"
# Order of the children in the schema of KML 2.2 (OGC 07-147r2), as far as they are used here
ORDER = {
    "Document": ["name", "open", "description", "GroundOverlay", "ScreenOverlay", "Placemark"],
    "GroundOverlay": ["name", "visibility", "Icon", "LatLonBox"],
    "ScreenOverlay": ["name", "Icon", "overlayXY", "screenXY", "size"],
    "LatLonBox": ["north", "south", "east", "west"],
    "Placemark": ["name", "Style", "MultiGeometry"],
    "Style": ["LineStyle", "PolyStyle"],
    "LineStyle": ["color", "width"],
    "Polygon": ["tessellate", "outerBoundaryIs", "innerBoundaryIs"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("kmz"), tags={RELIABILITY_TAG: "weak in <b>LCZ 7</b>"})


@pytest.fixture(scope="module")
def kmz(run: TinyRun) -> Path:
    write_class_map(run.folder / "lcz_filtered.tif", run.codes[::-1].copy(), run.grid.cell_geobox, tags={})
    filtered, out = run.folder / "lcz_filtered.tif", run.folder / "exports" / "lcz.kmz"
    export_kmz(run.lcz, out, filtered_path=filtered, grid=run.grid, facts=run.facts)
    return out


def document(kmz: Path) -> ElementTree.Element:
    with zipfile.ZipFile(kmz) as archive:
        assert archive.namelist()[0] == "doc.kml"
        found = ElementTree.fromstring(archive.read("doc.kml")).find(f"{KML}Document")
    assert found is not None
    return found


def picture(kmz: Path, name: str) -> np.ndarray:
    """Colours (y, x, 4), 0..255."""
    with zipfile.ZipFile(kmz) as archive:
        return np.rint(imread(BytesIO(archive.read(name))) * 255).astype(np.uint8)


def drawn_at(kmz: Path, name: str, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Colours (N, 4) that Google Earth shows at places: a picture is stretched evenly over its box."""
    overlays = {f.findtext(f"{KML}name"): f for f in document(kmz).iter(f"{KML}GroundOverlay")}
    box = {edge: float(overlays[name].findtext(f"{KML}LatLonBox/{KML}{edge}") or "nan") for edge in ORDER["LatLonBox"]}
    colors = picture(kmz, overlays[name].findtext(f"{KML}Icon/{KML}href") or "")
    col = (lon - box["west"]) % 360 / (box["east"] - box["west"]) * colors.shape[1]
    row = (box["north"] - lat) / (box["north"] - box["south"]) * colors.shape[0]
    return colors[row.astype(int), col.astype(int)]


def places_in_cells(run: TinyRun) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitude, latitude and colour of three places in every cell, at least 1/7 of a cell from its border."""
    rows, cols = (i.ravel() for i in np.indices(run.codes.shape))
    table = np.array([(0, 0, 0, 0), *((*c.rgb, 255) for c in CLASSES)], np.uint8)
    inside = [(0.5, 0.5), (0.15, 0.8), (0.85, 0.15)]
    x = np.concatenate([run.grid.west + (cols + u) * 100 for u, _ in inside])
    y = np.concatenate([run.grid.north - (rows + v) * 100 for _, v in inside])
    lon, lat = pyproj.Transformer.from_crs(run.grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return lon, lat, table[np.tile(run.codes.ravel(), len(inside))]


def test_every_place_has_the_colour_of_its_cell(run: TinyRun, kmz: Path) -> None:
    lon, lat, expected = places_in_cells(run)
    np.testing.assert_array_equal(drawn_at(kmz, "LCZ map", lon, lat), expected)
    assert (expected[:, 3] == 0).any()  # cells without a class are transparent
    assert picture(kmz, "files/map.png")[0, 0, 3] == 0  # the corner lies beside the map, which is turned


def test_the_filtered_map_is_another_picture_and_the_one_shown_first(run: TinyRun, kmz: Path) -> None:
    overlays = document(kmz).findall(f"{KML}GroundOverlay")
    shown = [(o.findtext(f"{KML}name"), o.findtext(f"{KML}visibility")) for o in overlays]
    assert shown == [("Filtered LCZ map", "1"), ("LCZ map", "0")]
    assert (picture(kmz, "files/map.png") != picture(kmz, "files/filtered.png")).any()


def test_a_city_on_the_antimeridian_stays_in_one_piece(tmp_path: Path) -> None:
    run = make_run(tmp_path, bbox=(179.97, -16.83, 180.02, -16.80))
    export_kmz(run.lcz, tmp_path / "lcz.kmz", grid=run.grid)
    lon, lat, expected = places_in_cells(run)
    assert lon.min() < -179 and lon.max() > 179
    np.testing.assert_array_equal(drawn_at(tmp_path / "lcz.kmz", "LCZ map", lon, lat), expected)
    box = document(tmp_path / "lcz.kmz").find(f".//{KML}LatLonBox")
    assert box is not None
    west, east = (float(box.findtext(f"{KML}{edge}") or "nan") for edge in ("west", "east"))
    assert 179.9 < west < 180 < east < 180.1  # east below west is drawn the long way round


def test_a_map_that_ends_on_the_antimeridian_stays_west_of_it(tmp_path: Path) -> None:
    degrees = GeoBox((4, 5), Affine(0.25, 0, 178.75, 0, -0.25, -16), "EPSG:4326")
    write_class_map(tmp_path / "lcz.tif", np.full((4, 5), 6, np.uint8), degrees, tags={})
    overlay = lonlat_overlay(tmp_path / "lcz.tif")
    assert (overlay.west, overlay.east) == (178.75, 180)


def test_two_maps_of_one_file_name_are_two_pictures(run: TinyRun, tmp_path: Path) -> None:
    filtered = tmp_path / "50% filtered" / "lcz.tif"
    write_class_map(filtered, run.codes[::-1].copy(), run.grid.cell_geobox, tags={})
    export_kmz(run.lcz, tmp_path / "lcz.kmz", filtered_path=filtered)
    hrefs = [e.text for e in document(tmp_path / "lcz.kmz").findall(f"{KML}GroundOverlay/{KML}Icon/{KML}href")]
    assert hrefs == ["files/filtered.png", "files/map.png"]
    assert (picture(tmp_path / "lcz.kmz", "files/filtered.png") != picture(tmp_path / "lcz.kmz", "files/map.png")).any()


def test_elements_come_in_the_order_of_the_schema(kmz: Path) -> None:
    for element in document(kmz).iter():
        known = ORDER.get(element.tag.removeprefix(KML))
        if known is not None:
            places = [known.index(child.tag.removeprefix(KML)) for child in element]
            assert places == sorted(places) and element[0].tag == f"{KML}{known[0]}"
    assert {e.tag.removeprefix(KML) for e in document(kmz)} == set(ORDER["Document"])


def test_gdal_reads_the_outline_of_the_area(run: TinyRun, kmz: Path) -> None:
    info = pyogrio.read_info(kmz)
    assert info["driver"] == "LIBKML" and info["layer_name"].startswith("Local Climate Zones of Uppsala")
    features = pyogrio.read_dataframe(kmz).set_index("Name")
    assert tuple(features.loc["Area of interest"].geometry.bounds) == pytest.approx(
        (17.6, 59.80, 17.65, 59.82), abs=1e-6
    )
    assert {"Filtered LCZ map", "LCZ map"} < set(features.index)  # GDAL shows a ground overlay's box


def test_the_description_credits_warns_and_runs_no_markup(kmz: Path) -> None:
    text = document(kmz).findtext(f"{KML}description") or ""
    assert "Contains modified Copernicus Sentinel data 2020." in text
    assert "Accuracy on reference polygons" in text and "no estimate for the whole map" in text
    assert "weak in &lt;b&gt;LCZ 7&lt;/b&gt;" in text
    assert "Thinned out" not in text


def test_the_legend_has_the_maps_own_colours_every_time(run: TinyRun, tmp_path: Path) -> None:
    write_class_map(tmp_path / "lcz.tif", run.codes, run.grid.cell_geobox, tags={}, palette="colour_blind")
    export_kmz(tmp_path / "lcz.tif", tmp_path / "lcz.kmz")
    legend = picture(tmp_path / "lcz.kmz", "files/legend.png").reshape(-1, 4)
    seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in np.unique(legend, axis=0)}
    assert set(class_colors("colour_blind")) <= seen
    assert len(document(tmp_path / "lcz.kmz").findall(f"{KML}Placemark")) == 0  # no grid, no outline
    export_kmz(tmp_path / "lcz.tif", tmp_path / "again.kmz")
    assert (tmp_path / "again.kmz").read_bytes() == (tmp_path / "lcz.kmz").read_bytes()


def test_a_map_larger_than_a_picture_is_thinned_out_and_says_so(run: TinyRun, tmp_path: Path) -> None:
    export_kmz(run.lcz, tmp_path / "lcz.kmz", max_px=16)
    small = picture(tmp_path / "lcz.kmz", "files/map.png")
    assert max(small.shape[:2]) == 16
    overlay = lonlat_overlay(run.lcz, max_px=16)
    assert overlay.cells_per_px == pytest.approx(run.codes.shape[1] / 16, rel=0.1)
    assert f"every {overlay.cells_per_px:.1f} cells" in (
        document(tmp_path / "lcz.kmz").findtext(f"{KML}description") or ""
    )


def test_a_map_without_a_class_is_refused(run: TinyRun, tmp_path: Path) -> None:
    write_class_map(tmp_path / "lcz.tif", run.codes * 0, run.grid.cell_geobox, tags={})
    with pytest.raises(ValueError, match="the map is empty"):
        export_kmz(tmp_path / "lcz.tif", tmp_path / "lcz.kmz")
    assert not (tmp_path / "lcz.kmz").exists()
