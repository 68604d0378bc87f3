"""A small city mapped from a Sentinel-1 SLC product by Snakemake: orbit, heights, channels, shift, stacks, map."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from fake_dataspace import NAME, PASSWORD, FakeDataSpace, Product
from loopback import Loopback
from mapped_city import SIZE_M, arguments, city, mapped, reflectance, targets
from odc.geo.geobox import GeoBox
from sar.independent_radar import near, read_radar
from sar.synthetic_slc import paint_ground, places, unpack_annotations, write_safe, zipped
from tiny_safe import Safe
from tiny_safe import write_safe as write_optical
from workflow_runs import plan, refused, snakemake, succeeded

from lczmap.channels import SO2SAT8
from lczmap.raster import read_cells, read_stack, write_cells

pytestmark = pytest.mark.workflow

CRS = "EPSG:32611"
GROUND_M = 1500.0
PERIOD = {"start": "2020-05-01", "end": "2020-05-31"}
FOLDER = "results/tiny/2020-05-01_2020-05-31"
MARGIN_M = 3000


@dataclass(frozen=True)
class Site:
    """A city's corner, and the folder with its products (`archive`) and heights."""

    folder: Path
    west: float
    north: float

    @property
    def product(self) -> Path:
        return next((self.folder / "archive").glob("S1*.zip"))


@pytest.fixture(scope="module")
def site(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A city where two subswaths and two bursts meet."""
    folder = tmp_path_factory.mktemp("site")
    annotations = unpack_annotations(next((real_data / "safe").glob("S1A_IW_SLC*.zip")), folder / "unpacked")
    radar = read_radar(annotations)
    to_map = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    x, y = to_map.transform(*radar.place_of(*radar.overlap(("IW1", 4), ("IW2", 5)), GROUND_M))
    west, north = round(x / 100) * 100 - SIZE_M / 2, round(y / 100) * 100 + SIZE_M / 2
    reach = (west - MARGIN_M, north - SIZE_M - MARGIN_M, west + SIZE_M + MARGIN_M, north + MARGIN_M)
    model = near(radar, CRS, reach, (GROUND_M, GROUND_M))
    rng = np.random.default_rng(1)

    def ground(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Speckle, ten times as bright in the east as in the west."""
        power = np.where(x > west + SIZE_M / 2, 0.3, 0.03)
        drawn = [rng.standard_normal(x.shape) + 1j * rng.standard_normal(x.shape) for _ in range(2)]
        return tuple(np.sqrt(share * power / 2) * one for share, one in zip((0.2, 1.0), drawn, strict=True))

    painted = paint_ground(radar, model, places(radar, model, reach, (GROUND_M,)), GROUND_M, ground)
    (folder / "archive").mkdir()
    zipped(write_safe(annotations, folder / "written", painted), folder / "archive")
    shutil.rmtree(folder / "written")
    place = {"west": west - 2400, "north": north + 2400, "width_m": 4800, "crs": CRS, "tile": "11SNB"}
    optical = Safe(level="L2A", sensed="2020-05-12T18:30:00.0Z", datatake="20200512T183000", **place)
    write_optical(folder / "archive", optical, reflectance(west))
    cells = GeoBox((300, 300), Affine(100, 0, west - 15_000, 0, -100, north + 15_000), CRS)
    heights = np.full((1, 300, 300), GROUND_M - 20, np.float32)
    write_cells(folder / "heights.tif", heights, cells, names=["height"], nodata=None)
    return Site(folder, west, north)


def configuration(site: Site, folder: Path, **radar) -> dict:
    archive = str(site.folder / "archive")
    slc = {
        "source": "slc",
        "provider": "local",
        "archive": archive,
        "orbit_file": "product",
        "dem": str(site.folder / "heights.tif"),
        "geoid_m": 20.0,
    }
    optical = {"source": "local", "archive": archive, "level": "L2A"}
    return city(folder, site.west, site.north, CRS, sentinel2=optical, sentinel1=slc | radar) | PERIOD


def test_a_zip_of_an_slc_product_becomes_the_channels_of_so2sat_and_a_map(site: Site, tmp_path: Path) -> None:
    heights = Path(shutil.copy(site.folder / "heights.tif", tmp_path))
    config = configuration(site, tmp_path, geometry_layers=True, dem=str(heights))
    mapped(tmp_path, config, FOLDER)
    stack = read_stack(next((tmp_path / FOLDER / "tiles").rglob("s1.tif")))
    assert stack.channels == SO2SAT8.channels and np.isfinite(stack.pixels).all()
    assert stack.state["product"] == "slc" and stack.state["orbit"] == "product"
    power = np.square(stack.pixels[2:4]).sum(axis=0)
    middle = power.shape[1] // 2
    assert 8 < power[:, middle + 8 :].mean() / power[:, : middle - 8].mean() < 12
    scenes = json.loads((tmp_path / FOLDER / "scenes.json").read_text())["scenes"]
    radar = next(scene for scene in scenes if scene["sensor"] == "sentinel-1")
    assert (radar["platform"], radar["relative_orbit"], radar["usable_fraction"]) == ("sentinel-1a", 71, 1.0)
    (incidence, layover), _ = read_cells(next(tmp_path.rglob("*_geometry.tif")))
    assert 30 < incidence.min() < incidence.max() < 46 and not layover.any()
    assert not list(tmp_path.rglob(".unpacked*")) and not list(tmp_path.rglob("*.part"))
    assert "Nothing to be done" in planned(tmp_path, config)
    heights.write_bytes(heights.read_bytes() + b"another version")
    assert {"fetch_dem", "process_slc", "place_slc"} <= set(planned(tmp_path, config).split())


def planned(folder: Path, config: dict) -> str:
    """Return what a dry run says."""
    return succeeded(plan(folder, *arguments(folder, config, *targets(FOLDER))))


def test_a_product_of_the_data_space_is_downloaded_once_and_the_account_stays_secret(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_USERNAME", NAME)
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)
    (tmp_path / "served").mkdir()
    with Loopback() as server:
        FakeDataSpace(
            server, [Served("A", "20200511", "135117", packed=site.product.read_bytes())], tmp_path / "served"
        )
        config = configuration(
            site, tmp_path, provider="dataspace", archive=None, endpoint=server.url, channels="rsnnet9"
        )
        said = mapped(tmp_path, config, FOLDER)
        assert sum(asked.path.endswith("/$value") for asked in server.requests) == 1
    assert "whole sentinel-1 products from the Copernicus Data Space" in said
    assert "Entropy" in read_stack(next((tmp_path / FOLDER / "tiles").rglob("s1.tif"))).channels
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == [] and PASSWORD not in said


def test_an_orbit_of_another_day_is_refused_and_nothing_is_left(site: Site, tmp_path: Path, real_data: Path) -> None:
    orbit = next((real_data / "safe").glob("*RESORB*.EOF"))
    config = configuration(site, tmp_path, orbit_file=str(orbit))
    said = refused(snakemake(tmp_path, *arguments(tmp_path, config)))
    assert "2023-08-23" in said and "2020-05-11" in said and "orbit_file: product" in said
    assert not list(tmp_path.rglob("orbits.json")) and not (tmp_path / FOLDER / "lcz.tif").exists()


class Served(Product):
    """The catalogue's entry of the real product."""

    @property
    def name(self) -> str:
        return "S1A_IW_SLC__1SDV_20200511T135117_20200511T135144_032518_03C421_7768"

    @property
    def outline(self) -> shapely.Polygon:
        return shapely.box(-118.5, 37.1, -115.2, 39.1)
