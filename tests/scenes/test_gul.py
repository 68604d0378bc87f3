from pathlib import Path

import numpy as np
import pytest
from tiny_archive import lattice, write_picture

from lczmap.channels import S2_10, S2_BANDS_L1C, SO2SAT8
from lczmap.raster import write_cells
from lczmap.scenes.catalogue import radar_assets
from lczmap.scenes.clouds import read_asset
from lczmap.scenes.local import read_archive, write_archive
from lczmap.scenes.radar import radar_block
from lczmap.scenes.sources.products.gul import is_gul, read_gul

BOX = lattice(10, 400, west=400_000.0, north=5_800_000.0)


def write_bands(path: Path, values: tuple[float, ...], dtype: str) -> None:
    pixels = np.stack([np.full(BOX.shape, value, dtype) for value in values])
    pixels[:, 0, 0] = 0
    write_cells(path, pixels, BOX, names=[""] * len(values), nodata=None)


def write_city(
    folder: Path,
    *,
    season: str | None = "summer",
    bands: int = 13,
    unfiltered: tuple[float, ...] = (0.1, -0.2, 0.3, 0.4),
    filtered: tuple[float, ...] | None = (0.05, 0.01, -0.02, 0.25),
) -> Path:
    city = folder / "00017_22007_Lagos"
    if season:
        values = tuple(100.0 * (i + 1) for i in range(bands))
        write_bands(city / season / f"22007_{season[:6]}.tif", values, "uint16")
    if unfiltered:
        write_bands(city / "mosaic_unfilt_dat/201706/mosaic.tif", unfiltered, "float32")
    if filtered:
        write_bands(city / "mosaic_dat/201706/mosaic.tif", filtered, "float32")
    return city


def test_optical_bands_are_in_the_instruments_order(tmp_path: Path) -> None:
    write_city(tmp_path)
    scene = next(s for s in read_gul(tmp_path) if s.sensor == "sentinel-2")
    assert tuple(scene.assets) == S2_BANDS_L1C
    assert (scene.id, scene.datetime) == ("00017_22007_Lagos_S2_summer_2017", "2017-07-15T00:00:00Z")
    assert dict(scene.state) == {"level": "L1C"}
    # the authors' program takes bands 1..8, 11, 12 (from 0) as the ten of So2Sat
    numbers = [read_asset(scene.assets[b], BOX, "nearest")[5, 5] for b in S2_10.channels]
    assert numbers == pytest.approx([0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.12, 0.13])
    assert np.isnan(read_asset(scene.assets["B2"], BOX, "nearest")[0, 0])


def test_radar_has_the_eight_channels_of_so2sat(tmp_path: Path) -> None:
    write_city(tmp_path)
    scene = next(s for s in read_gul(tmp_path) if s.sensor == "sentinel-1")
    assert scene.datetime == "2017-06-01T00:00:00Z"
    assert set(radar_assets(scene, "so2sat8")) == set(SO2SAT8.channels)
    block = radar_block(scene, BOX, "so2sat8", (0.0, 0.0))
    assert block[:, 5, 5] == pytest.approx([0.1, -0.2, 0.3, 0.4, 0.05, 0.25, 0.01, -0.02])
    assert np.isnan(block[:, 0, 0]).all()


def test_scenes_can_be_described_as_an_archive(tmp_path: Path) -> None:
    scenes = read_gul(write_city(tmp_path))
    write_archive(tmp_path / "archive.yaml", scenes)
    assert read_archive(tmp_path) == scenes


def test_year_of_a_season_is_its_folders(tmp_path: Path) -> None:
    write_city(tmp_path, season="autumn_2018", unfiltered=())
    with pytest.raises(ValueError, match="expected <city>"):
        read_gul(tmp_path / "nothing")
    assert read_gul(tmp_path)[0].datetime == "2018-10-15T00:00:00Z"


def test_season_of_no_known_year_is_refused(tmp_path: Path) -> None:
    write_city(tmp_path, unfiltered=())
    with pytest.raises(ValueError, match="name its folder such as summer_2017"):
        read_gul(tmp_path)


def test_other_numbers_of_bands_are_refused(tmp_path: Path) -> None:
    write_city(tmp_path / "a", bands=10)
    with pytest.raises(ValueError, match=r"expected 13 Sentinel-2 bands .*, got 10 bands"):
        read_gul(tmp_path / "a")
    write_city(tmp_path / "b", unfiltered=(1.0, 1.0))
    with pytest.raises(ValueError, match=r"expected 4 bands Re VH, .*, got 2 bands"):
        read_gul(tmp_path / "b")


def test_unfiltered_radar_without_filtered_is_refused(tmp_path: Path) -> None:
    write_city(tmp_path, filtered=None)
    with pytest.raises(ValueError, match="expected its Lee-filtered image"):
        read_gul(tmp_path)


def test_covariance_with_vv_first_is_refused(tmp_path: Path) -> None:
    write_city(tmp_path, filtered=(0.25, 0.01, 0.02, 0.05))
    with pytest.raises(ValueError, match="VV first"):
        read_gul(tmp_path)


def test_layout_is_recognised(tmp_path: Path) -> None:
    assert not is_gul(tmp_path)
    write_picture(tmp_path / "city/summer/picture.tif", BOX, np.ones(BOX.shape))
    assert not is_gul(tmp_path)
    city = write_city(tmp_path)
    assert is_gul(tmp_path) and is_gul(city)
