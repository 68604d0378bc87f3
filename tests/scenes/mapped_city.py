"""A city of 1.2 km whose west is class 6 and whose east is class D, and Snakemake to map it."""

import json
from pathlib import Path

import yaml
from shapely.geometry import box
from tiny_archive import CRS, NORTH, WEST
from workflow_runs import city_file, snakemake, succeeded

from lczmap.raster import read_class_map

PERIOD = {"start": "2024-05-01", "end": "2024-06-30"}
FOLDER = "results/tiny/2024-05-01_2024-06-30"
SIZE_M = 1200


def reflectance(west: float):
    """Twice as bright in the east as in the west."""
    return lambda x, _: 0.02 + 1e-5 * (x - west + 5000)


def arguments(folder: Path, config: dict, *options: str) -> tuple[str | Path, ...]:
    """The arguments of Snakemake for a configuration."""
    return (*options, "--configfile", city_file(folder, yaml.safe_dump(config)))


def city(folder: Path, west: float = WEST, north: float = NORTH, crs: str = CRS, **other) -> dict:
    """A configuration with training areas: class 6 in the west, class D in the east, four polygons each."""
    import geopandas

    cells = [(code, x, y) for code, x in ((6, 100), (14, 900)) for y in (50, 350, 650, 950)]
    shapes = [box(west + x, north - y - 200, west + x + 200, north - y) for _, x, y in cells]
    areas = geopandas.GeoDataFrame({"lcz": [code for code, _, _ in cells]}, geometry=shapes, crs=crs)
    areas.to_file(folder / "areas.gpkg")
    return {
        "city": "tiny",
        "aoi": {"bbox": [west, north - SIZE_M, west + SIZE_M, north], "crs": crs},
        **PERIOD,
        "training": {"areas": str(folder / "areas.gpkg"), "test": 0.25, "validation": 0.0},
        "model": {"name": "wudapt_rf"},
        **other,
    }


def targets(run: str = FOLDER) -> tuple[str, ...]:
    """The record of the map and what it was made of, without the pictures and products that other tests make."""
    return (f"{run}/run.json",)


def mapped(folder: Path, config: dict, run: str = FOLDER) -> str:
    """Map the city; check that the map tells west from east, and return what was said."""
    said = succeeded(snakemake(folder, *arguments(folder, config, *targets(run))))
    codes, _ = read_class_map(folder / run / "lcz.tif")
    assert (codes[1:-1, :5] == 6).mean() > 0.9 and (codes[1:-1, -5:] == 14).mean() > 0.9
    scenes = json.loads((folder / run / "scenes.json").read_text())
    assert all(len(file["sha256"]) == 64 for file in scenes["files"].values())
    return said
