"""Simulate a demo city: an archive of Sentinel-1 and Sentinel-2 scenes of a place that does not exist.

THIS IS A SIMULATION. It shows that the pipeline works from scenes to map; its accuracy says nothing about real
cities. Surfaces, fabric and radar figures: simulation/physics.yaml. The place is open ocean (40° N, 45° W), so that
no one takes the city for a real one. The archive is a `local` source: archive.yaml names every file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from lczmap.channels import S2_RESOLUTION_M, SO2SAT8
from lczmap.classes import CLASSES
from lczmap.files import write_json, write_text
from lczmap.raster import write_cells
from lczmap.scenes.simulation.areas import TrainingArea, draw_areas, write_kml
from lczmap.scenes.simulation.districts import Districts, draw_districts
from lczmap.scenes.simulation.ground import PIXEL_M, Ground, render_ground
from lczmap.scenes.simulation.layout import Plan, make_plan, map_districts
from lczmap.scenes.simulation.optics import DN_PER_REFLECTANCE, MASK_M, draw_weather, observe
from lczmap.scenes.simulation.physics import OpticalDate, Physics, RadarPass, load_physics
from lczmap.scenes.simulation.place import CRS, NOTICE, aoi_geojson, outline, place_geobox, to_lonlat
from lczmap.scenes.simulation.radar import acquire, mean_covariance

MARGIN_M = 500  # scenes reach at least this far beyond the city
_TAGS = {"SIMULATION": NOTICE, "TIFFTAG_IMAGEDESCRIPTION": NOTICE}
_TRUTH_M = 10  # pixel size of the fine truth
_CELL_M = 100
_AREAS_PER_CLASS = 14
_S1_INSET_M = 20.0  # the displaced radar picture ends a little inside the rendered ground


@dataclass(frozen=True)
class _City:
    physics: Physics
    plan: Plan
    districts: Districts
    ground: Ground
    border_m: npt.NDArray[np.uint8]
    half_m: float
    seed: int


def simulate_city(folder: Path, *, seed: int, size_m: int = 12_000) -> None:
    """Write the archive of a simulated city of `size_m` × `size_m` metres into `folder`.

    Five Sentinel-2 L1C dates (13 bands, DN, cloud masks, one with the offset of baseline 04.00), two Sentinel-1
    passes (the eight channels of so2sat8, sigma0, each displaced by its own known amount), `training_areas.kml`
    (WUDAPT template), `truth.tif` (class codes 1..17 on 100 m cells), `truth_10m.tif` (the same on 10 m pixels),
    `truth.json` (displacements, class areas), `aoi.geojson` (the city's outline) and, last, `archive.yaml`.
    The same seed and size give the same files. ValueError for a size that is no multiple of 200 m, below 3 km
    (no room for every class) or above 20 km.
    """
    if size_m % 200 or not 3_000 <= size_m <= 20_000:
        raise ValueError(f"expected a city size of 3000..20000 m, a multiple of 200 m; got {size_m}")
    if seed < 0:
        raise ValueError(f"expected a seed of 0 or more, got {seed}")
    (folder / "archive.yaml").unlink(missing_ok=True)  # an archive is complete when its description is there
    city = _build(size_m, seed)
    areas = _draw_areas(city, size_m)
    scenes = [_write_optical(folder, city, date, number) for number, date in enumerate(city.physics.sentinel2)]
    scenes += [
        _write_radar(folder, city, acquisition, number) for number, acquisition in enumerate(city.physics.sentinel1)
    ]
    write_json(folder / "aoi.geojson", aoi_geojson(size_m))
    kml = write_kml(areas, outline(size_m), to_lonlat, title=f"Simulated demo city, seed {seed}")
    write_text(folder / "training_areas.kml", kml)
    class_areas = _write_truth(folder, city, size_m)
    write_json(folder / "truth.json", _truth(city, size_m, class_areas, areas))
    write_text(folder / "archive.yaml", f"# {NOTICE}\n" + yaml.safe_dump({"scenes": scenes}, sort_keys=False))


def _build(size_m: int, seed: int) -> _City:
    physics = load_physics()
    half_m = math.ceil((size_m / 2 + MARGIN_M + _S1_INSET_M) / 60) * 60.0  # whole 60 m pixels
    plan = make_plan(size_m, half_m, physics.layout, minimum=_AREAS_PER_CLASS, seed=seed)
    district, border_m = map_districts(plan, half_m, PIXEL_M)
    districts = draw_districts(plan.district_class, physics, river_sections=plan.river_sections, seed=seed)
    ground = render_ground(
        district,
        border_m,
        districts,
        physics.figures("object_spread"),
        wall_spread=physics.radar.wall_spread,
        half_m=half_m,
        seed=seed,
    )
    return _City(physics, plan, districts, ground, border_m, half_m, seed)


def _write_optical(folder: Path, city: _City, date: OpticalDate, number: int) -> dict[str, Any]:
    name = f"{date.platform}_{date.datetime[:10]}"
    weather = draw_weather(date, city.half_m, seed=city.seed * 100 + number)
    assets = {}
    bands = observe(city.ground, city.districts, city.physics, date, weather, seed=city.seed * 100 + number)
    for band, numbers in bands:
        path = Path("sentinel2") / name / f"{band}.tif"
        geobox = place_geobox(-city.half_m, city.half_m, S2_RESOLUTION_M[band], numbers.shape)
        write_cells(folder / path, numbers[None], geobox, names=[band], nodata=0, tags=_TAGS)
        assets[band] = {"path": path.as_posix()}
    cloud = Path("sentinel2") / name / "cloud.tif"
    mask = weather.mask()
    geobox = place_geobox(-city.half_m, city.half_m, MASK_M, mask.shape)
    write_cells(folder / cloud, mask[None], geobox, names=["1 cloud, 2 shadow"], nodata=None, tags=_TAGS)
    scale = 1 / DN_PER_REFLECTANCE
    return {
        "id": f"simulated_{name}_L1C",
        "sensor": "sentinel-2",
        "platform": date.platform,
        "datetime": date.datetime,
        "state": {"level": "L1C"},
        "orbit": {"direction": "descending", "relative": 81},
        "defaults": {"scale": scale, "offset": -date.offset_dn * scale, "nodata": 0, "unit": "reflectance"},
        "assets": assets,
        "cloud": {"path": cloud.as_posix()},
    }


def _write_radar(folder: Path, city: _City, acquisition: RadarPass, number: int) -> dict[str, Any]:
    name = f"{acquisition.platform}_{acquisition.datetime[:10]}_{acquisition.direction}"
    field = mean_covariance(city.ground, city.districts, city.physics, acquisition)
    east, north = acquisition.lattice_m
    west_edge, north_edge = -city.half_m + _S1_INSET_M - 10 + east, city.half_m - _S1_INSET_M + 10 - north
    size = math.ceil((2 * city.half_m - 2 * _S1_INSET_M) / 10) + 1
    channels = acquire(
        field,
        city.physics.radar,
        acquisition,
        half_m=city.half_m,
        west=west_edge,
        north=north_edge,
        size=size,
        seed=city.seed * 100 + number,
    )
    path = Path("sentinel1") / f"{name}.tif"
    geobox = place_geobox(west_edge, north_edge, 10, (size, size))
    write_cells(folder / path, channels, geobox, names=SO2SAT8.channels, nodata=math.nan, tags=_TAGS)
    units = {"complex": "amplitude", "intensity": "linear", "covariance": "linear"}
    return {
        "id": f"simulated_{name}_SLC",
        "sensor": "sentinel-1",
        "platform": acquisition.platform,
        "datetime": acquisition.datetime,
        "state": {"product": "slc", "calibration": "sigma0", "noise_removed": "false", "looks": "1"},
        "orbit": {"direction": acquisition.direction, "relative": acquisition.relative_orbit},
        "assets": {
            channel: {"path": path.as_posix(), "band": band, "unit": units[kind]}
            for band, (channel, kind) in enumerate(zip(SO2SAT8.channels, SO2SAT8.kinds, strict=True), start=1)
        },
    }


def _draw_areas(city: _City, size_m: int) -> tuple[TrainingArea, ...]:
    return draw_areas(
        _at_10m(city.ground.district),
        _at_10m(city.border_m),
        city.plan.district_class,
        pixel_m=_TRUTH_M,
        half_m=city.half_m,
        city_half_m=size_m / 2,
        max_half_width_m=0.32 * city.plan.spacing_m,
        per_class=_AREAS_PER_CLASS,
        seed=city.seed,
    )


def _at_10m(layer: npt.NDArray[Any]) -> npt.NDArray[Any]:
    step = round(_TRUTH_M / PIXEL_M)
    return layer[step // 2 :: step, step // 2 :: step]


def _write_truth(folder: Path, city: _City, size_m: int) -> dict[str, float]:
    """Write truth_10m.tif and truth.tif (most frequent class of each 100 m cell); return km² per class label."""
    codes = city.plan.district_class[_at_10m(city.ground.district)]
    start = round((city.half_m - size_m / 2) / _TRUTH_M)
    codes = codes[start : start + size_m // _TRUTH_M, start : start + size_m // _TRUTH_M]
    cells, px = size_m // _CELL_M, _CELL_M // _TRUTH_M
    blocks = codes.reshape(cells, px, cells, px)
    shares = np.stack([(blocks == lcz.code).sum(axis=(1, 3)) for lcz in CLASSES])
    modes = (shares.argmax(axis=0) + 1).astype(np.uint8)
    for name, array, pixel in (("truth_10m.tif", codes, _TRUTH_M), ("truth.tif", modes, _CELL_M)):
        geobox = place_geobox(-size_m / 2, size_m / 2, pixel, array.shape)
        write_cells(folder / name, array[None], geobox, names=["LCZ"], nodata=0, tags=_TAGS)
    return {lcz.label: round(float((codes == lcz.code).sum()) * (_TRUTH_M / 1000) ** 2, 3) for lcz in CLASSES}


def _truth(city: _City, size_m: int, class_areas: dict[str, float], areas: tuple[TrainingArea, ...]) -> dict[str, Any]:
    displacements = [
        {
            "id": f"simulated_{p.platform}_{p.datetime[:10]}_{p.direction}_SLC",
            "displacement_east_m": p.displacement_m[0],
            "displacement_north_m": p.displacement_m[1],
            "correction_east_m": -p.displacement_m[0],
            "correction_north_m": -p.displacement_m[1],
            "lattice_offset_m": list(p.lattice_m),
        }
        for p in city.physics.sentinel1
    ]
    return {
        "notice": NOTICE,
        "seed": city.seed,
        "size_m": size_m,
        "crs": CRS,
        "truth": "truth.tif: most frequent class of 100 m cells; truth_10m.tif: class at the centre of 10 m pixels",
        "sentinel1": displacements,
        "displacement": "the picture lies this far off the ground; the correction is added to its coordinates",
        "class_area_km2": class_areas,
        "training_polygons": {lcz.label: sum(a.code == lcz.code for a in areas) for lcz in CLASSES},
    }
