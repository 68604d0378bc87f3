"""A small Sentinel-1 IW SLC product in the layout of a real one, with numbers that can be checked by hand.

Every swath has two bursts of LINES lines × SAMPLES samples. Sample (row, col) of the image of IW1 VV is
row + col · j; IW2 adds 1000 to the real part, VH 100 to the imaginary part.
"""

import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning

NAME = "S1C_IW_SLC__1SDV_20250401T235958_20250402T000003_001234_000297_ECC8"
LINES, SAMPLES, BURSTS = 6, 10, 2
INTERVAL_S = 2.0555562999e-3
START = {"IW1": "2025-04-01T23:59:58.500000", "IW2": "2025-04-01T23:59:59.400000", "IW3": "2025-04-02T00:00:00.300000"}
SECOND = {"IW1": "2025-04-02T00:00:01.250000", "IW2": "2025-04-02T00:00:02.150000", "IW3": "2025-04-02T00:00:03.050000"}
NEAR_S, RATE_HZ = 5.334431164884956e-03, 6.434523812571428e07
FIRST = "-1 2 2 2 2 -1"
LAST = "-1 8 8 8 8 -1"


def write_slc(
    folder: Path,
    *,
    swaths: Iterable[str] = ("IW1", "IW2", "IW3"),
    polarisations: Iterable[str] = ("VH", "VV"),
    noise: bool = True,
) -> Path:
    """Write a product and return its folder."""
    safe = folder / f"{NAME}.SAFE"
    for name in ("annotation/calibration", "measurement"):
        (safe / name).mkdir(parents=True)
    keys = [(swath, polarisation) for polarisation in polarisations for swath in swaths]
    for swath, polarisation in keys:
        name = stem(swath, polarisation)
        (safe / f"annotation/{name}.xml").write_text(_annotation(swath, polarisation))
        (safe / f"annotation/calibration/calibration-{name}.xml").write_text(_calibration())
        if noise:
            (safe / f"annotation/calibration/noise-{name}.xml").write_text(_noise())
        _write_image(safe / f"measurement/{name}.tiff", image(swath, polarisation))
    (safe / "manifest.safe").write_text(_manifest(keys, noise))
    return safe


def stem(swath: str, polarisation: str) -> str:
    number = "001" if polarisation == "VH" else "004"
    return f"s1c-{swath.lower()}-slc-{polarisation.lower()}-20250401t235958-20250402t000003-001234-000297-{number}"


def image(swath: str, polarisation: str) -> npt.NDArray[np.complex64]:
    rows, cols = np.mgrid[0 : LINES * BURSTS, 0:SAMPLES]
    real, imaginary = rows + 1000 * (int(swath[-1]) - 1), cols + 100 * (polarisation == "VH")
    return (real + 1j * imaginary).astype(np.complex64)


def zipped(safe: Path, folder: Path, *, inside: str = f"{NAME}.SAFE/") -> Path:
    """Return a zip file of a product, which lies in it below `inside`."""
    path = folder / f"{NAME}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in safe.rglob("*") if p.is_file()):
            archive.write(file, inside + file.relative_to(safe).as_posix())
    return path


def changed(safe: Path, name: str, old: str, new: str, *, count: int = -1) -> Path:
    """Replace text in a file of a product, which must be there; returns the product."""
    text = (safe / name).read_text()
    assert old in text, f"{old} not in {name}"
    (safe / name).write_text(text.replace(old, new, count))
    return safe


def _write_image(path: Path, pixels: npt.NDArray[np.complex64]) -> None:
    profile = {"driver": "GTiff", "dtype": "complex_int16", "count": 1, "blockysize": 1}
    quiet = warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning)
    with quiet, rasterio.open(path, "w", height=pixels.shape[0], width=pixels.shape[1], **profile) as target:
        target.write(pixels, 1)


