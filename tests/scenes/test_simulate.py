"""The simulated archive as the rest of the pipeline meets it."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from shapely.geometry import shape

from lczmap.channels import S2_BANDS_L1C, SO2SAT8
from lczmap.classes import LABELS
from lczmap.grid import make_grid
from lczmap.raster import read_cells
from lczmap.scenes.local import read_archive
from lczmap.scenes.simulate import simulate_city
from lczmap.scenes.simulation.place import aoi_geojson, place_geobox

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
SIZE_M = 4000
KML = "{http://www.opengis.net/kml/2.2}"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    simulate_city(folder, seed=5, size_m=SIZE_M)
    return folder


def read(path: Path) -> np.ndarray:
    return read_cells(path)[0]


def test_archive_holds_five_optical_dates_and_two_radar_passes(archive: Path) -> None:
    scenes = read_archive(archive)
    optical = [s for s in scenes if s.sensor == "sentinel-2"]
    radar = [s for s in scenes if s.sensor == "sentinel-1"]
    assert [tuple(s.assets) for s in optical] == [S2_BANDS_L1C] * 5
    assert [tuple(s.assets) for s in radar] == [SO2SAT8.channels] * 2
    assert {s.orbit_direction for s in radar} == {"ascending", "descending"}
    assert all(s.state == {"level": "L1C"} and s.cloud is not None for s in optical)


def test_every_scene_reaches_500_m_beyond_the_city(archive: Path) -> None:
    city = place_geobox(-SIZE_M / 2, SIZE_M / 2, 10, (SIZE_M // 10, SIZE_M // 10)).extent.geom.buffer(500)
    for path in {a.path for s in read_archive(archive) for a in s.assets.values()}:
        assert read_cells(Path(path))[1].extent.geom.contains(city.envelope), path


def test_offset_of_the_new_baseline_brings_all_dates_to_one_level(archive: Path) -> None:
    medians, numbers = [], []
    for scene in read_archive(archive):
        if scene.sensor == "sentinel-2" and scene.cloud is not None:
            asset = scene.assets["B11"]
            dn = read(Path(asset.path))[0]
            clear = read(Path(scene.cloud.path))[0] == 0
            medians.append(np.median(dn[clear] * asset.scale + asset.offset))
            numbers.append(asset.offset)
    assert sorted(np.round(numbers, 6)) == [-0.1, 0, 0, 0, 0]
    assert np.ptp(medians) < 0.05


def test_cloud_mask_holds_thick_cloud_and_misses_some_thin(archive: Path) -> None:
    scene = max(read_archive(archive), key=lambda s: read(Path(s.cloud.path)).mean() if s.cloud else -1)
    assert scene.cloud is not None
    cirrus = read(Path(scene.assets["B10"].path))[0] * 1e-4  # the surface is invisible in B10
    cloud = read(Path(scene.cloud.path))[0] == 1
    share = cloud.reshape(cirrus.shape[0], 3, cirrus.shape[1], 3).mean(axis=(1, 3))
    assert share[cirrus > 0.05].min() == 1
    assert (share[(cirrus > 0.007) & (cirrus < 0.02)] < 1).any()


def test_nearly_every_pixel_is_clear_on_two_dates(archive: Path) -> None:
    masks = [read(Path(s.cloud.path))[0] for s in read_archive(archive) if s.cloud]
    assert ((np.stack(masks) == 0).sum(axis=0) >= 2).mean() > 0.97


def test_lee_channels_are_the_filtered_power_of_the_complex_ones(archive: Path) -> None:
    radar = next(s for s in read_archive(archive) if s.sensor == "sentinel-1")
    bands = dict(zip(SO2SAT8.channels, read(Path(radar.assets["VH_re"].path)), strict=True))
    for polarisation in ("VH", "VV"):
        power = bands[f"{polarisation}_re"] ** 2 + bands[f"{polarisation}_im"] ** 2
        # the filter lowers the mean a little: it prefers the darker half of its window
        assert 0.6 < bands[f"{polarisation}_lee"].mean() / power.mean() < 1.0
    assert bands["VH_lee"].min() >= 0


def test_training_areas_follow_the_wudapt_template(archive: Path) -> None:
    root = ET.parse(archive / "training_areas.kml").getroot()
    folder = root.find(f"{KML}Document/{KML}Folder")
    assert folder is not None
    assert [p.findtext(f"{KML}name") for p in folder.findall(f"{KML}Placemark")] == ["ROI"]
    assert [f.findtext(f"{KML}name") for f in folder.findall(f"{KML}Folder")] == list(LABELS)


def test_every_class_has_four_wide_areas_that_lie_in_their_class(archive: Path) -> None:
    truth = read(archive / "truth_10m.tif")
    counts = {}
    for code, polygons in areas_in_pixels(archive).items():
        counts[code] = len(polygons)
        for polygon in polygons:
            assert 2 * shapely.maximum_inscribed_circle(polygon).length * 10 >= 200
            rows, cols = np.mgrid[0 : truth.shape[1], 0 : truth.shape[2]]
            inside = shapely.contains_xy(polygon, cols + 0.5, rows + 0.5)
            assert (truth[0][inside] == code).all()
    assert sorted(counts) == list(range(1, 18))
    assert min(counts.values()) >= 4


def areas_in_pixels(archive: Path) -> dict[int, list[shapely.Polygon]]:
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32623", always_xy=True)
    folder = ET.parse(archive / "training_areas.kml").getroot().find(f"{KML}Document/{KML}Folder")
    assert folder is not None
    areas: dict[int, list[shapely.Polygon]] = {}
    for code, part in enumerate(folder.findall(f"{KML}Folder"), start=1):
        for ring in part.iter(f"{KML}coordinates"):
            lonlat = np.array([corner.split(",")[:2] for corner in (ring.text or "").split()], dtype=float)
            east, north = to_utm.transform(lonlat[:, 0], lonlat[:, 1])
            west, top = 500_000 - SIZE_M / 2, 4_428_000 + SIZE_M / 2
            areas.setdefault(code, []).append(
                shapely.Polygon(np.column_stack([(east - west) / 10, (top - north) / 10]))
            )
    return areas


def test_truth_cells_hold_the_most_frequent_class(archive: Path) -> None:
    fine, cells = read(archive / "truth_10m.tif")[0], read(archive / "truth.tif")[0]
    counts = np.bincount(fine[100:110, 230:240].ravel(), minlength=18)
    assert cells[10, 23] == counts.argmax()
    assert cells.shape == (40, 40)
    assert set(np.unique(fine)) == set(range(1, 18))


def test_truth_names_the_displacement_of_each_pass(archive: Path) -> None:
    truth = json.loads((archive / "truth.json").read_text())
    radar = [s for s in read_archive(archive) if s.sensor == "sentinel-1"]
    assert [p["id"] for p in truth["sentinel1"]] == [s.id for s in radar]
    assert [p["correction_east_m"] for p in truth["sentinel1"]] == [-13.7, 6.4]
    assert [p["correction_north_m"] for p in truth["sentinel1"]] == [8.2, -4.9]
    assert "simulation" in truth["notice"].lower()


def test_files_say_that_they_are_a_simulation(archive: Path) -> None:
    for path in [*archive.glob("sentinel?/**/*.tif"), *archive.glob("truth*.tif")]:
        with rasterio.open(path) as source:
            assert "does not exist" in source.tags()["SIMULATION"]


def test_outline_lies_on_the_grid(archive: Path) -> None:
    feature = json.loads((archive / "aoi.geojson").read_text())["features"][0]
    grid = make_grid(shape(feature["geometry"]))
    assert (grid.crs, grid.west, grid.north) == ("EPSG:32623", 498_000, 4_430_000)
    assert grid.cells_shape == (40, 40)


def test_demo_outline_in_the_configuration_is_the_simulators() -> None:
    assert json.loads((REPOSITORY / "config" / "aoi" / "demo.geojson").read_text()) == aoi_geojson(12_000)


@pytest.mark.parametrize("size_m", [2000, 4100, 30_000])
def test_city_of_impossible_size_is_refused(tmp_path: Path, size_m: int) -> None:
    with pytest.raises(ValueError, match=r"expected a city size of 3000\.\.20000 m, a multiple of 200 m"):
        simulate_city(tmp_path, seed=1, size_m=size_m)
    assert list(tmp_path.iterdir()) == []
