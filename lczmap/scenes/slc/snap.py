"""The channels so2sat8 by ESA SNAP's command line `gpt`, as the makers of So2Sat LCZ42 had them: an optional backend.

Never run against a real SNAP here: the graphs follow those that the makers published (zhu-xlab, So2Sat-LCZ-
Classification-Demo, templates), order of bands and grid follow SNAP's source code as read, and the tests run a stand-in
for `gpt`. What cannot be known before is checked on the pixels: bands in another order than expected are an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import SO2SAT8
from lczmap.raster import Float, band_names, footprint, read_onto, write_parts
from lczmap.scenes.slc.snap_gpt import find_gpt, run_graph, snap_version

VV_FIRST_SINCE = 8
"""From this version on the covariance of VH and VV begins with VV (senbox-org/s1tbx, commit 2d0c054d78)."""
_ROWS = 1024  # of the map, read at a time
_BANDS = 4  # that a graph makes
_PAD_DEG = 0.02  # kept around the map, so that its edge pixels are whole

Orbit = Literal["precise", "restituted", "product"]
_ORBITS = {"precise": "Sentinel Precise (Auto Download)", "restituted": "Sentinel Restituted (Auto Download)"}


def run_snap(
    product: Path,
    geobox: GeoBox,
    folder: Path,
    *,
    orbit: Orbit,
    heights: Path,
    channels: str = "so2sat8",
    shift_m: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """Let SNAP make a product's channels on `geobox` (10 m, UTM) and return the GeoTIFF, eight named bands.

    Linear sigma0 as SNAP calibrates it, NaN where missing. `product` is a SAFE folder or a zip. `orbit`: SNAP cannot be
    given a file, it fetches precise and restituted orbits itself, by its own settings; `product` takes the product's
    own. `heights` are a GeoTIFF of metres above the ellipsoid. `shift_m` (east, north): what lies at x is shown at
    x + shift, by geocoding. ValueError without SNAP, when it fails, or when its bands are not what they should be.
    """
    if channels != SO2SAT8.name:
        raise ValueError(f"SNAP makes {SO2SAT8.name} only, not {channels}; set `backend: python`")
    gpt = find_gpt()
    version = snap_version(gpt)
    east, north = shift_m
    seen = GeoBox(geobox.shape, Affine.translation(-east, -north) @ geobox.transform, geobox.crs)
    out = folder / f"{product.stem}_snap{version[0]}_{east:+.1f}_{north:+.1f}.tif"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".snap") as name:
        made = {}
        for filtered in (False, True):
            made[filtered] = Path(name) / ("lee.tif" if filtered else "complex.tif")
            nodes = graph(product, seen, made[filtered], orbit=orbit, heights=heights, filtered=filtered)
            run_graph(gpt, nodes, made[filtered])
        parts = _parts(made[False], made[True], seen, version)
        tags = {"processor": f"ESA SNAP {'.'.join(map(str, version))}", "orbit_file": orbit, "heights": heights.name}
        write_parts(out, parts, geobox, names=SO2SAT8.channels, tags=tags)
    return out


def graph(product: Path, geobox: GeoBox, out: Path, *, orbit: Orbit, heights: Path, filtered: bool) -> str:
    """Return the XML of a graph: a chain of SNAP's operators from `product` to the GeoTIFF `out`.

    Four bands: real and imaginary part of VH, then of VV; with `filtered` the covariance after the refined Lee filter.
    """
    source = product / "manifest.safe" if product.is_dir() else product
    nodes = [("Read", {"file": str(source.resolve())})]
    if orbit != "product":
        fitted = {"orbitType": _ORBITS[orbit], "polyDegree": "3", "continueOnFail": "false"}
        nodes.append(("Apply-Orbit-File", fitted))
    nodes.append(("Calibration", {"outputImageInComplex": "true", "outputImageScaleInDb": "false"}))
    nodes.append(("TOPSAR-Deburst", {}))
    if filtered:
        lee = {"filter": "Refined Lee Filter", "windowSize": "7x7", "numLooksStr": "1"}
        nodes.append(("Polarimetric-Speckle-Filter", lee))
    nodes.append(("Terrain-Correction", _terrain_correction(geobox, heights)))
    nodes.append(("Subset", {"geoRegion": _region(geobox), "copyMetadata": "true"}))
    nodes.append(("Write", {"file": str(out.resolve()), "formatName": "GeoTIFF-BigTIFF"}))
    return _chain(nodes)


def so2sat8(unfiltered: Float, filtered: Float, version: tuple[int, ...]) -> Float:
    """Return so2sat8 (8, y, x) of SNAP's bands: (re VH, im VH, re VV, im VV) and (C11, re C12, im C12, C22), (4, y, x).

    Up to SNAP 7 C11 is VH and C12 = VH · conj(VV), as in So2Sat; since SNAP 8 C11 is VV and C12 the conjugate of that.
    0 is what SNAP writes where it has nothing: a pixel without VH or VV becomes NaN in every channel.
    """
    c11, c12_re, c12_im, c22 = filtered
    if version[0] >= VV_FIRST_SINCE:
        c11, c12_im, c22 = c22, -c12_im, c11
    power_vh, power_vv = unfiltered[0] ** 2 + unfiltered[1] ** 2, unfiltered[2] ** 2 + unfiltered[3] ** 2
    stack = np.stack([*unfiltered, c11, c22, c12_re, c12_im]).astype(np.float32)  # (8, y, x)
    there = (power_vh > 0) & (power_vv > 0) & (c11 > 0) & (c22 > 0)
    stack[:, ~there] = np.nan
    return stack


def _terrain_correction(geobox: GeoBox, heights: Path) -> dict[str, str]:
    west, north = geobox.transform @ (0.5, 0.5)  # SNAP's origin is a pixel's centre
    return {
        "demName": "External DEM",
        "externalDEMFile": str(heights.resolve()),
        "externalDEMNoDataValue": "-32768",
        "externalDEMApplyEGM": "false",  # the heights count from the ellipsoid
        "demResamplingMethod": "NEAREST_NEIGHBOUR",
        "imgResamplingMethod": "NEAREST_NEIGHBOUR",
        "pixelSpacingInMeter": str(abs(geobox.transform.a)),
        "mapProjection": str(geobox.crs),
        "alignToStandardGrid": "true",
        "standardGridOriginX": repr(float(west)),
        "standardGridOriginY": repr(float(north)),
        "nodataValueAtSea": "false",
        "saveSelectedSourceBand": "true",
        "outputComplex": "true",
        "applyRadiometricNormalization": "false",
    }


def _region(geobox: GeoBox) -> str:
    west, south, east, north = footprint(geobox, "EPSG:4326")
    if west > east:
        raise ValueError("`backend: snap` is not made for a city across the antimeridian; set `backend: python`")
    west, south, east, north = west - _PAD_DEG, south - _PAD_DEG, east + _PAD_DEG, north + _PAD_DEG
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return f"POLYGON (({', '.join(f'{x:.6f} {y:.6f}' for x, y in corners)}))"


def _chain(nodes: list[tuple[str, dict[str, str]]]) -> str:
    root = ElementTree.Element("graph", id="Graph")
    ElementTree.SubElement(root, "version").text = "1.0"
    before = None
    for operator, parameters in nodes:
        node = ElementTree.SubElement(root, "node", id=operator)
        ElementTree.SubElement(node, "operator").text = operator
        sources = ElementTree.SubElement(node, "sources")
        if before is not None:
            ElementTree.SubElement(sources, "sourceProduct", refid=before)
        listed = ElementTree.SubElement(node, "parameters", {"class": "com.bc.ceres.binding.dom.XppDomElement"})
        for name, value in parameters.items():
            ElementTree.SubElement(listed, name).text = value
        before = operator
    return ElementTree.tostring(root, encoding="unicode")


def _parts(
    unfiltered: Path, filtered: Path, geobox: GeoBox, version: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, slice], Float]]:
    """Yield so2sat8 from SNAP's two files, rows at a time; ValueError at the end when they contradict each other."""
    for path in (unfiltered, filtered):
        count = len(band_names(path))
        if count != _BANDS:
            raise ValueError(
                f"{path}: expected {_BANDS} bands, SNAP {'.'.join(map(str, version))} wrote {count}; set "
                "`backend: python`"
            )
    evidence = np.zeros(5)
    height, width = geobox.shape
    for top in range(0, height, _ROWS):
        rows, cols = slice(top, min(top + _ROWS, height)), slice(0, width)
        part = geobox[rows, cols]
        bands = [
            np.nan_to_num([read_onto(path, part, band=i, resampling="nearest") for i in range(1, _BANDS + 1)])
            for path in (unfiltered, filtered)
        ]
        stack = so2sat8(bands[0], bands[1], version)
        evidence += _evidence(stack)
        yield (rows, cols), stack
    _check_order(evidence, version)


