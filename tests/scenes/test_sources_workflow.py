"""A small city from every source, mapped by Snakemake: search, fetch, stacks, training, map."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fake_sentinel_hub as hub
import numpy as np
import pytest
import tiny_grd
from fake_gcs import serve_bucket
from loopback import Loopback
from mapped_city import FOLDER, arguments, city, mapped, reflectance
from stac_archive import optical_item, radar_item, serve
from tiny_archive import NORTH, WEST
from tiny_safe import Safe, write_safe
from workflow_runs import refused, snakemake

from lczmap.channels import S2_BANDS_L1C
from lczmap.raster import read_tags

pytestmark = pytest.mark.workflow


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Loopback]:
    monkeypatch.setenv("SH_CLIENT_ID", hub.CLIENT_ID)
    monkeypatch.setenv("SH_CLIENT_SECRET", hub.CLIENT_SECRET)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with Loopback() as running:
        yield running


def test_stac_with_radar_and_again_without_the_archive(server: Loopback, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    archive.mkdir(), folder.mkdir()
    url = serve(server, archive, [optical_item(archive), radar_item(archive)])
    optical = {"source": "stac", "endpoint": url, "level": "L2A"}
    radar = {"source": "stac", "endpoint": url, "channels": "grd4", "calibration": "gamma0"}
    config = city(folder, sentinel2=optical, sentinel1=radar)
    assert "1 of 1 scenes chosen" in mapped(folder, config)
    assert read_tags(folder / FOLDER / "lcz.tif")["LCZMAP_SENSORS"] == "sentinel-1 sentinel-2"
    first = (folder / FOLDER / "lcz.tif").read_bytes()
    asked = len(server.requests)
    shutil.rmtree(folder / "results")  # what was found and fetched stays in resources/
    mapped(folder, config)
    assert len(server.requests) == asked
    assert (folder / FOLDER / "lcz.tif").read_bytes() == first


def test_four_seasons_and_two_radar_dates_are_views_of_one_map(server: Loopback, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    archive.mkdir(), folder.mkdir()
    items = [optical_item(archive, f"S2_{month}", day=f"2024-{month}-11") for month in ("01", "04", "07", "10")]
    items += [radar_item(archive, f"S1_{day}", day=f"2024-06-{day}") for day in ("02", "14")]
    source = {"source": "stac", "endpoint": serve(server, archive, items)}
    optical = source | {"level": "L2A", "season": "four"}
    radar = source | {"channels": "grd4", "calibration": "gamma0", "dates": "softmax", "max_dates": 2}
    config = city(folder, sentinel2=optical, sentinel1=radar) | {"start": "2024-01-01", "end": "2024-12-31"}
    said = mapped(folder, config, "results/tiny/2024-01-01_2024-12-31")
    assert "training on 32 patches" in said  # 4 patches in each of 4 seasons and 2 radar dates
    names = {path.name for path in (folder / "results").rglob("tiles/*/s*.tif")}
    assert names == {
        "s1_1.tif",
        "s1_2.tif",
        *(f"s2_{season}.tif" for season in ("spring", "summer", "autumn", "winter")),
    }


def test_sentinel_hub_with_preferred_radar_that_is_not_there_keeps_its_secrets(
    server: Loopback, tmp_path: Path
) -> None:
    names = ["B8A" if b == "B8A" else f"B{int(b[1:]):02}" for b in S2_BANDS_L1C if b != "B10"]
    digital = lambda x, y: reflectance(WEST)(x, y) * 10_000  # noqa: E731
    paints = dict.fromkeys(names, digital) | {"SCL": lambda x, _: np.full(x.shape, 4.0)}
    hub.FakeSentinelHub(server, [hub.optical_item("S2A_MSIL2A_one", "2024-06-01T10:30:00Z")], paints)
    optical = {"source": "sentinelhub", "endpoint": server.url, "level": "L2A"}
    radar = {
        "source": "sentinelhub",
        "endpoint": server.url,
        "channels": "grd4",
        "use": "preferred",
        "orbit": "ascending",
    }
    said = mapped(tmp_path, city(tmp_path, sentinel2=optical, sentinel1=radar))
    assert "processing units" in said and "the map is made without Sentinel-1" in said
    assert read_tags(tmp_path / FOLDER / "lcz.tif")["LCZMAP_SENSORS"] == "sentinel-2"
    assert json.loads((tmp_path / FOLDER / "run.json").read_text())["sensors"] == "sentinel-2"
    secrets = [secret.encode() for secret in (hub.CLIENT_ID, hub.CLIENT_SECRET, hub.TOKEN)]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [path for path in files if any(secret in path.read_bytes() for secret in secrets)] == []
    assert not any(secret.decode() in said for secret in secrets)


def test_the_google_bucket(server: Loopback, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    archive.mkdir(), folder.mkdir()
    place = {"west": WEST - 2400, "north": NORTH + 2400, "width_m": 4800}
    product = Safe(sensed="2024-06-01T10:30:00.0Z", datatake="20240601T103001", **place)
    endpoint, bucket = serve_bucket(server, archive, [product], reflectance(WEST))
    optical = {"source": "gcs", "endpoint": endpoint, "bucket": bucket, "cloud_mask": "none"}
    mapped(folder, city(folder, sentinel2=optical, sentinel1={"use": "off"}))


def test_a_folder_of_safe_products_of_both_satellites(tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    archive.mkdir(), folder.mkdir()
    west, north = tiny_grd.WEST + 6000, tiny_grd.NORTH - 6000
    place = {"west": west - 2400, "north": north + 2400, "width_m": 4800, "crs": tiny_grd.CRS, "tile": "33TVM"}
    write_safe(archive, Safe(level="L2A", sensed="2024-05-03T10:00:00.0Z", **place), reflectance(west))
    digital = np.random.default_rng(1).integers(300, 900, (tiny_grd.LINES, tiny_grd.PIXELS), dtype=np.uint16)
    tiny_grd.write_safe(archive, digital)
    source = {"source": "local", "archive": str(archive)}
    config = city(
        folder, west, north, tiny_grd.CRS, sentinel2=source | {"level": "L2A"}, sentinel1=source | {"channels": "grd4"}
    )
    mapped(folder, config)
    stated = json.loads((folder / FOLDER / "scenes.json").read_text())["scenes"]
    assert {s["platform"] for s in stated} == {"sentinel-2b", "sentinel-1d"}


def test_an_archive_that_refuses_is_named_with_the_remedy_and_leaves_no_half_files(
    server: Loopback, tmp_path: Path
) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "work"
    archive.mkdir(), folder.mkdir()
    url = serve(server, archive, [optical_item(archive)])
    server.misbehave(r"/files/.*B05\.tif", "status", status=403, times=99)
    config = city(folder, sentinel2={"source": "stac", "endpoint": url, "level": "L2A"}, sentinel1={"use": "off"})
    said = refused(snakemake(folder, *arguments(folder, config)))
    assert "1 of 1 scenes could not be fetched" in said and "access is refused" in said
    assert not list(folder.rglob("*.part")) and not list(folder.rglob("B5.tif"))
