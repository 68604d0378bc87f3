"""The lines that `lczmap info` prints of a map."""

from __future__ import annotations

from collections.abc import Iterator

import pyproj

from lczmap.classes import CLASSES
from lczmap.evaluation.map_info import SOFTWARE_TAG, MapInfo
from lczmap.raster import RasterHeader

NO_CRS = "none: set it (gdal_edit.py -a_srs EPSG:…) before other programs can place the map"


def info_lines(info: MapInfo) -> Iterator[str]:
    """Yield what a map is, line by line: grid, bands, numbering, layout, tags, and a table of its classes."""
    header = info.header
    maker = f"made by {header.tags[SOFTWARE_TAG]}" if info.is_ours else "not made by lczmap (no tag says so)"
    yield f"{info.path}: LCZ map, {maker}"
    lines = {"CRS": header.crs or NO_CRS, "size": _size(header)}
    if info.lonlat is not None:
        west, south, east, north = info.lonlat
        lines["extent"] = f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"
        lines["areas"] = f"km² {info.area_basis}"
    bands = zip(header.names, header.dtypes, strict=True)
    lines["bands"] = ", ".join(f"{name or 'unnamed'} ({dtype})" for name, dtype in bands)
    lines["codes"] = f"{info.numbering}; nodata {'has no tag' if header.nodata is None else f'{header.nodata:g}'}"
    lines["layout"] = ", ".join(
        [
            "cloud-optimised GeoTIFF" if header.is_cog else "no cloud-optimised GeoTIFF",
            f"{len(header.overviews)} overviews",
            "colours inside" if header.has_colors else "no colours inside",
        ]
    )
    lines["beside it"] = ", ".join(info.sidecars) or "no .aux.xml, .qml or .clr"
    tags = sorted((key, text) for key, text in header.tags.items() if key.startswith("LCZMAP_"))
    lines |= {key.removeprefix("LCZMAP_").lower().replace("_", " "): text for key, text in tags}
    yield from (f"  {name:<15} {text}" for name, text in lines.items())
    yield ""
    yield from _table(info)


def _size(header: RasterHeader) -> str:
    rows, cols = header.shape
    unit = ""
    if header.crs is not None:
        unit = f" {pyproj.CRS(header.crs).axis_info[0].unit_name}"
    pixel = f"{abs(header.transform.a):.10g} × {abs(header.transform.e):.10g}{unit}"
    return f"{rows} rows × {cols} columns, pixel size {pixel}"


def _table(info: MapInfo) -> Iterator[str]:
    mapped = sum(c.cells for c in info.classes)
    if not mapped:
        yield "  no cell has a class"
        return
    yield f"  {'class':<28}{'cells':>12}{'share':>9}{'km²':>12}"
    for c in info.classes:
        title = CLASSES[c.code - 1].title
        yield f"  {title:<28}{c.cells:>12}{c.cells / mapped:>9.2%}{c.area_km2:>12.2f}"
    total = mapped + info.nodata_cells
    yield f"  {'no class':<28}{info.nodata_cells:>12}  ({info.nodata_cells / total:.2%} of the raster)"
