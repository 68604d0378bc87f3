"""What an SLC product is processed to again, what is kept, and that blocks, chunks and shifts change nothing else."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from sar.independent_radar import Radar, near, read_radar
from sar.synthetic_scene import CRS, around, centres, find_product, hills, seam_map
from sar.synthetic_slc import places, speckle, unpack_annotations, write_safe

from lczmap.grid import Grid, tiles
from lczmap.raster import read_cells, read_stack, write_cells
from lczmap.sar.orbit import OrbitFit
from lczmap.sar.safe import open_slc
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.local import read_archive
from lczmap.scenes.overpass import measure_usable
from lczmap.scenes.slc import pixels as module
from lczmap.scenes.slc.batch import place_products, process_products
from lczmap.scenes.slc.flight import flight_of
from lczmap.scenes.slc.pixels import Terrain, geocoded_parts, geometry_parts
from lczmap.scenes.slc.process import SlcOptions, process_slc
from lczmap.scenes.stack import stack_sentinel1

pytestmark = pytest.mark.slow
SEAM = "IW1 3|4 at IW2"
HEIGHT = 1500.0
NAMES = ("VV_re", "VV_im", "VH_lee")


@pytest.fixture(scope="module")
def radar(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Radar:
    return read_radar(unpack_annotations(find_product(real_data), tmp_path_factory.mktemp("facts")))


@pytest.fixture(scope="module")
def product(radar: Radar, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SAFE folder with speckle over the city and 5 km around it."""
    folder = tmp_path_factory.mktemp("product")
    bounds = around(seam_map(radar, SEAM, 40, HEIGHT), 5000.0)
    windows = places(radar, near(radar, CRS, bounds, (0.0, 3000.0)), bounds, (HEIGHT,))
    annotations = unpack_annotations(find_product(real_data), folder / "annotations")
    return write_safe(annotations, folder, speckle(windows, (0.05, 0.02 + 0j, 0.25), seed=5))


