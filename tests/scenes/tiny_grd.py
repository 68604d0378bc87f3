"""A small Sentinel-1 GRD product whose geometry is known exactly: a circular orbit over a resting Earth.

For such an orbit the time of closest approach and the range of a place have closed forms, worked out here in
earth-centred coordinates, without anything of the code under test.
"""

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning
from scipy.interpolate import RectBivariateSpline

from lczmap.grid import Grid

CRS = "EPSG:32633"
WEST, NORTH = 400_000.0, 5_100_000.0  # upper-left corner of the ground in the image
LINES, PIXELS = 1300, 1400
START = "2024-05-01T05:26:23.794457"
INTERVAL_S = 1.4983766e-3
AMPLITUDE = 500.0
NAME = "S1D_IW_GRDH_1SDV_20240501T052623_20240501T052648_000269_000297_ECC8"

Double = npt.NDArray[np.float64]
Picture = Callable[[Double, Double], Double]

_TO_DEGREES = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
_TO_EARTH = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
_RADIUS_M, _SPEED = 7_071_000.0, 7_500.0 / 7_071_000.0  # of the orbit: metres, radians per second


@dataclass(frozen=True)
class Geometry:
    """Axes of the orbit, first slant range, first time."""

    axes: tuple[Double, Double]
    first_range: float
    first_time: float

    def image(self, x: Double, y: Double, height: Double | float) -> tuple[Double, Double, Double, Double]:
        """Return line, pixel, slant range (m) and incidence (degrees) of places in the map."""
        place, up = _earth(x, y, height)
        along = np.arctan2(place @ self.axes[1], place @ self.axes[0])  # angle of closest approach
        satellite = _RADIUS_M * (np.cos(along)[..., None] * self.axes[0] + np.sin(along)[..., None] * self.axes[1])
        sight = satellite - place
        slant_range = np.linalg.norm(sight, axis=-1)
        incidence = np.degrees(np.arccos(np.sum(sight * up, axis=-1) / slant_range))
        line = (along / _SPEED - self.first_time) / INTERVAL_S
        return line, self.ground_range(slant_range) / 10, slant_range, incidence

    def ground_range(self, slant_range: Double) -> Double:
        return np.polynomial.polynomial.polyval(slant_range - self.first_range, SRGR)


SRGR = (0.0, 1.55, -1.4e-6)


def _earth(x: Double, y: Double, height: Double | float) -> tuple[Double, Double]:
    lon, lat = _TO_DEGREES.transform(x, y)
    place = np.stack(_TO_EARTH.transform(lon, lat, np.zeros_like(lon) + height), axis=-1)
    lam, phi = np.radians(lon), np.radians(lat)
    return place, np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def geometry() -> Geometry:
    """Return a descending orbit east of the image: it looks to the right, west, at about 39 degrees."""
    x, y = np.array([WEST + 7000.0]), np.array([NORTH - 6000.0])
    _, up = _earth(x, y, 0.0)
    north = np.array([0.0, 0.0, 1.0]) - up[0, 2] * up[0]
    north /= np.linalg.norm(north)
    east = np.cross(north, up[0])
    heading = np.radians(194.0)
    forward = np.cos(heading) * north + np.sin(heading) * east
    left = np.cross(up[0], forward)  # the satellite is to the left of what it looks at
    tilt = np.radians(5.2)  # angle at the centre of the Earth between the satellite and the image
    first = np.cos(tilt) * up[0] + np.sin(tilt) * left
    second = forward - (forward @ first) * first
    axes = first, second / np.linalg.norm(second)
    probe = Geometry(axes, 0.0, 0.0)
    corner_x = np.array([WEST, WEST + 14_000, WEST, WEST + 14_000])
    corner_y = np.array([NORTH, NORTH, NORTH - 13_000, NORTH - 13_000])
    line, _, slant_range, _ = probe.image(corner_x, corner_y, 0.0)
    middle = line.mean() - LINES / 2, slant_range.mean() - PIXELS / 2 * 10 / SRGR[1]
    return Geometry(axes, float(middle[1]), float(middle[0] * INTERVAL_S))


