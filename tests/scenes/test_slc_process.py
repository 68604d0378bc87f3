"""A whole SLC product through the pipeline, on synthetic images over real annotations (tests/sar/synthetic_slc.py)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from sar.independent_radar import Radar, near, read_radar
from sar.synthetic_scene import (
    CRS,
    PEAK_M,
    PIXEL_M,
    TO_LONLAT,
    around,
    centres,
    find_product,
    hills,
    locate,
    seam_map,
)
from sar.synthetic_slc import Painting, blob, places, speckle, unpack_annotations, write_safe, zipped

from lczmap.channels import channel_set
from lczmap.grid import Grid
from lczmap.raster import lattice, read_onto, write_cells
from lczmap.sar.polsar import equivalent_looks
from lczmap.sar.safe import open_slc
from lczmap.scenes.slc.flight import flight_of
from lczmap.scenes.slc.pixels import Terrain, geocoded_parts
from lczmap.scenes.slc.process import SlcOptions, process_slc

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

SEAM = "IW1 3|4 at IW2"
HEIGHT = 1200.0
C11, C22, C12 = 0.05, 0.25, 0.06 * np.exp(1j * np.radians(40))
RATIO = 0.5 * np.exp(1j * np.radians(40))  # VH / VV of the point targets


@pytest.fixture(scope="module")
def annotations(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_annotations(find_product(real_data), tmp_path_factory.mktemp("safe"))


@pytest.fixture(scope="module")
def radar(annotations: Path) -> Radar:
    return read_radar(annotations)


def height_model(folder: Path, geobox: GeoBox, *, flat: bool) -> Path:
    """Write a height model on pixels of 30 m, 4 km beyond a map: flat at HEIGHT, or hills."""
    west, south, east, north = around(geobox, 4000.0)
    shape = round((north - south) / 30), round((east - west) / 30)
    model = GeoBox(shape, Affine(30, 0, west, 0, -30, north), CRS)
    height = np.full(shape, HEIGHT) if flat else hills(*centres(model))
    write_cells(folder / "heights.tif", height[None].astype(np.float32), model, names=("height",), nodata=np.nan)
    return folder / "heights.tif"


def processed(safe: Path, geobox: GeoBox, names: tuple[str, ...], terrain: Terrain) -> Float:
    """Return channels (n, rows, cols) of one map, with the product's own orbit."""
    product = open_slc(safe)
    out = np.full((len(names), *geobox.shape), np.nan, np.float32)
    for (rows, cols), pixels in geocoded_parts(product, flight_of(product, None).fit, geobox, names, terrain):
        out[:, rows, cols] = pixels
    return out


# ---------------------------------------------------------------- homogeneous ground


@dataclass(frozen=True)
class Homogeneous:
    """A product that shows the same speckle everywhere around a seam of bursts and swaths, and its heights."""

    product: Path
    city: Grid
    heights: Path


@pytest.fixture(scope="module")
def homogeneous(annotations: Path, radar: Radar, tmp_path_factory: pytest.TempPathFactory) -> Homogeneous:
    folder = tmp_path_factory.mktemp("homogeneous")
    geobox = seam_map(radar, SEAM, 40, HEIGHT)
    bounds = around(geobox, 3200.0)  # the city and the margin that scenes have
    windows = places(radar, near(radar, CRS, bounds, (0.0, 3000.0)), bounds, (HEIGHT,))
    safe = write_safe(annotations, folder, speckle(windows, (C11, C12, C22), seed=11))
    box = geobox.boundingbox
    city = Grid(CRS, box.left, box.top, 40, 40, 10, 40, shapely.box(box.left, box.bottom, box.right, box.top))
    return Homogeneous(zipped(safe, folder), city, height_model(folder, geobox, flat=True))


@pytest.fixture(scope="module")
def channels(homogeneous: Homogeneous, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Float]:
    """Return the so2sat8 channels that the pipeline wrote, by name."""
    folder = tmp_path_factory.mktemp("scenes")
    scene = process_slc(
        homogeneous.product, homogeneous.city, folder, None, SlcOptions("so2sat8", Terrain(homogeneous.heights))
    )
    assert scene is not None
    assert (scene.platform, scene.orbit_direction, scene.relative_orbit) == ("sentinel-1a", "descending", 71)
    assert tuple(scene.assets) == channel_set("so2sat8").channels
    target = homogeneous.city.geobox.pad(300)  # and the margin of 3 km
    assert all(lattice(Path(asset.path)) == target for asset in scene.assets.values())
    return {
        name: read_onto(asset.path, target, band=asset.band, resampling="nearest")
        for name, asset in scene.assets.items()
    }


def test_a_map_over_all_seams_has_no_hole(channels: dict[str, Float]) -> None:
    # also not where one polarisation of a pixel happens to be 0 + 0i
    assert {name: int(np.isnan(pixels).sum()) for name, pixels in channels.items()} == dict.fromkeys(channels, 0)


