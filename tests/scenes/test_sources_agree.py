"""The same ground through every source: the same stack, whatever tiles it is cut into."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fake_sentinel_hub as hub
import numpy as np
import pytest
from fake_gcs import serve_bucket
from loopback import Loopback
from stac_archive import optical_item, radar_item, save_catalogue, serve
from tiny_archive import NORTH, WEST, make_grid, pixel_centres
from tiny_safe import Safe, write_safe

from lczmap.channels import S2_10, S2_BANDS_L1C
from lczmap.grid import tile_geobox, tiles
from lczmap.raster import read_stack
from lczmap.scenes.local import read_archive
from lczmap.scenes.sources.fetch import fetch_scenes, read_found, search_archive
from lczmap.scenes.sources.products.folder import ProductFolder
from lczmap.scenes.sources.registry import make_source
from lczmap.scenes.sources.source import Request, Source
from lczmap.scenes.stack import OpticalOptions, stack_sentinel1, stack_sentinel2

pytestmark = pytest.mark.server

GRID = make_grid(120, 120)
NARROW = make_grid(120, 60)  # tiles of half the width
PERIOD = ("2024-06-01", "2024-06-30")
SLOPE = 1e-5  # reflectance per metre: one DN per 10 m

Make = Callable[[Loopback, Path], tuple[Source, str]]


def reflectance(x, y):
    """What tests/scenes/stac_archive.py paints."""
    return 0.02 + SLOPE * (x - WEST + 5000) + 0 * y


def stac(server: Loopback, folder: Path) -> tuple[Source, str]:
    return make_source("stac", endpoint=serve(server, folder, [optical_item(folder)])), "L2A"


def catalogue(_: Loopback, folder: Path) -> tuple[Source, str]:
    return make_source("stac", endpoint=str(save_catalogue(folder, [optical_item(folder)]))), "L2A"


def sentinelhub(server: Loopback, _: Path) -> tuple[Source, str]:
    digital = lambda x, y: reflectance(x, y) * 10_000  # noqa: E731
    names = ["B8A" if b == "B8A" else f"B{int(b[1:]):02}" for b in S2_10.channels]
    paints = dict.fromkeys(names, digital) | {"SCL": lambda x, _: np.full(x.shape, 4.0)}
    item = hub.optical_item("S2A_MSIL2A_one", "2024-06-01T10:30:00Z")
    hub.FakeSentinelHub(server, [item], paints)
    return make_source("sentinelhub", endpoint=server.url), "L2A"


def safe_folder(_: Loopback, folder: Path) -> tuple[Source, str]:
    product = Safe(level="L2A", sensed="2024-06-01T10:30:00.0Z", west=WEST - 2400, north=NORTH + 2400, width_m=4800)
    write_safe(folder, product, reflectance)
    return make_source("local", folder=folder), "L2A"


def gcs(server: Loopback, folder: Path) -> tuple[Source, str]:
    product = Safe(
        sensed="2024-06-01T10:30:00.0Z", datatake="20240601T103001", west=WEST - 2400, north=NORTH + 2400, width_m=4800
    )
    endpoint, bucket = serve_bucket(server, folder, [product], reflectance)
    return make_source("gcs", endpoint=endpoint, bucket=bucket), "L1C"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Loopback]:
    monkeypatch.setenv("SH_CLIENT_ID", hub.CLIENT_ID)
    monkeypatch.setenv("SH_CLIENT_SECRET", hub.CLIENT_SECRET)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with Loopback() as running:
        yield running


@pytest.mark.parametrize("make", [stac, catalogue, sentinelhub, safe_folder, gcs], ids=lambda make: make.__name__)
def test_every_source_gives_the_same_ground_in_any_tiling(make: Make, server: Loopback, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    source, level = make(server, folder)
    bands = S2_10.channels if level == "L2A" else S2_BANDS_L1C
    request = Request(GRID, "sentinel-2", *PERIOD, bands, level=level)
    search_archive(source, request, tmp_path / "found.json", max_dates=3)
    archive = tmp_path / "fetched" / "archive.yaml"
    fetch_scenes(source, read_found(tmp_path / "found.json"), request, archive)
    (scene,) = read_archive(archive)
    assert scene.state == {"level": level}
    assert (scene.cloud is None) == (level == "L1C")
    options = OpticalOptions(clouds="source" if level == "L2A" else "none")
    whole = tmp_path / "whole.tif"
    count = stack_sentinel2([scene], GRID, tiles(GRID)[0], whole, options)
    assert (count == 1).all()
    stack = read_stack(whole)
    x, y = pixel_centres(stack.geobox)
    assert np.abs(stack.pixels - reflectance(x, y)).max() < 1.01e-4  # one DN, which is one pixel of this slope
    for tile in tiles(NARROW):
        stack_sentinel2([scene], NARROW, tile, tmp_path / "part.tif", options)
        part = read_stack(tmp_path / "part.tif")
        assert part.geobox == tile_geobox(NARROW, tile)
        rows, cols = slice(tile.row, tile.row + part.pixels.shape[1]), slice(tile.col, tile.col + part.pixels.shape[2])
        np.testing.assert_array_equal(part.pixels, stack.pixels[:, rows, cols])


def test_the_same_pixels_as_stac_and_as_sentinel_hub_give_the_same_stack(server: Loopback, tmp_path: Path) -> None:
    """20 m bands are upsampled by us in one case, and come upsampled in the other."""
    stacks = []
    for make in (stac, sentinelhub):
        folder = tmp_path / make.__name__
        folder.mkdir()
        source, level = make(server, folder)
        request = Request(GRID, "sentinel-2", *PERIOD, S2_10.channels, level=level)
        chosen = search_archive(source, request, folder / "found.json", max_dates=1)
        scenes = fetch_scenes(source, chosen, request, folder / "fetched" / "archive.yaml")
        stack_sentinel2(scenes, GRID, tiles(GRID)[0], folder / "s2.tif", OpticalOptions(clouds="source"))
        stacks.append(read_stack(folder / "s2.tif"))
    first, second = stacks
    assert first.geobox == second.geobox and first.channels == second.channels
    assert np.abs(first.pixels - second.pixels).max() <= 1.01e-4  # one DN


def test_radar_of_stac_and_of_sentinel_hub_gives_the_same_stack(server: Loopback, tmp_path: Path) -> None:
    url = serve(server, tmp_path, [radar_item(tmp_path)])
    constant = {name: lambda x, _, value=value: np.full(x.shape, value) for name, value in (("VH", 0.01), ("VV", 0.1))}
    hub.FakeSentinelHub(server, [hub.radar_item("S1A_one", "2024-06-02T05:46:39Z")], constant)
    wish = Request(GRID, "sentinel-1", *PERIOD, ("VH", "VV"), calibration="gamma0")
    sources = [make_source("stac", endpoint=url), make_source("sentinelhub", endpoint=server.url)]
    pixels = []
    for number, source in enumerate(sources):
        folder = tmp_path / str(number)
        chosen = search_archive(source, wish, folder / "found.json", max_dates=1)
        scenes = fetch_scenes(source, chosen, wish, folder / "fetched" / "archive.yaml")
        scenes = [replace(scene, usable_fraction=1.0) for scene in scenes]
        assert scenes[0].state["calibration"] == "gamma0"
        stack_sentinel1(scenes, GRID, tiles(GRID)[0], folder / "s1.tif", channels="grd4")
        pixels.append(read_stack(folder / "s1.tif").pixels)
    np.testing.assert_allclose(pixels[0], pixels[1], rtol=1e-4)


def test_what_windows_depend_on_makes_another_folder_and_a_lost_window_is_fetched_again(tmp_path: Path) -> None:
    items = tmp_path / "items"
    items.mkdir()
    endpoint = str(save_catalogue(items, [optical_item(items)]))
    wish = Request(GRID, "sentinel-2", *PERIOD, S2_10.channels, level="L2A")
    archive = tmp_path / "fetched" / "archive.yaml"
    source = make_source("stac", endpoint=endpoint)
    (found,) = search_archive(source, wish, tmp_path / "found.json", max_dates=1)
    (first,) = fetch_scenes(source, [found], wish, archive)
    Path(first.assets["B8"].path).unlink()
    (second,) = fetch_scenes(source, [found], wish, archive)
    assert second == first and Path(second.assets["B8"].path).is_file()
    other = make_source("stac", endpoint=endpoint, collection="sentinel-2-l2a")
    (third,) = fetch_scenes(other, [found], wish, archive)
    assert third.assets["B8"].path != first.assets["B8"].path
    products = [
        ProductFolder(tmp_path, remove_noise=noise, geoid_m=geoid) for noise in (True, False) for geoid in (0.0, 45.0)
    ]
    assert len({one.key for one in products}) == 4
