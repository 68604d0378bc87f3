"""What is asked of Sentinel Hub: evalscripts, layers, sub-tiles, and what they cost. Pure arithmetic and text.

Facts are as documented by the Copernicus Data Space Ecosystem (Sentinel Hub: Process API, Sentinel-1 GRD, Sentinel-2
L1C, Processing Unit, Rate limiting) and by Sentinel Hub; none was exercised against the services here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_BANDS_L1C
from lczmap.grid import PIXEL_M, Grid
from lczmap.scenes.sources.products.s2_metadata import S2_BANDS_L2A, SCL_NOT_CLEAR
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError, Request

Upsampling = Literal["cubic", "nearest"]

MAX_REQUEST_PX = 2500
"""Width and height of one answer of the Process API, at most."""
MASK_PIXEL_M = 20
"""Pixel size of Sentinel-2's scene classification."""
SUN_PIXEL_M = 1000
"""The service holds the sun's angles every 5 km."""
SUN_BANDS = ("sunAzimuthAngles", "sunZenithAngles")
UNIT_PX = 512
"""One processing unit is 512 × 512 pixels of three bands of at most 16 bits (documented)."""
UNIT_BANDS = 3
LEAST_AREA, LEAST_COST = 0.01, 0.005
"""Smallest factor of the area, and least processing units of a request (documented)."""
FREE_QUOTA = 10_000
"""Processing units a month of a free Copernicus Data Space account, as reported by third parties."""
_BACKSCATTER = {"sigma0": "SIGMA0_ELLIPSOID", "gamma0": "GAMMA0_TERRAIN"}
_RADAR_COST = {"sigma0": 2.0, "gamma0": 2.5}  # orthorectified; with radiometric terrain correction (documented)
_UPSAMPLING = {"cubic": "BICUBIC", "nearest": "NEAREST"}


@dataclass(frozen=True)
class Layer:
    """Bands that one request returns together, on one lattice.

    `kind` tells apart files of the same band. `bands` are our names, in the order of the answer; missing pixels hold
    `nodata`. `processing` is that part of the request; `cost` multiplies the processing units. Of a cloud layer
    `values` are those that mean "not clear".
    """

    kind: str
    bands: tuple[str, ...]
    pixel_m: int
    dtype: Literal["uint16", "uint8", "float32"]
    nodata: float
    evalscript: str
    processing: Mapping[str, Any]
    cost: float = 1.0
    values: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Part:
    """A sub-tile: row and column of its first pixel in the lattice, and its pixels."""

    row: int
    col: int
    geobox: GeoBox


def layers(request: Request, *, upsampling: Upsampling) -> tuple[Layer, ...]:
    """Return what a scene of this request consists of: its bands, a cloud layer ("mask"), the sun's angles ("sun").

    Sentinel-2: DN = reflectance · 10000, harmonised by the service to the time before processing baseline 04.00
    (no offset; it clamps negative values to 0); 0 is missing, and a valid 0 becomes 1. Bands of 20 and 60 m are
    upsampled to 10 m by the service. L2A brings its scene classification; L1C the sun's angles (degrees), for finding
    shadows; the service's own L1C cloud mask CLM (160 m, no shadows) is left aside for s2cloudless at 40 m. Sentinel-1:
    linear power, NaN missing. ArchiveError for a band that the service does not have.
    """
    if request.sensor == "sentinel-1":
        return (_radar_layer(request),)
    known = S2_BANDS_L1C if request.level == "L1C" else S2_BANDS_L2A
    bands = _known_bands(request.bands, known, f"Sentinel-2 {request.level}")
    optical = Layer(
        upsampling,
        bands,
        PIXEL_M,
        "uint16",
        0,
        reflectance_script(bands),
        {"harmonizeValues": True, "upsampling": _UPSAMPLING[upsampling], "downsampling": "NEAREST"},
    )
    if request.level == "L2A":
        return optical, _mask_layer("SCL", missing=0, values=SCL_NOT_CLEAR)
    sun = Layer("sun", SUN_BANDS, SUN_PIXEL_M, "float32", math.nan, measures_script(SUN_BANDS), {})
    return optical, sun


def lattice(grid: Grid, pixel_m: int) -> GeoBox:
    """Return the pixels to ask for: the city's own, padded by `MARGIN_M`, or larger ones from the same corner."""
    padded = grid.geobox.pad(math.ceil(MARGIN_M / PIXEL_M))
    factor = pixel_m // PIXEL_M
    height, width = (math.ceil(size / factor) for size in padded.shape)
    return GeoBox((height, width), padded.transform @ Affine.scale(factor), padded.crs)