def _evidence(stack: Float) -> npt.NDArray[np.float64]:
    """Return sums over (8, y, x): |VH|², |VV|², filtered VH, filtered VV, Im(VH · conj(VV)) · Im C12."""
    vh_re, vh_im, vv_re, vv_im, vh_lee, vv_lee, _, c12_im = stack.astype(np.float64)
    turned = (vh_im * vv_re - vh_re * vv_im) * c12_im
    return np.array([np.nansum(x) for x in (vh_re**2 + vh_im**2, vv_re**2 + vv_im**2, vh_lee, vv_lee, turned)])


def _check_order(evidence: npt.NDArray[np.float64], version: tuple[int, ...]) -> None:
    vh, vv, vh_lee, vv_lee, turned = evidence
    if vv == 0:
        raise ValueError("SNAP's result shows nothing of the city: choose a product over it")
    # cross-polarised power is the weaker one over any ground; the filter keeps 60 to 100 % of the mean
    if not (vh < vv and vh_lee < vv_lee and turned >= 0):
        raise ValueError(
            f"SNAP {'.'.join(map(str, version))}: bands are not in the expected order (sums of |VH|² {vh:.4g}, "
            f"|VV|² {vv:.4g}, filtered VH {vh_lee:.4g}, VV {vv_lee:.4g}, agreement of C12 {turned:.4g}); set "
            "`backend: python`"
        )