def ground(height: float) -> tuple[Double, Double]:
    """Return map coordinates x and y (lines, pixels) of every pixel of the image, for ground at one height."""
    shape = geometry()
    rows, cols = np.arange(-50, LINES + 51, 50.0), np.arange(-50, PIXELS + 51, 50.0)
    line, pixel = np.meshgrid(rows, cols, indexing="ij")
    x, y = np.full(line.shape, WEST + 7000.0), np.full(line.shape, NORTH - 6500.0)
    for _ in range(6):  # Newton's method with slopes by differences
        at, dx, dy = (shape.image(x + i, y + j, height)[:2] for i, j in ((0, 0), (10, 0), (0, 10)))
        a, b = (dx[0] - at[0]) / 10, (dy[0] - at[0]) / 10
        c, d = (dx[1] - at[1]) / 10, (dy[1] - at[1]) / 10
        miss, det = (line - at[0], pixel - at[1]), a * d - b * c
        x, y = x + (d * miss[0] - b * miss[1]) / det, y + (a * miss[1] - c * miss[0]) / det
    full = np.arange(LINES), np.arange(PIXELS)
    return tuple(RectBivariateSpline(rows, cols, values)(*full) for values in (x, y))  # type: ignore[return-value]


def city(x: float, y: float, size_px: int = 40) -> Grid:
    """Return a small city whose centre lies at about x, y."""
    west, north = round(x / 10) * 10 - size_px * 5, round(y / 10) * 10 + size_px * 5
    area = shapely.box(west, north - size_px * 10, west + size_px * 10, north)
    return Grid(CRS, float(west), float(north), size_px, size_px, 10, size_px, area)


def write_safe(
    folder: Path,
    digital: npt.NDArray[np.uint16],
    *,
    height: float = 0.0,
    polarisations: tuple[str, ...] = ("VV", "VH"),
    noise: float = 0.0,
    old_noise: bool = False,
) -> Path:
    """Write a product with the same image in every polarisation, over ground at one height."""
    safe = folder / f"{NAME}.SAFE"
    annotations = {p: _annotation(p, height) for p in polarisations}
    return write_product(safe, annotations, digital, noise=noise, old_noise=old_noise)


def write_product(
    safe: Path,
    annotations: dict[str, str],
    digital: npt.NDArray[np.uint16],
    *,
    shape: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
    noise: float = 0.0,
    old_noise: bool = False,
) -> Path:
    """Write a product of given annotations; `digital` goes to (line, pixel) `corner` of an image of `shape`."""
    for name in ("annotation/calibration", "measurement"):
        (safe / name).mkdir(parents=True)
    for polarisation, annotation in annotations.items():
        stem = f"s1d-iw-grd-{polarisation.lower()}"
        (safe / f"annotation/{stem}.xml").write_text(annotation)
        (safe / f"annotation/calibration/calibration-{stem}.xml").write_text(_calibration())
        (safe / f"annotation/calibration/noise-{stem}.xml").write_text(_noise(noise, old_noise))
        _write_image(safe / f"measurement/{stem}.tiff", digital, shape or digital.shape, corner)
    (safe / "manifest.safe").write_text(_manifest(tuple(annotations)))
    return safe


def zipped(safe: Path, folder: Path) -> Path:
    """Return a zip file of a product."""
    path = folder / f"{safe.stem}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(safe.rglob("*")):
            archive.write(file, file.relative_to(safe.parent))
    return path


def _write_image(path: Path, digital: npt.NDArray[np.uint16], shape: tuple[int, int], corner: tuple[int, int]) -> None:
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": shape[0], "width": shape[1]}
    if digital.shape != shape:
        profile |= {"tiled": True, "sparse_ok": True, "compress": "deflate"}
    window = rasterio.windows.Window(corner[1], corner[0], digital.shape[1], digital.shape[0])
    quiet = warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning)
    with quiet, rasterio.open(path, "w", **profile) as target:
        target.write(digital, 1, window=window)


def _annotation(polarisation: str, height: float) -> str:
    shape = geometry()
    x, y = (
        axis.ravel()
        for axis in np.meshgrid(WEST + np.linspace(-4000, 18_000, 8), NORTH - np.linspace(-4000, 17_000, 8))
    )
    line, pixel, slant_range, incidence = shape.image(x, y, height)
    lon, lat = _TO_DEGREES.transform(x, y)
    columns = zip(line, pixel, lat, lon, incidence, slant_range * 2 / 299_792_458.0, strict=True)
    points = "".join(
        f"<geolocationGridPoint><slantRangeTime>{time!r}</slantRangeTime><line>{at!r}</line><pixel>{across!r}</pixel>"
        f"<latitude>{north!r}</latitude><longitude>{east!r}</longitude><height>{height!r}</height>"
        f"<incidenceAngle>{angle!r}</incidenceAngle></geolocationGridPoint>"
        for at, across, north, east, angle, time in (tuple(float(v) for v in row) for row in columns)
    )
    return (
        f"<product><adsHeader><polarisation>{polarisation}</polarisation></adsHeader><imageAnnotation><imageInformation>"
        f"<productFirstLineUtcTime>{START}</productFirstLineUtcTime><rangePixelSpacing>10.0</rangePixelSpacing>"
        f"<azimuthPixelSpacing>10.0</azimuthPixelSpacing><azimuthTimeInterval>{INTERVAL_S}</azimuthTimeInterval>"
        f"<numberOfSamples>{PIXELS}</numberOfSamples><numberOfLines>{LINES}</numberOfLines></imageInformation>"
        f"</imageAnnotation><geolocationGrid><geolocationGridPointList>{points}</geolocationGridPointList>"
        "</geolocationGrid><coordinateConversion><coordinateConversionList><coordinateConversion>"
        f"<azimuthTime>{START}</azimuthTime><sr0>{shape.first_range!r}</sr0>"
        f"<srgrCoefficients>{' '.join(map(str, SRGR))}</srgrCoefficients></coordinateConversion>"
        "</coordinateConversionList></coordinateConversion></product>"
    )


