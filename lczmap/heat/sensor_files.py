"""Write a proposed network of thermometers: points, what was decided, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from lczmap.classes import CLASSES
from lczmap.classes import class_colors as palette_colors
from lczmap.evaluation.figures import class_colors
from lczmap.evaluation.records import write_report
from lczmap.files import replacing
from lczmap.heat.sensors import LEAST_CLEARANCE_M, SPACING_M, Sensors, propose
from lczmap.heat.zones import BORDER_M, Zones, read_zones
from lczmap.vector_file import write_layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
_LOW_PLANTS = 14  # code of LCZ D
_FIELDS = ("sensor", "code", "label", "class", "rank", "clearance_m", "near_border", "lon", "lat")


def propose_sensors(
    lcz: Path, out_gpkg: Path, out_json: Path, out_png: Path, *, sensors: int, clearance_m: float = BORDER_M
) -> dict[str, Any]:
    """Write places for thermometers as GeoPackage (points in the map's CRS), JSON and picture; returns the JSON.

    ValueError: see `read_zones` and `propose`.
    """
    zones = read_zones(lcz)
    chosen = propose(zones, sensors, clearance_m=clearance_m)
    report = _report(zones, chosen, sensors, clearance_m)
    _write_points(out_gpkg, zones, chosen, report["sensors"])
    with replacing(out_png) as temporary:
        draw_sensors(zones, chosen).savefig(temporary, format="png", dpi=DPI, facecolor="white")
    write_report(out_json, report)
    return report


def draw_sensors(zones: Zones, sensors: Sensors) -> Figure:
    """Draw the map in pale colours of its palette with the proposed places, named by class and rank."""
    from matplotlib.figure import Figure

    west, south, east, north = (edge / 1000 for edge in zones.geobox.extent.boundingbox.bbox)
    width = 7.0
    figure = Figure(figsize=(width, width * (north - south) / (east - west) + 0.6), layout="constrained")
    ax = figure.subplots()
    image = class_colors(zones.codes, zones.palette)
    ax.imshow(image, extent=(west, east, south, north), interpolation="nearest", alpha=0.55)
    x, y = _centres(zones, sensors)
    colors = [palette_colors(zones.palette)[code - 1] for code in sensors.code]
    ax.scatter(x / 1000, y / 1000, s=60, c=colors, edgecolor="black", linewidth=1.2, zorder=3)
    for k, (code, rank) in enumerate(zip(sensors.code, sensors.rank, strict=True)):
        ax.annotate(
            f"{CLASSES[code - 1].label}-{rank}",
            (x[k] / 1000, y[k] / 1000),
            (5, 5),
            textcoords="offset points",
            fontsize=7,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
        )
    ax.set(xlim=(west, east), ylim=(south, north))
    ax.set_title(f"{len(sensors.code)} proposed places for thermometers, class and rank", fontsize=10)
    ax.set_xlabel("easting, km", fontsize=8)
    ax.set_ylabel("northing, km", fontsize=8)
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(labelsize=7)
    return figure


def _report(zones: Zones, sensors: Sensors, asked: int, clearance_m: float) -> dict[str, Any]:
    placed = np.bincount(sensors.code, minlength=len(CLASSES) + 1)[1:]
    return {
        "what": "places for air thermometers, in proportion to the area of the zones, away from their borders",
        "asked": asked,
        "placed": len(sensors.code),
        "clearance_m": clearance_m,
        "least_clearance_m": min(LEAST_CLEARANCE_M, clearance_m),
        "spacing_m": SPACING_M,
        "note": None if placed[_LOW_PLANTS - 1] else "LCZ D, the usual reference of heat islands, gets no sensor",
        "classes": [
            {
                "code": c.code,
                "label": c.label,
                "title": c.title,
                "area_km2": float(zones.cells[c.index]) * zones.cell_m**2 / 1e6,
                "wanted": int(sensors.wanted[c.index]),
                "placed": int(placed[c.index]),
                "why": sensors.reasons.get(c.code),
            }
            for c in CLASSES
            if zones.cells[c.index]
        ],
        "sensors": _rows(zones, sensors, clearance_m),
    }


def _rows(zones: Zones, sensors: Sensors, clearance_m: float) -> list[dict[str, Any]]:
    to_lonlat = pyproj.Transformer.from_crs(str(zones.geobox.crs), "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(*_centres(zones, sensors))
    rows = []
    for k, code in enumerate(sensors.code.tolist()):
        c, clearance = CLASSES[code - 1], float(sensors.clearance_m[k])
        place = {"clearance_m": round(clearance, 1), "near_border": clearance < clearance_m}
        names = {"sensor": f"{c.label}-{sensors.rank[k]}", "code": code, "label": c.label, "class": c.name}
        rows.append({**names, "rank": int(sensors.rank[k]), **place, "lon": float(lon[k]), "lat": float(lat[k])})
    return rows


def _centres(zones: Zones, sensors: Sensors) -> tuple[Any, Any]:
    """Return x and y (N,) of the sensors' cell centres in the map's CRS."""
    transform = zones.geobox.transform
    return transform.c + (sensors.col + 0.5) * transform.a, transform.f + (sensors.row + 0.5) * transform.e


def _write_points(path: Path, zones: Zones, sensors: Sensors, rows: list[dict[str, Any]]) -> None:
    columns: dict[str, npt.NDArray[Any]] = {
        field: np.array([row[field] for row in rows], dtype=_DTYPES.get(field, object)) for field in _FIELDS
    }
    points = shapely.points(*_centres(zones, sensors))
    write_layer(path, "sensors", points, columns, kind="Point", crs=str(zones.geobox.crs))


_DTYPES: dict[str, type] = {
    **dict.fromkeys(("code", "rank"), np.int32),
    **dict.fromkeys(("clearance_m", "lon", "lat"), np.float64),
    "near_border": np.bool_,
}