def _annotation(swath: str, polarisation: str) -> str:
    bursts = "".join(
        f'<burst><azimuthTime>{time}</azimuthTime><firstValidSample count="{LINES}">{FIRST}</firstValidSample>'
        f'<lastValidSample count="{LINES}">{LAST}</lastValidSample></burst>'
        for time in (START[swath], SECOND[swath])
    )
    orbits = "".join(
        f"<orbit><time>2025-04-01T23:59:{second}.000000</time><frame>Earth Fixed</frame><position><x>{second}.5</x>"
        f"<y>-7.0e+06</y><z>3</z></position><velocity><x>4</x><y>5</y><z>7.5e+03</z></velocity></orbit>"
        for second in (20, 30, 40)
    )
    points = "".join(
        f"<geolocationGridPoint><azimuthTime>{START[swath]}</azimuthTime><slantRangeTime>{NEAR_S + pixel / RATE_HZ!r}"
        f"</slantRangeTime><line>0</line><pixel>{pixel}</pixel><latitude>45.5</latitude><longitude>{12 + pixel / 100}"
        "</longitude><height>12.25</height><incidenceAngle>33.5</incidenceAngle></geolocationGridPoint>"
        for pixel in (0, 9)
    )
    return (
        f"<product><adsHeader><missionId>S1C</missionId><polarisation>{polarisation}</polarisation><swath>{swath}"
        "</swath></adsHeader><generalAnnotation><productInformation>"
        f"<rangeSamplingRate>{RATE_HZ}</rangeSamplingRate></productInformation>"
        f'<orbitList count="3">{orbits}</orbitList></generalAnnotation><imageAnnotation><imageInformation>'
        f"<slantRangeTime>{NEAR_S}</slantRangeTime><azimuthTimeInterval>{INTERVAL_S}</azimuthTimeInterval>"
        f"<numberOfSamples>{SAMPLES}</numberOfSamples><numberOfLines>{LINES * BURSTS}</numberOfLines>"
        f"</imageInformation></imageAnnotation><swathTiming><linesPerBurst>{LINES}</linesPerBurst>"
        f'<samplesPerBurst>{SAMPLES}</samplesPerBurst><burstList count="{BURSTS}">{bursts}</burstList></swathTiming>'
        f'<geolocationGrid><geolocationGridPointList count="2">{points}</geolocationGridPointList></geolocationGrid>'
        "</product>"
    )


def _calibration() -> str:
    vectors = "".join(
        f'<calibrationVector><line>{line}</line><pixel count="2">0 9</pixel><sigmaNought count="2">{value} {value + 9}'
        f'</sigmaNought><gamma count="2">1 1</gamma></calibrationVector>'
        for line, value in ((-3, 300.0), (12, 330.0))
    )
    return f'<calibration><calibrationVectorList count="2">{vectors}</calibrationVectorList></calibration>'


def _noise() -> str:
    return (
        '<noise><noiseRangeVectorList count="1"><noiseRangeVector><line>0</line><pixel count="2">0 9</pixel>'
        '<noiseRangeLut count="2">500 400</noiseRangeLut></noiseRangeVector></noiseRangeVectorList>'
        "<noiseAzimuthVectorList><noiseAzimuthVector><firstAzimuthLine>0</firstAzimuthLine><firstRangeSample>0"
        "</firstRangeSample><lastAzimuthLine>11</lastAzimuthLine><lastRangeSample>9</lastRangeSample>"
        '<line count="2">0 11</line><noiseAzimuthLut count="2">1 1.5</noiseAzimuthLut></noiseAzimuthVector>'
        "</noiseAzimuthVectorList></noise>"
    )


def _manifest(keys: list[tuple[str, str]], noise: bool) -> str:
    files = ""
    for key in keys:
        name = stem(*key)
        paths = [f"annotation/{name}.xml", f"annotation/calibration/calibration-{name}.xml", f"measurement/{name}.tiff"]
        paths += [f"annotation/calibration/noise-{name}.xml"] if noise else []
        files += "".join(
            f'<dataObject ID="{Path(path).stem.replace("-", "")}{len(path)}"><byteStream><fileLocation '
            f'locatorType="URL" href="./{path}"/></byteStream></dataObject>'
            for path in paths
        )
    return (
        '<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel-1.0" '
        'xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1" xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:s1sarl1="http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1"><metadataSection>'
        "<safe:processing><safe:facility>"
        '<safe:software name="Sentinel-1 IPF" version="004.00"/></safe:facility></safe:processing><safe:platform>'
        "<safe:familyName>SENTINEL-1</safe:familyName><safe:number>C</safe:number><s1sarl1:instrumentMode>"
        "<s1sarl1:mode>IW</s1sarl1:mode></s1sarl1:instrumentMode></safe:platform><safe:orbitReference>"
        '<safe:orbitNumber type="start">1234</safe:orbitNumber><safe:relativeOrbitNumber type="start">168'
        "</safe:relativeOrbitNumber><s1:orbitProperties><s1:pass>ASCENDING</s1:pass></s1:orbitProperties>"
        "</safe:orbitReference><s1sarl1:productType>SLC</s1sarl1:productType><safe:acquisitionPeriod><safe:startTime>"
        "2025-04-01T23:59:58.500000</safe:startTime></safe:acquisitionPeriod><safe:footPrint><gml:coordinates>"
        "45.5,12.0 45.75,12.1 46.0,11.0 45.6,11.1</gml:coordinates></safe:footPrint></metadataSection>"
        f"<dataObjectSection>{files}</dataObjectSection></xfdu:XFDU>"
    )