def _calibration() -> str:
    def vector(line: int) -> str:
        return (
            f"<calibrationVector><line>{line}</line><pixel>0 30000</pixel><sigmaNought>{AMPLITUDE} {AMPLITUDE}"
            f"</sigmaNought><gamma>{AMPLITUDE / 2} {AMPLITUDE / 2}</gamma></calibrationVector>"
        )

    return f"<calibration><calibrationVectorList>{vector(-500)}{vector(20000)}</calibrationVectorList></calibration>"


def _noise(value: float, old: bool) -> str:
    def vectors(name: str, lut: str) -> str:
        rows = "".join(
            f"<{name}><line>{line}</line><pixel>0 30000</pixel><{lut}>{value} {value}</{lut}></{name}>"
            for line in (0, 20000)
        )
        return f"<{name}List>{rows}</{name}List>"

    if old:
        return f"<noise>{vectors('noiseVector', 'noiseLut')}</noise>"
    block = (
        "<noiseAzimuthVector><swath>IW1</swath><firstAzimuthLine>0</firstAzimuthLine><firstRangeSample>0"
        "</firstRangeSample><lastAzimuthLine>20000</lastAzimuthLine><lastRangeSample>30000</lastRangeSample>"
        "<line>0 20000</line><noiseAzimuthLut>1.0 1.0</noiseAzimuthLut></noiseAzimuthVector>"
    )
    azimuth = f"<noiseAzimuthVectorList>{block}</noiseAzimuthVectorList>"
    return f"<noise>{vectors('noiseRangeVector', 'noiseRangeLut')}{azimuth}</noise>"


def _manifest(polarisations: tuple[str, ...]) -> str:
    units, files = "", ""
    for p in (name.lower() for name in polarisations):
        stem = f"s1d-iw-grd-{p}"
        ids = " ".join(f"{kind}{p}Annotation" for kind in ("product", "noise", "calibration"))
        units += (
            f'<xfdu:contentUnit repID="s1Level1MeasurementSchema" dmdID="{ids}">'
            f'<dataObjectPointer dataObjectID="image{p}"/></xfdu:contentUnit>'
        )
        for key, name in (
            (f"product{p}", f"annotation/{stem}.xml"),
            (f"noise{p}", f"annotation/calibration/noise-{stem}.xml"),
            (f"calibration{p}", f"annotation/calibration/calibration-{stem}.xml"),
            (f"image{p}", f"measurement/{stem}.tiff"),
        ):
            files += f'<dataObject ID="{key}"><byteStream><fileLocation href="./{name}"/></byteStream></dataObject>'
    return (
        '<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel-1.0" '
        'xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1" xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:l1="http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1">'
        f"<informationPackageMap>{units}</informationPackageMap><metadataSection><safe:processing><safe:facility>"
        '<safe:software name="Sentinel-1 IPF" version="004.00"/></safe:facility></safe:processing><safe:platform>'
        "<safe:familyName>SENTINEL-1</safe:familyName><safe:number>D</safe:number><l1:instrumentMode><l1:mode>IW"
        '</l1:mode></l1:instrumentMode></safe:platform><safe:orbitReference><safe:relativeOrbitNumber type="start">'
        "168</safe:relativeOrbitNumber><s1:orbitProperties><s1:pass>DESCENDING</s1:pass></s1:orbitProperties>"
        "</safe:orbitReference><l1:productType>GRD</l1:productType><safe:acquisitionPeriod><safe:startTime>"
        f"{START}</safe:startTime></safe:acquisitionPeriod><safe:footPrint><gml:coordinates>"
        "45.9,13.9 45.9,13.7 46.1,13.7 46.1,13.9</gml:coordinates></safe:footPrint></metadataSection>"
        f"<dataObjectSection>{files}</dataObjectSection></xfdu:XFDU>"
    )