def test_the_unfiltered_channels_have_the_sigma0_of_the_ground(channels: dict[str, Float]) -> None:
    vh, vv = (channels[f"{name}_re"] + 1j * channels[f"{name}_im"].astype(np.complex128) for name in ("VH", "VV"))
    assert abs(10 * np.log10(np.nanmean(np.abs(vh) ** 2) / C11)) < 0.1
    assert abs(10 * np.log10(np.nanmean(np.abs(vv) ** 2) / C22)) < 0.1
    assert abs(np.nanmean(vh * np.conj(vv)) / C12 - 1) < 0.03
    # of each other the parts know nothing: circular, and turned by the ramp
    assert abs(np.nanmean(vv**2)) < 0.01 * C22


def test_the_filtered_channels_have_the_known_bias_and_many_looks(channels: dict[str, Float]) -> None:
    # the darker half of each window is taken: .96 and .87 of the truth where VH and VV are independent, as good as here
    assert np.nanmean(channels["VH_lee"]) / C11 == pytest.approx(0.94, abs=0.02)
    assert np.nanmean(channels["VV_lee"]) / C22 == pytest.approx(0.87, abs=0.02)
    c12 = np.nanmean(channels["C12_re"] + 1j * channels["C12_im"].astype(np.complex128))
    assert np.degrees(np.angle(c12)) == pytest.approx(40, abs=1)
    assert equivalent_looks(channels["VV_lee"], window=25) > 25
    assert equivalent_looks(channels["VV_re"] ** 2 + channels["VV_im"] ** 2) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", ["rsnnet9", "grd4"])
def test_other_channel_sets_come_from_the_same_product(
    annotations: Path, radar: Radar, homogeneous: Homogeneous, name: str, tmp_path: Path
) -> None:
    names = channel_set(name).channels
    pixels = dict(
        zip(
            names,
            processed(unzipped(homogeneous), homogeneous.city.geobox, names, Terrain(homogeneous.heights)),
            strict=True,
        )
    )
    assert all(np.isfinite(layer).all() for layer in pixels.values())
    assert np.mean(pixels["VH"]) == pytest.approx(C11, rel=0.15)
    assert np.mean(pixels["VV"]) == pytest.approx(C22, rel=0.15)
    if name == "rsnnet9":
        matrix = np.array([[C11, C12], [np.conj(C12), C22]])
        power = np.linalg.eigvalsh(matrix) / np.trace(matrix).real
        # of 25 looks the smaller eigenvalue, and with it the entropy, is estimated somewhat too small
        assert np.mean(pixels["Entropy"]) == pytest.approx(-(power * np.log2(power)).sum(), abs=0.05)
        assert np.mean(pixels["C12_re_mean"]) == pytest.approx(C12.real, rel=0.15)
        assert np.mean(pixels["C12_im_mean"]) == pytest.approx(C12.imag, rel=0.15)


def unzipped(homogeneous: Homogeneous) -> Path:
    return next(homogeneous.product.parent.glob("*.SAFE"))


# ---------------------------------------------------------------- point targets


@pytest.mark.parametrize("shift_m", [(0.0, 0.0), (12.5, -37.0)])
def test_point_targets_on_hills_land_within_a_pixel_of_where_they_are(
    annotations: Path, radar: Radar, tmp_path: Path, shift_m: tuple[float, float]
) -> None:
    geobox = seam_map(radar, SEAM, 300)
    left, bottom, right, top = around(geobox, -300.0)
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(left, right, 4), np.linspace(bottom, top, 4)))
    x, y = x + np.linspace(-4, 4, 16), y + np.linspace(5, -3, 16)  # not at pixel centres
    paintings: list[Painting] = []
    for place in zip(*TO_LONLAT.transform(x, y), hills(x, y), strict=True):
        echoes = radar.echoes(*radar.image_time(*place))
        paintings += [blob(radar, echo, vv=60, ratio=RATIO, width_px=(1.0, 3.5)) for echo in echoes]
    assert len(paintings) > 24  # most lie in an overlap of bursts or swaths
    safe = write_safe(annotations, tmp_path, paintings)
    terrain = Terrain(height_model(tmp_path, geobox, flat=False), shift_m)
    pixels = np.nan_to_num(processed(safe, geobox, ("VV", "VH"), terrain).astype(np.float64))
    assert pixels[1].max() == pytest.approx(pixels[0].max() / 4, rel=0.01)
    map_x, map_y = centres(geobox)
    for east, north in zip(x + shift_m[0], y + shift_m[1], strict=True):
        close = np.where(np.hypot(map_x - east, map_y - north) < 150, pixels[0], 0)
        peak, centroid = locate(close, geobox)
        assert np.hypot(*(peak - (east, north))) < PEAK_M
        assert np.hypot(*(centroid - (east, north))) < 0.4 * PIXEL_M
