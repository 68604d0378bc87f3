"""Training areas: polygons of known class, from the files people draw them in.

KML and KMZ follow the WUDAPT template of the LCZ Generator: one folder per class, named 1..10 and A..G, and a
placemark `ROI` that is no training area. Other vector files hold the class in an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from lczmap.classes import parse_class

CLASS_FIELDS = ("lcz", "lcz_class", "lcz_code", "class", "class_id", "code", "label", "name")
"""Attributes that may hold the class, the likeliest first; upper and lower case do not matter."""

_KML = (".kml", ".kmz")
_NOT_AN_AREA = "ROI"  # the region of interest in the WUDAPT template


@dataclass(frozen=True)
class Areas:
    """Training polygons, in the order of the file.

    `polygons` are valid, non-empty, two-dimensional, in `crs`; `codes` (N,) are 1..17; `notes` say in words what
    was repaired or passed over.
    """

    polygons: tuple[BaseGeometry, ...]
    codes: npt.NDArray[np.uint8]
    crs: str
    notes: tuple[str, ...] = ()

    def to_crs(self, crs: str) -> Areas:
        """Return the same areas in another CRS; coordinates that it cannot express become infinite."""
        transformer = pyproj.Transformer.from_crs(self.crs, crs, always_xy=True)
        moved = shapely.transform(
            np.array(self.polygons, dtype=object),
            lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])),
        )
        return replace(self, polygons=tuple(moved), crs=crs)


@dataclass(frozen=True)
class _Layer:
    name: str
    meta: dict[str, Any]
    fids: Any
    wkb: Any
    columns: Any

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(zip(self.meta["fields"], self.columns, strict=True))


@dataclass(frozen=True)
class _Feature:
    where: str
    class_text: object
    geometry: BaseGeometry | None


def read_areas(path: Path, *, field: str | None = None) -> Areas:
    """Read the training areas of a KML, KMZ, GeoPackage, GeoJSON, shapefile or any other vector file GDAL reads.

    In KML and KMZ the class is the folder's name, or the placemark's name where the folder names none. In other
    files it is the attribute `field`, by default the first of CLASS_FIELDS that holds classes. Multipolygons become
    one area per part, heights are dropped, points and lines passed over, polygons that cross themselves repaired.
    ValueError for a missing or unreadable file, no CRS, no such attribute, a class outside 1..17 or no polygon.
    """
    if not path.is_file():
        raise ValueError(f"training areas {path}: no such file; set `training.areas` to a file of polygons")
    crs, features = _read_features(path, field)
    polygons: list[BaseGeometry] = []
    codes: list[int] = []
    notes: list[str] = []
    for feature in features:
        parts = _polygons(path, feature, notes)
        code = _code(path, feature) if parts else 0
        polygons += parts
        codes += [code] * len(parts)
    if not polygons:
        raise ValueError(f"training areas {path}: expected polygons of known class, found none")
    return Areas(tuple(polygons), np.array(codes, np.uint8), crs, tuple(notes))


def _read_features(path: Path, field: str | None) -> tuple[str, list[_Feature]]:
    import pyogrio  # brings pandas and geopandas, half a second that only reading is worth

    try:
        layers = [str(layer) for layer in pyogrio.list_layers(path)[:, 0]]
        tables = [(layer, pyogrio.raw.read(path, layer=layer, force_2d=True, return_fids=True)) for layer in layers]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ValueError(
            f"training areas {path}: not a readable vector file ({error}); use KML, KMZ, GeoPackage, "
            "GeoJSON or shapefile"
        ) from error
    filled = [_Layer(name, *table) for name, table in tables if table[2] is not None and len(table[2])]
    crs = {str(layer.meta["crs"]) for layer in filled}
    if crs and (len(crs) > 1 or crs & {"None", ""}):
        raise ValueError(
            f"training areas {path}: expected one CRS for all layers, got {sorted(crs)}; set it in the file"
        )
    is_kml = path.suffix.lower() in _KML
    features = [f for layer in filled for f in (_placemarks(layer) if is_kml else _attributed(path, layer, field))]
    return crs.pop() if crs else "EPSG:4326", features


def _placemarks(layer: _Layer) -> Iterator[_Feature]:
    names = layer.attributes.get("Name", [None] * len(layer.wkb))
    for name, shape in zip(names, shapely.from_wkb(layer.wkb), strict=True):
        if _NOT_AN_AREA in (str(name).strip().upper(), layer.name.strip().upper()):
            continue
        named_by = layer.name if _is_class(layer.name) or name is None else name
        yield _Feature(f"placemark {name!r} in the folder {layer.name!r}", named_by, shape)


def _attributed(path: Path, layer: _Layer, field: str | None) -> Iterator[_Feature]:
    chosen = field if field in layer.attributes else _detect_field(path, layer, field)
    for fid, value, shape in zip(layer.fids, layer.attributes[chosen], shapely.from_wkb(layer.wkb), strict=True):
        yield _Feature(f"feature {fid} of the layer {layer.name!r} (attribute {chosen!r})", value, shape)


def _detect_field(path: Path, layer: _Layer, field: str | None) -> str:
    if field is None:
        ranked = sorted((n for n in layer.attributes if n.lower() in CLASS_FIELDS), key=_rank_of_field)
        for name in ranked:
            if any(_is_class(value) for value in layer.attributes[name]):
                return name
    wanted = "LCZ classes (1..10, A..G, 11..17) in an attribute" if field is None else f"an attribute {field!r}"
    found = ", ".join(f"{name!r} with values like {next(iter(v), None)!r}" for name, v in layer.attributes.items())
    raise ValueError(
        f"training areas {path}, layer {layer.name!r}: expected {wanted}, it has {found or 'none'}; correct the "
        "classes, or name the attribute with `training.field`"
    )


def _rank_of_field(name: str) -> int:
    return CLASS_FIELDS.index(name.lower())


def _is_class(text: object) -> bool:
    try:
        parse_class(str(text))
    except ValueError:
        return False
    return True


def _code(path: Path, feature: _Feature) -> int:
    try:
        return parse_class(str(feature.class_text)).code
    except ValueError as error:
        raise ValueError(
            f"training areas {path}, {feature.where}: {error}; correct the class, or name another attribute with "
            "`training.field`"
        ) from error


def _polygons(path: Path, feature: _Feature, notes: list[str]) -> list[BaseGeometry]:
    if feature.geometry is None:
        notes.append(f"{feature.where} has no geometry: passed over")
        return []
    drawn = [part for part in _parts(feature.geometry) if part.geom_type == "Polygon" and not part.is_empty]
    if not drawn:
        notes.append(f"{feature.where} is no polygon but {feature.geometry.geom_type}: passed over")
    return [piece for polygon in drawn for piece in _repaired(path, feature, polygon, notes)]


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [part for child in geometry.geoms for part in _parts(child)]


def _repaired(path: Path, feature: _Feature, polygon: BaseGeometry, notes: list[str]) -> list[BaseGeometry]:
    if polygon.is_valid:
        return [polygon]
    pieces = [part for part in _parts(shapely.make_valid(polygon)) if part.geom_type == "Polygon" and part.area > 0]
    if not pieces:
        raise ValueError(
            f"training areas {path}, {feature.where}: the polygon encloses no area ({explain_validity(polygon)}); "
            "draw it again"
        )
    notes.append(f"{feature.where} is not valid ({explain_validity(polygon)}): repaired")
    return pieces