@pytest.fixture(scope="module")
def heights(radar: Radar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heights(tmp_path_factory.mktemp("heights") / "hills.tif", seam_map(radar, SEAM, 40, HEIGHT), 0.0)


def write_heights(path: Path, geobox: GeoBox, raised: float) -> Path:
    model = geobox.pad(900)
    write_cells(path, (hills(*centres(model)) + raised)[None].astype(np.float32), model, names=["height"], nodata=None)
    return path


def city_of(radar: Radar, size_px: int = 40) -> Grid:
    box = seam_map(radar, SEAM, 40, HEIGHT).boundingbox
    extent = shapely.box(box.left, box.top - size_px * 10, box.left + size_px * 10, box.top)
    return Grid(CRS, box.left, box.top, size_px, size_px, 10, size_px, extent)


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tif")}


def test_what_is_made_is_kept_until_something_changes(
    radar: Radar, product: Path, heights: Path, tmp_path: Path
) -> None:
    options = SlcOptions("grd4", Terrain(heights), geometry_layers=True)
    small, out = city_of(radar), tmp_path / "out"
    process_slc(product, small, out, None, options)
    first = files(out)
    assert len(first) == 2
    process_slc(product, small, out, None, options)
    assert files(out) == first  # nothing is written again
    process_slc(product, city_of(radar, 60), out, None, options)
    grown = files(out)
    assert set(grown) == set(first) and all(grown[name] > first[name] for name in first)  # both, on the new pixels
    raised = replace(options, terrain=Terrain(write_heights(tmp_path / "other.tif", small.geobox, 100.0)))
    process_slc(product, small, out, None, raised)
    moved = replace(options, terrain=Terrain(heights, (5.0, 0.0)))
    process_slc(product, small, out, None, moved)
    assert len(files(out)) == 6
    copy = tmp_path / "copy" / product.name
    shutil.copytree(product, copy)
    process_slc(copy, small, out, None, options)
    image = next((copy / "measurement").glob("*iw1-slc-vv*.tiff"))
    os.utime(image, ns=(image.stat().st_atime_ns, image.stat().st_mtime_ns + 10**10))  # another product of this name
    process_slc(copy, small, out, None, options)
    assert len(files(out)) == 10


def test_pixels_of_earlier_settings_are_deleted(radar: Radar, product: Path, heights: Path, tmp_path: Path) -> None:
    ids, orbits, archive = {product.stem: product}, {product.stem: None}, tmp_path / "slc" / "archive.yaml"
    options = SlcOptions("grd4", Terrain(heights), geometry_layers=True)
    process_products(ids, orbits, city_of(radar), archive, options)
    first = files(archive.parent)
    other = replace(options, terrain=Terrain(write_heights(tmp_path / "o.tif", city_of(radar).geobox, 50.0)))
    process_products(ids, orbits, city_of(radar), archive, other)
    assert len(files(archive.parent)) == 2 and not set(files(archive.parent)) & set(first)


def test_a_killed_jobs_unpacked_images_are_swept(radar: Radar, product: Path, heights: Path, tmp_path: Path) -> None:
    left = tmp_path / ".unpacked" / "big.tiff"
    left.parent.mkdir()
    left.write_bytes(b"0")
    process_slc(product, city_of(radar), tmp_path, None, SlcOptions("grd4", Terrain(heights)))
    assert not left.parent.exists()


def test_a_pass_placed_at_a_shift_of_whole_pixels_is_the_moved_one(
    radar: Radar, product: Path, heights: Path, tmp_path: Path
) -> None:
    ids, orbits, city = {product.stem: product}, {product.stem: None}, city_of(radar)
    options = SlcOptions("so2sat8", Terrain(heights), geometry_layers=True)
    process_products(ids, orbits, city, tmp_path / "a" / "archive.yaml", options)
    scenes = measure_usable(read_archive(tmp_path / "a" / "archive.yaml"), city)
    shifts = {"scenes": {product.stem: {"shift_east_m": 20.0, "shift_north_m": -10.0, "applied": True}}}
    place_products(
        ids, orbits, city, tmp_path / "b" / "archive.yaml", options,
        scenes=scenes, shifts=shifts, dates="single", max_dates=1,
    )  # fmt: skip
    placed = read_archive(tmp_path / "b" / "archive.yaml")
    assert stacked(scenes, city, shifts, tmp_path / "moved.tif", None) == pytest.approx(
        stacked(scenes, city, shifts, tmp_path / "placed.tif", placed), abs=0
    )
    (before, _), (after, _) = (read_cells(next((tmp_path / name).glob("*_geometry.tif"))) for name in "ab")
    assert np.abs(after[0, 1:, 2:] - before[0, :-1, :-2]).max() < 0.01 < np.abs(after[0] - before[0]).max()


def stacked(scenes: list[Scene], city: Grid, shifts: dict, out: Path, placed: list[Scene] | None) -> np.ndarray:
    stack_sentinel1(scenes, city, tiles(city)[0], out, channels="so2sat8", shifts=shifts, placed=placed)
    return read_stack(out).pixels


def whole(product: Path, target: GeoBox, heights: Path) -> np.ndarray:
    opened = open_slc(product)
    out = np.full((len(NAMES), *target.shape), np.nan, np.float32)
    for (rows, cols), part in geocoded_parts(opened, orbit_of(product), target, NAMES, Terrain(heights)):
        out[:, rows, cols] = part
    return out


def orbit_of(product: Path) -> OrbitFit:
    return flight_of(open_slc(product), None).fit


@pytest.mark.parametrize(("name", "value"), [("BLOCK_PX", 97), ("CHUNK_PX", 57)])
def test_blocks_and_chunks_leave_no_trace(
    radar: Radar, product: Path, heights: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    target = seam_map(radar, SEAM, 260, HEIGHT)
    once = whole(product, target, heights)
    assert np.isfinite(once).all()
    monkeypatch.setattr(module, name, value)
    assert np.array_equal(whole(product, target, heights), once)


def test_mountains_in_a_neighbouring_block_throw_their_shadow_across(
    radar: Radar, product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = seam_map(radar, SEAM, 200, HEIGHT)
    model = target.pad(300)
    x, y = centres(model)
    steep = HEIGHT + 900 * np.exp(-((x - x.mean()) ** 2 + (y - y.mean()) ** 2) / (2 * 250**2))
    write_cells(tmp_path / "peak.tif", steep[None].astype(np.float32), model, names=["height"], nodata=None)
    monkeypatch.setattr(module, "BLOCK_PX", 100)  # the peak stands where four blocks meet
    layers = np.empty((2, 200, 200), np.float32)
    for (rows, cols), part in geometry_parts(orbit_of(product), target, Terrain(tmp_path / "peak.tif")):
        layers[:, rows, cols] = part
    monkeypatch.undo()
    ((_, undivided),) = geometry_parts(orbit_of(product), target, Terrain(tmp_path / "peak.tif"))
    assert {1, 2} <= set(np.unique(undivided[1]).astype(int))
    assert (layers[1] != undivided[1]).mean() < 0.005  # the direction of range is that of each block's centre
    assert np.abs(layers[0] - undivided[0]).max() < 1e-4


def test_numbers_outside_the_valid_samples_are_no_data(
    radar: Radar, product: Path, heights: Path, tmp_path: Path
) -> None:
    target = seam_map(radar, SEAM, 100, HEIGHT)
    clean = whole(product, target, heights)
    copy = tmp_path / product.name
    shutil.copytree(product, copy)
    for image in (copy / "measurement").glob("*iw1-slc*.tiff"):
        with rasterio.open(image, "r+") as opened:  # behind the last valid sample of all lines of two bursts
            lines = opened.height // 9
            junk = np.full((2 * lines, opened.width - 21_002), 30_000 + 30_000j, np.complex64)
            opened.write(junk, 1, window=Window(21_002, 3 * lines, junk.shape[1], junk.shape[0]))
    assert np.array_equal(whole(copy, target, heights), clean)


def test_a_product_beside_the_city_shows_nothing_of_it(
    radar: Radar, product: Path, heights: Path, tmp_path: Path
) -> None:
    city = city_of(radar)
    far = replace(city, west=city.west + 400_000, aoi=shapely.affinity.translate(city.aoi, 400_000, 0))
    assert process_slc(product, far, tmp_path, None, SlcOptions("grd4", Terrain(heights))) is None
    assert not list(tmp_path.iterdir())