def cut(whole: GeoBox, max_px: int) -> Iterator[Part]:
    """Yield sub-tiles of a lattice, of about equal size and at most `max_px` wide and high, without overlap."""
    height, width = (math.ceil(size / math.ceil(size / max_px)) for size in whole.shape)
    for row in range(0, whole.shape[0], height):
        for col in range(0, whole.shape[1], width):
            yield Part(row, col, whole[row : row + height, col : col + width])


def processing_units(layer: Layer, shape: tuple[int, int]) -> float:
    """Return the processing units that a layer of (height, width) pixels needs.

    By the documented rules: area / 512², bands / 3 (dataMask is free), twice for 32-bit float, twice for
    orthorectified radar, 2.5 times with radiometric terrain correction; one date per request.
    """
    area = max(shape[0] * shape[1] / UNIT_PX**2, LEAST_AREA)
    bits = 2.0 if layer.dtype == "float32" else 1.0
    return max(area * len(layer.bands) / UNIT_BANDS * bits * layer.cost, LEAST_COST)


def cost_text(scenes: int, units: float, requests: int) -> str:
    """Return what fetching costs, one sentence."""
    return (
        f"Sentinel Hub: {scenes} scenes need about {units:,.0f} processing units in {requests} requests, "
        f"{100 * units / FREE_QUOTA:.0f} % of the {FREE_QUOTA:,} a month that a free Copernicus Data Space account is "
        "said to have (estimated by the documented rules; your account's page shows what was charged)"
    )


def reflectance_script(bands: tuple[str, ...]) -> str:
    """Return the evalscript for Sentinel-2 bands (our names) as UINT16 DN; 0 missing, a valid 0 becomes 1."""
    names = [service_name(band) for band in bands]
    values = ", ".join(f"dn(s.{name})" for name in names)
    return _script(
        names,
        "UINT16",
        f"s.dataMask === 1 ? [{values}] : [{', '.join('0' for _ in names)}]",
        before="const dn = v => Math.min(65535, Math.max(1, Math.round(v)));",
    )


def measures_script(bands: tuple[str, ...]) -> str:
    """Return the evalscript for FLOAT32 bands in their own unit, NaN missing.

    Radar has linear power, the sun's angles degrees.
    """
    values, missing = ", ".join(f"s.{band}" for band in bands), ", ".join("NaN" for _ in bands)
    return _script(list(bands), "FLOAT32", f"s.dataMask === 1 ? [{values}] : [{missing}]", units=None)


def service_name(band: str) -> str:
    """Return the service's name of one of our Sentinel-2 bands: B2 is B02."""
    return f"B{int(band[1:]):02d}" if band[1:].isdigit() else band


def _radar_layer(request: Request) -> Layer:
    if request.calibration not in _BACKSCATTER:
        raise ArchiveError(f"calibration: expected {' or '.join(_BACKSCATTER)}, got {request.calibration!r}")
    bands = _known_bands(request.bands, ("VH", "VV"), "Sentinel-1 GRD")
    processing = {
        "backCoeff": _BACKSCATTER[request.calibration],
        "orthorectify": True,
        "demInstance": "COPERNICUS_30",
        "speckleFilter": {"type": "NONE"},
        "upsampling": "NEAREST",  # governs radar at every resolution; keeps the speckle as it is
    }
    cost = _RADAR_COST[request.calibration]
    return Layer(request.calibration, bands, PIXEL_M, "float32", math.nan, measures_script(bands), processing, cost)


def _mask_layer(name: str, *, missing: int, values: tuple[int, ...]) -> Layer:
    # asked for apart from the bands: cubic convolution of class numbers has no meaning, and 20 m cost a quarter
    script = _script([name], "UINT8", f"[s.dataMask === 1 ? s.{name} : {missing}]")
    processing = {"upsampling": "NEAREST", "downsampling": "NEAREST"}
    return Layer("mask", (name,), MASK_PIXEL_M, "uint8", missing, script, processing, values=values)


def _known_bands(wanted: tuple[str, ...], known: tuple[str, ...], product: str) -> tuple[str, ...]:
    unknown = [band for band in wanted if band not in known]
    if unknown or not wanted:
        raise ArchiveError(f"{product} at Sentinel Hub: expected bands among {', '.join(known)}, got {list(wanted)}")
    return wanted


def _script(names: list[str], sample: str, value: str, *, units: str | None = "DN", before: str = "") -> str:
    bands = ", ".join(f'"{name}"' for name in [*names, "dataMask"])
    unit = f', units: "{units}"' if units else ""  # without: the only unit that the bands have
    return f"""//VERSION=3
function setup() {{
  return {{
    input: [{{bands: [{bands}]{unit}}}],
    output: {{bands: {len(names)}, sampleType: "{sample}"}},
    mosaicking: "SIMPLE"
  }};
}}
{before}
function evaluatePixel(s) {{
  return {value};
}}
"""
