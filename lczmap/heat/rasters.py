"""Temperatures from a raster, brought onto the map's cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.heat.units import Kind, Unit, option_text, refuse_standardised, to_celsius, unit_of_text
from lczmap.raster import BandFacts, ResamplingName, band_facts, footprint, lattice, read_onto, sample_band

LANDSAT_SCALE, LANDSAT_OFFSET = 0.00341802, 149.0
"""Kelvin of a number of Landsat Collection 2 surface temperature, 0 is no data: USGS LSDS-1619, 6.1."""
_LANDSAT = re.compile(r"^L[CTEO]0\d_L2SP_\d{6}_(\d{4})(\d{2})(\d{2})_\d{8}_02_T\d_ST_B(6|10)$", re.IGNORECASE)
_TIME_TAGS = ("acquisition_datetime", "acquisition_time", "acquisition_date_time", "sensing_time", "datetime", "time")
_MOMENT = re.compile(r"\d{4}.*\d{1,2}[:h]\d{2}", re.DOTALL)


@dataclass(frozen=True)
class RasterTemperatures:
    """Temperatures of map cells (y, x) in degrees Celsius, NaN where missing, and how they were made.

    `time` is "" where nobody says it; `pixel_m` is the width of the raster's pixels at the map.
    """

    celsius: npt.NDArray[np.float64]
    unit: Unit
    said_by: str
    time: str
    pixel_m: float
    resampling: ResamplingName
    notes: tuple[str, ...]


def read_temperatures(
    path: Path,
    geobox: GeoBox,
    *,
    kind: Kind,
    unit: Unit | None = None,
    band: int | None = None,
    time: str | None = None,
) -> RasterTemperatures:
    """Read a temperature raster of any CRS and pixel size onto the cells of a map.

    Pixels finer than a cell are averaged over it; of coarser ones, each cell gets the pixel its centre lies in. The
    file's scale and offset are applied, to a Landsat Collection 2 file (known by its name) those of its format.
    `unit` and `time` count where the file does not say them. ValueError for several bands and no `band`, a
    raster beside the map, without a unit, standardised or not plausible; of `surface`, without date and hour.
    """
    number = _chosen_band(path, band, kind)
    facts = band_facts(path, band=number)
    scale, offset, landsat = _scaling(path, facts)
    pixel_m = _pixel_m(lattice(path), geobox)
    finer = pixel_m <= abs(geobox.transform.a) * 1.01
    resampling: ResamplingName = "average" if finer else "nearest"
    stored = read_onto(path, geobox, band=number, resampling=resampling, nodata=0.0 if landsat else None)
    if not np.isfinite(stored).any():
        raise ValueError(
            f"{path}: expected temperatures on the map, none of its cells has one. {_places(path, geobox)}"
        )
    sample = sample_band(path, band=number)
    whole = np.where(landsat & (sample == 0), np.nan, sample).astype(np.float64) * scale + offset
    refuse_standardised(whole, str(path))
    stated, stated_by = ("kelvin", "format") if landsat else _stated_unit(facts)
    result = to_celsius(
        stored.astype(np.float64) * scale + offset,
        stated=stated,
        stated_by=stated_by,
        asked=unit,
        kind=kind,
        where=str(path),
        whole=whole,
    )
    notes = list(result.notes)
    if landsat:
        notes.append(f"Landsat Collection 2 by its name: kelvin = number · {scale} + {offset:g}, 0 is no data")
    if not finer:
        notes.append(f"its pixels of {pixel_m:.0f} m are coarser than the map's cells and mix zones")
    moment, stated_moment_by = _moment(path, facts, time, kind)
    if stated_moment_by and time and not _is_same_moment(time, moment):
        notes.append(
            f"asked for the time {time}, but the file's {stated_moment_by} says {moment}, which counts; if it is "
            "wrong, correct it in the file"
        )
    return RasterTemperatures(result.values, result.unit, result.said_by, moment, pixel_m, resampling, tuple(notes))


def _chosen_band(path: Path, band: int | None, kind: Kind) -> int:
    count = band_facts(path).count
    if band is None and count > 1:
        raise ValueError(
            f"{path}: it has {count} bands; name the one of the temperature with {option_text(kind, 'band')}"
        )
    return band or 1


def _scaling(path: Path, facts: BandFacts) -> tuple[float, float, bool]:
    plain = facts.scale == 1 and facts.offset == 0
    if plain and facts.dtype == "uint16" and _LANDSAT.match(path.stem):
        return LANDSAT_SCALE, LANDSAT_OFFSET, True
    return facts.scale, facts.offset, False


def _stated_unit(facts: BandFacts) -> tuple[Unit | None, str]:
    """Return the unit that a band states and where: its unit, or a tag. Names of bands end in many letters."""
    texts = {"unit": facts.unit} | {f"tag {key!r}": facts.tags.get(key, "") for key in ("units", "unit")}
    for where, text in texts.items():
        found = unit_of_text(text)
        if found:
            return found, where
    return None, ""


def _moment(path: Path, facts: BandFacts, asked: str | None, kind: Kind) -> tuple[str, str]:
    """Return date and hour as the file's tags say, and in which, else as asked.

    ValueError for a surface where nobody says them.
    """
    day, hour = facts.tags.get("date_acquired", ""), facts.tags.get("scene_center_time", "")
    stated = {"tags 'date_acquired' and 'scene_center_time'": f"{day}T{hour}" if day and hour else ""}
    stated |= {f"tag {key!r}": facts.tags.get(key, "") for key in _TIME_TAGS}
    by, found = next(((by, text) for by, text in stated.items() if _MOMENT.search(text)), ("", asked or ""))
    if kind == "surface" and not _MOMENT.search(found):
        named = _LANDSAT.match(path.stem)
        known = f"; the file's name says {'-'.join(named.groups()[:3])}" if named else ""
        raise ValueError(
            f"{path}: a surface heat island needs the date and hour of its temperatures, got {found!r}{known}; say "
            f"them with {option_text(kind, 'time')}, such as 2024-07-20T10:05Z or 'June to August 2024, about 10:05'"
        )
    return found, by


def _is_same_moment(one: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except ValueError:  # words, such as `June to August 2024, about 10:05`
        return one == other


def _pixel_m(source: GeoBox, geobox: GeoBox) -> float:
    """Return the width of a raster's pixels at the map's centre, in metres: the root of a pixel's area."""
    to_source, to_map = (
        pyproj.Transformer.from_crs(str(one), str(other), always_xy=True)
        for one, other in ((geobox.crs, source.crs), (source.crs, geobox.crs))
    )
    rows, cols = geobox.shape
    x, y = geobox.transform @ (cols / 2, rows / 2)
    col, row = ~source.transform @ to_source.transform(x, y)
    corners = [source.transform @ place for place in ((col, row), (col + 1, row), (col, row + 1))]
    here, right, below = (np.array(to_map.transform(x, y)) for x, y in corners)
    (a, b), (c, d) = right - here, below - here
    size = float(np.sqrt(abs(a * d - b * c)))
    return size if np.isfinite(size) else abs(geobox.transform.a)


def _places(path: Path, geobox: GeoBox) -> str:
    """Say in longitude and latitude where a raster and a map lie."""
    boxes = [footprint(box, "EPSG:4326") for box in (lattice(path), geobox)]
    words = [f"{w:.3f}..{e:.3f} E, {s:.3f}..{n:.3f} N" for w, s, e, n in boxes]
    return f"The raster covers {words[0]}, the map {words[1]}: choose a raster of the city, clear of cloud"
