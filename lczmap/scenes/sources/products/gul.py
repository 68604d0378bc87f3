"""Analysis-ready Sentinel-1 and Sentinel-2 images of So2Sat GUL (mediaTUM 1633461), one folder per city.

The data set's own description was not available; this is the layout that its authors' programs write and read
(github.com/zhu-xlab/So2Sat-LCZ-Classification-Demo, read 2026), not verified on the data:

    <city>/<season>/<code>_<season>.tif          Sentinel-2, season spring, summer, autumn or winter
    <city>/mosaic_unfilt_dat/<YYYYMM>/mosaic.tif  Sentinel-1, unfiltered
    <city>/mosaic_dat/<YYYYMM>/mosaic.tif         Sentinel-1, refined Lee filter

Sentinel-2: 13 bands in the instrument's order (B1 … B8, B8A, B9 … B12), cloud-free seasonal composites of
top-of-atmosphere reflectance, DN/10000, 10 m. Sentinel-1: four bands each, single-look complex amplitude
(Re VH, Im VH, Re VV, Im VV), and covariance (C11 = VH, Re C12, Im C12, C22 = VV), sigma0, with thermal noise.
0 is no data in all of them. Images carry no day: a Sentinel-1 month counts as its first day; a season as the middle of
its middle month, in the year that its folder names (`summer_2017`), else that of the city's Sentinel-1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lczmap.channels import S2_BANDS_L1C
from lczmap.raster import band_names, lattice, read_window
from lczmap.scenes.catalogue import Asset, Scene, Unit

SEASON_MIDDLE = {"spring": "04-15", "summer": "07-15", "autumn": "10-15", "winter": "01-15"}
UNFILTERED, FILTERED = "mosaic_unfilt_dat", "mosaic_dat"
UNFILTERED_BANDS = ("VH_re", "VH_im", "VV_re", "VV_im")
FILTERED_BANDS = ("VH_lee", "C12_re", "C12_im", "VV_lee")
SCALE = 1e-4
S1_STATE = {"product": "slc", "calibration": "sigma0", "noise_removed": "false", "looks": "1"}
_SEASON = re.compile(r"(?P<season>spring|summer|autumn|winter)(_(?P<year>\d{4}))?")
_SAMPLE_PX = 1000


def is_gul(folder: Path) -> bool:
    """Say whether a folder holds cities in the layout of So2Sat GUL."""
    return bool(_seasons(folder) or _months(folder))


def read_gul(folder: Path) -> list[Scene]:
    """Return the seasonal Sentinel-2 and monthly Sentinel-1 scenes of the cities in or below a folder.

    A Sentinel-1 scene has the eight channels of `so2sat8`. ValueError for another number of bands, an unfiltered
    image without its filtered one, bands that are not in the documented order, or a season of no known year.
    """
    months = _months(folder)
    scenes = [_radar(path) for path in months]
    years = {_city(path): path.parent.name[:4] for path in months}
    scenes += [_optical(path, years.get(_city(path))) for path in _seasons(folder)]
    if not scenes:
        raise ValueError(
            f"{folder}: expected <city>/<season>/*_<season>.tif or <city>/{UNFILTERED}/<YYYYMM>/mosaic.tif"
        )
    return scenes


def _seasons(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*.tif")):
        season = _SEASON.fullmatch(path.parent.name)
        if season and path.stem.endswith(f"_{season['season']}"):
            found.append(path)
    return found


def _months(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob(f"{UNFILTERED}/*/mosaic.tif")) if re.fullmatch(r"\d{6}", p.parent.name)]


def _city(path: Path) -> str:
    # Sentinel-1: <city>/mosaic_unfilt_dat/201706/mosaic.tif, Sentinel-2: <city>/summer/17_summer.tif
    return path.parents[2].name if path.name == "mosaic.tif" else path.parents[1].name


def _optical(path: Path, radar_year: str | None) -> Scene:
    season = _SEASON.fullmatch(path.parent.name)
    assert season is not None  # as `_seasons` found it
    year = season["year"] or radar_year
    if year is None:
        raise ValueError(
            f"{path}: expected the year of the season; name its folder such as {path.parent.name}_2017, or put the "
            "city's Sentinel-1 months beside it"
        )
    _check_bands(path, len(S2_BANDS_L1C), "Sentinel-2 bands B1 … B8, B8A, B9 … B12")
    assets = {
        band: Asset(str(path), band=number, scale=SCALE, nodata=0, unit="reflectance")
        for number, band in enumerate(S2_BANDS_L1C, start=1)
    }
    day = f"{year}-{SEASON_MIDDLE[season['season']]}"
    return _scene(f"{_city(path)}_S2_{season['season']}_{year}", "sentinel-2", day, {"level": "L1C"}, assets)


def _radar(path: Path) -> Scene:
    filtered = Path(str(path).replace(f"/{UNFILTERED}/", f"/{FILTERED}/"))
    if not filtered.is_file():
        raise ValueError(f"{path}: expected its Lee-filtered image {filtered}, no such file")
    _check_bands(path, len(UNFILTERED_BANDS), "bands Re VH, Im VH, Re VV, Im VV")
    _check_bands(filtered, len(FILTERED_BANDS), "bands C11, Re C12, Im C12, C22")
    _check_order(filtered)
    month = path.parent.name
    assets = _radar_assets(path, UNFILTERED_BANDS) | _radar_assets(filtered, FILTERED_BANDS)
    return _scene(f"{_city(path)}_S1_{month}", "sentinel-1", f"{month[:4]}-{month[4:]}-01", S1_STATE, assets)


def _radar_assets(path: Path, bands: tuple[str, ...]) -> dict[str, Asset]:
    unit: Unit = "amplitude" if bands == UNFILTERED_BANDS else "linear"
    return {band: Asset(str(path), band=i, nodata=0, unit=unit) for i, band in enumerate(bands, start=1)}


def _scene(id: str, sensor: str, day: str, state: Mapping[str, str], assets: Mapping[str, Asset]) -> Scene:
    return Scene(
        id=id,
        sensor="sentinel-1" if sensor == "sentinel-1" else "sentinel-2",
        platform=sensor,
        datetime=f"{day}T00:00:00Z",
        state=state,
        orbit_direction=None,
        relative_orbit=None,
        assets=assets,
    )


def _check_bands(path: Path, expected: int, meaning: str) -> None:
    found = len(band_names(path))
    if found != expected:
        raise ValueError(
            f"{path}: expected {expected} {meaning}, got {found} bands; this is not the layout of So2Sat GUL"
        )


def _check_order(path: Path) -> None:
    # SNAP 8 and later write VV first; VH is the weaker one nearly everywhere on land
    height, width = lattice(path).shape
    rows = slice(max((height - _SAMPLE_PX) // 2, 0), min((height + _SAMPLE_PX) // 2, height))
    cols = slice(max((width - _SAMPLE_PX) // 2, 0), min((width + _SAMPLE_PX) // 2, width))
    first, last = (read_window(path, rows, cols, band=band) for band in (1, 4))
    if np.nanmedian(first) > np.nanmedian(last):
        raise ValueError(
            f"{path}: expected C11 = VH weaker than C22 = VV, found it stronger; the covariance seems to be VV first, "
            "as SNAP 8 and later write it; make it again with VH first"
        )
