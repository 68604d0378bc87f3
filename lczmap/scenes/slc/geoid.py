"""The geoid's height above the WGS84 ellipsoid, from PROJ and its grids.

Elevation models count from sea level (EGM2008, EGM96); geocoding needs heights above the ellipsoid, -107 to +86 m away.
PROJ takes the grid from its data folder, or over the network: a few pieces of 16 KB from cdn.proj.org, kept in PROJ's
own cache. PROJ waits for a silent server without limit, and its network switch holds for the whole process, so it
works in a process of its own.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster import Float, warp
from lczmap.scenes.slc.lonlat import area_of, wrapped
from lczmap.scenes.sources.source import ArchiveError

EGM2008 = "EPSG:4326+3855"
EGM96 = "EPSG:4326+5773"
NODES_PER_DEGREE = 24
"""Where PROJ is asked: the spacing of its grid of EGM2008 (2.5'), a sixth of that of EGM96 (15'). PROJ interpolates
its grids bilinearly, and so do we between these nodes, which therefore adds nothing for these two. Between them a finer
national grid is smoothed."""
PATIENCE_S = 180.0
"""PROJ tries failed requests again for about two minutes."""

Double = npt.NDArray[np.float64]


def geoid_heights(lattice: GeoBox, crs: str) -> Float:
    """Return (rows, cols) metres by which the zero heights of a compound `crs` lie above the WGS84 ellipsoid.

    On the pixels of `lattice`, whatever its own CRS. ArchiveError when PROJ has no grid for it and cannot get it; never
    a rough substitute.
    """
    area = area_of(lattice).grown(2 / NODES_PER_DEGREE)
    left, right = (math.floor(x * NODES_PER_DEGREE) for x in (area.west, area.east))
    bottom, top = (math.floor(y * NODES_PER_DEGREE) for y in (area.south, area.north))
    lon = np.arange(left, right + 1) / NODES_PER_DEGREE + area.origin
    lat = np.arange(top, bottom - 1, -1) / NODES_PER_DEGREE
    lons, lats = (axis.ravel() for axis in np.meshgrid([wrapped(x) for x in lon.tolist()], lat))
    heights = np.asarray(_ask_proj(crs, lons, lats), np.float32).reshape(lat.size, lon.size)
    corner = Affine.translation(left - 0.5, -top - 0.5)  # nodes are pixel centres
    nodes = GeoBox(heights.shape, Affine.scale(1 / NODES_PER_DEGREE, -1 / NODES_PER_DEGREE) @ corner, area.crs)
    return warp(heights, nodes, lattice)


def zero_heights(crs: str, lon: Double, lat: Double) -> Double:
    """Return how high above the ellipsoid `crs` has its zero, at (n,) points; pyproj's ProjError without a grid."""
    compound = pyproj.CRS(crs)
    flat = pyproj.Transformer.from_crs("EPSG:4326", compound.to_2d(), always_xy=True)
    x, y = flat.transform(lon, lat, errcheck=True)
    upright = pyproj.Transformer.from_crs(compound, "EPSG:4979", always_xy=True, only_best=True, allow_ballpark=False)
    return np.asarray(upright.transform(x, y, np.zeros(len(x)), errcheck=True)[2])


def _ask_proj(crs: str, lon: Double, lat: Double) -> list[float]:
    asked = json.dumps({"crs": crs, "lon": lon.tolist(), "lat": lat.tolist()})
    command = [sys.executable, "-P", "-m", "lczmap.scenes.slc.geoid"]  # -P: no modules from the current folder
    environment = {"PROJ_NETWORK": "ON", **os.environ}
    try:
        answer = subprocess.run(
            command, input=asked, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ArchiveError(_remedy(crs, f"no answer within {PATIENCE_S:g} s")) from error
    if answer.returncode != 0:
        said = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ArchiveError(
            f"the process that asks PROJ for the geoid's height did not run ({said}); install the program anew, or set "
            "`geoid_m` to the geoid's height at the city in metres"
        )
    answered = json.loads(answer.stdout)
    if "error" in answered:
        raise ArchiveError(_remedy(crs, answered["error"]))
    heights: list[float] = answered["heights"]
    if not np.isfinite(heights).all():
        raise ArchiveError(_remedy(crs, "PROJ's grid does not reach there"))
    return heights


def _remedy(crs: str, reason: str) -> str:
    known = {EGM2008: "EGM2008 (us_nga_egm08_25.tif)", EGM96: "EGM96 (us_nga_egm96_15.tif)"}
    name = known.get(crs) or pyproj.CRS(crs).name
    return (
        f"the geoid's height above the ellipsoid could not be had from PROJ for {name}: {reason}; allow the network, "
        f"or put the grid's file from https://cdn.proj.org into PROJ's data folder {pyproj.datadir.get_data_dir()}, or "
        "set `geoid_m` to the geoid's height at the city in metres"
    )


def _main() -> None:
    asked = json.load(sys.stdin)
    try:
        heights = zero_heights(asked["crs"], np.array(asked["lon"]), np.array(asked["lat"]))
        answer = {"heights": heights.tolist()}
    except pyproj.exceptions.ProjError as error:
        answer = {"error": " ".join(str(error).split())}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
