"""The area of a new city: from a name, a box, a polygon or the domain of a WRF simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from lczmap.aoi import bbox_aoi, checked_area, parse_bbox, read_aoi
from lczmap.exports.geo_em import domain_polygon
from lczmap.start.places import NOMINATIM, find_place

CLONE = Path(__file__).resolve().parents[2]
"""The clone that relative input paths of a configuration start at."""


@dataclass(frozen=True)
class StartArea:
    """An area in longitude and latitude, what the key `aoi` says, where it came from in words.

    `outline_file` is a GeoJSON to write beside the configuration, or None.
    """

    area: BaseGeometry
    setting: str | Mapping[str, Any]
    origin: str
    outline_file: tuple[Path, str] | None = None

    @property
    def latitude(self) -> float:
        """Latitude in degrees half way between the area's south and north."""
        _, south, _, north = self.area.bounds
        return float(south + north) / 2


def chosen_area(
    config_file: Path,
    *,
    place: str | None = None,
    bbox: str | None = None,
    polygon: Path | None = None,
    geo_em: Path | None = None,
    margin_km: float = 0.0,
    outline: bool = False,
    endpoint: str | None = None,
) -> StartArea:
    """Return the area that one of `place`, `bbox`, `polygon` and `geo_em` names; ValueError for none or several."""
    given = {"--place": place, "--bbox": bbox, "--polygon": polygon, "--from-geo-em": geo_em}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        raise ValueError(f"expected one of {', '.join(given)}, got {', '.join(named) or 'none'}")
    if place:
        return area_of_place(place, config_file, outline=outline, endpoint=endpoint or NOMINATIM)
    if bbox:
        return area_of_bbox(bbox)
    if polygon:
        return area_of_polygon(polygon)
    return area_of_domain(Path(str(geo_em)), config_file, margin_km=margin_km)


def area_of_bbox(text: str) -> StartArea:
    """Read `west,south,east,north` in degrees."""
    bounds = parse_bbox(text)
    if bounds is None:
        raise ValueError(f"--bbox: expected west,south,east,north in degrees, got {text!r}")
    return StartArea(bbox_aoi(bounds), {"bbox": list(bounds)}, "a bounding box")


def area_of_polygon(path: Path) -> StartArea:
    """Take a polygon file as it is."""
    return StartArea(read_aoi(path), as_configured(path), f"the polygons of {path.name}")


def area_of_place(name: str, config_file: Path, *, outline: bool, endpoint: str = NOMINATIM) -> StartArea:
    """Look a place up; its box, or with `outline` its outline as `<city>.geojson` beside the configuration."""
    place = find_place(name, endpoint=endpoint)
    origin = f"{place.name}, © OpenStreetMap contributors"
    if not outline:
        bounds = [round(edge, 5) for edge in place.area.bounds]
        return StartArea(bbox_aoi(bounds), {"bbox": bounds}, origin)
    if not place.is_outline:
        raise ValueError(
            f"{place.name} has no outline in OpenStreetMap, only a point; leave --outline out, or give --bbox"
        )
    return _with_file(checked_area(place.area, place.name), config_file, origin)


def area_of_domain(path: Path, config_file: Path, *, margin_km: float) -> StartArea:
    """Take the domain of a WRF geo_em file and `margin_km` around it: w2w needs a map larger than the domain."""
    area = checked_area(domain_polygon(path, margin_km=margin_km), str(path))
    return _with_file(area, config_file, f"the WRF domain of {path.name} and {margin_km:g} km around it")


def _with_file(area: BaseGeometry, config_file: Path, origin: str) -> StartArea:
    path = config_file.with_suffix(".geojson")
    if path.exists():
        raise ValueError(f"{path} exists already; give another --out, or delete it first")
    feature = {"type": "Feature", "properties": {"origin": origin}, "geometry": mapping(area)}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]}) + "\n"
    return StartArea(area, as_configured(path), origin, (path, text))


def as_configured(path: Path) -> str:
    """Return a path as a configuration says it: relative to the clone where it lies inside, else absolute."""
    whole = path.resolve()
    return str(whole.relative_to(CLONE)) if whole.is_relative_to(CLONE) else str(whole)
