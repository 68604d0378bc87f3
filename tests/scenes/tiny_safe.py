"""Small Sentinel-2 products for the tests: real JPEG 2000 images, and metadata with the elements of real ones."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from tiny_archive import NORTH, WEST, lattice, pixel_centres

from lczmap.channels import S2_BANDS_L1C, S2_RESOLUTION_M

Paint = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Safe:
    """What a product shall be; `dn_offset` is added to the DN and stated as -`dn_offset` where the baseline has it."""

    satellite: str = "B"
    level: str = "L1C"
    baseline: str = "05.10"
    datatake: str = "20240206T131259"
    sensed: str = "2024-02-06T13:14:11.918Z"
    strip: str = "20240206T131359"
    processed: str = "20240206T133903"
    tile: str = "31UCT"
    west: float = WEST - 1200
    north: float = NORTH + 1200
    width_m: float = 3600
    crs: str = "EPSG:32631"

    @property
    def name(self) -> str:
        number = "N" + self.baseline.replace(".", "")
        return f"S2{self.satellite}_MSI{self.level}_{self.datatake}_{number}_R081_T{self.tile}_{self.processed}"

    @property
    def granule(self) -> str:
        return f"GRANULE/{self.level}_T{self.tile}_A036143_{self.strip}"

    @property
    def has_offset(self) -> bool:
        return self.baseline >= "04.00"

    def image(self, band: str, pixel_m: int) -> str:
        number = f"B{int(band[1:]):02d}" if band[1:].isdigit() else band
        stem = f"T{self.tile}_{self.datatake}_{number}"
        where = f"R{pixel_m}m/{stem}_{pixel_m}m" if self.level == "L2A" else stem
        return f"{self.granule}/IMG_DATA/{where}.jp2"


def gradient(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Reflectance that grows by 1e-4 every 10 m to the east and by 1e-3 every 10 m to the south; above 0 all around."""
    return 0.1 + (x - WEST + 10_000) * 1e-5 + (NORTH + 10_000 - y) * 1e-4


def write_safe(folder: Path, safe: Safe, paint: Paint = gradient, scl: Paint | None = None) -> Path:
    """Write a product as SAFE folder and return it; NaN becomes DN 0."""
    root = folder / f"{safe.name}.SAFE"
    for band in S2_BANDS_L1C:
        native = S2_RESOLUTION_M[band]
        sizes = [s for s in (10, 20, 60) if s >= native] if safe.level == "L2A" else [native]
        for pixel_m in [] if (safe.level, band) == ("L2A", "B10") else sizes:
            geobox = lattice(pixel_m, safe.width_m, west=safe.west, north=safe.north, crs=safe.crs)
            digital = np.rint(paint(*pixel_centres(geobox)) * 10_000 + 1000 * safe.has_offset)
            write_jp2(root / safe.image(band, pixel_m), np.nan_to_num(digital).astype(np.uint16), geobox)
    if safe.level == "L2A":
        geobox = lattice(20, safe.width_m, west=safe.west, north=safe.north, crs=safe.crs)
        classes = np.full(geobox.shape, 4.0) if scl is None else scl(*pixel_centres(geobox))
        write_jp2(root / safe.image("SCL", 20), classes.astype(np.uint8), geobox)
    (root / f"MTD_MSI{safe.level}.xml").write_text(product_xml(safe))
    (root / safe.granule / "MTD_TL.xml").write_text(tile_xml(safe))
    return root


def write_jp2(path: Path, pixels: npt.NDArray, geobox) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pixels.shape
    profile = {"driver": "JP2OpenJPEG", "width": width, "height": height, "count": 1, "dtype": pixels.dtype}
    place = {"crs": str(geobox.crs), "transform": geobox.transform}
    with rasterio.open(path, "w", **profile, **place, QUALITY="100", REVERSIBLE="YES") as target:
        target.write(pixels, 1)


def zip_safe(root: Path, path: Path) -> Path:
    """Pack a SAFE folder as the archives do: the folder itself is in the zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent).as_posix())
    return path


def product_xml(safe: Safe) -> str:
    number, short = safe.level[1:], "BOA" if safe.level == "L2A" else "RADIO"
    listed = "BOA_ADD_OFFSET_VALUES_LIST" if safe.level == "L2A" else "Radiometric_Offset_List"
    values = "".join(f'<{short}_ADD_OFFSET band_id="{i}">-1000</{short}_ADD_OFFSET>' for i in range(13))
    offsets = f"<{listed}>{values}</{listed}>" if safe.has_offset else ""
    quantification = '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>'
    if safe.level == "L2A":
        quantification = (
            '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
            '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>'
        )
    schema = f"https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{number}.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{number}_User_Product xmlns:n1="{schema}">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_URI>{safe.name}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-{number}</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{safe.baseline}</PROCESSING_BASELINE>
      <Datatake datatakeIdentifier="GS2{safe.satellite}_{safe.datatake}_036143_N{safe.baseline}">
        <SPACECRAFT_NAME>Sentinel-2{safe.satellite}</SPACECRAFT_NAME>
        <SENSING_ORBIT_NUMBER>81</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
    </Product_Info>
    <Product_Image_Characteristics>{quantification}{offsets}</Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>9.936</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-{number}_User_Product>
"""


def tile_xml(safe: Safe) -> str:
    number = safe.level[1:]
    sizes, places = "", ""
    for size in (10, 20, 60):
        count = round(safe.width_m / size)
        sizes += f'<Size resolution="{size}"><NROWS>{count}</NROWS><NCOLS>{count}</NCOLS></Size>'
        places += (
            f'<Geoposition resolution="{size}"><ULX>{safe.west:.0f}</ULX><ULY>{safe.north:.0f}</ULY>'
            f"<XDIM>{size}</XDIM><YDIM>-{size}</YDIM></Geoposition>"
        )
    schema = f"https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{number}_Tile_Metadata.xsd"
    angle = '<ZENITH_ANGLE unit="deg">{}</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">{}</AZIMUTH_ANGLE>'
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{number}_Tile_ID xmlns:n1="{schema}">
  <n1:General_Info><SENSING_TIME metadataLevel="Standard">{safe.sensed}</SENSING_TIME></n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {safe.crs[-2:]}N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>{safe.crs}</HORIZONTAL_CS_CODE>{sizes}{places}
    </Tile_Geocoding>
    <Tile_Angles>
      <Mean_Sun_Angle>{angle.format(78.4, 175.2)}</Mean_Sun_Angle>
      <Mean_Viewing_Incidence_Angle_List><Mean_Viewing_Incidence_Angle bandId="0">{angle.format(8, 280)}
      </Mean_Viewing_Incidence_Angle></Mean_Viewing_Incidence_Angle_List>
    </Tile_Angles>
  </n1:Geometric_Info>
</n1:Level-{number}_Tile_ID>
"""
