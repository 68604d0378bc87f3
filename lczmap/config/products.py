"""The sections of a city run about what is made of its map: exports, accuracy, other maps, temperatures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lczmap.config.section import Name, Section

ExportName = Literal["lcz_generator", "wudapt", "wrf", "kmz", "vector", "geoparquet", "stac", "metadata"]
ClassLabel = Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "A", "B", "C", "D", "E", "F", "G"]
EXPORTS: tuple[ExportName, ...] = ("lcz_generator", "wudapt", "wrf", "kmz", "vector", "stac", "metadata")
"""What is exported unless the configuration says otherwise; `geoparquet` needs the extra of this name."""


class Accuracy(Section):
    """The accuracy report on reference polygons."""

    bootstraps: int = Field(default=25, ge=0, le=1000)
    """How often the accuracy figures are drawn anew (the LCZ Generator: 25); 0 draws neither them nor the pictures of
    the accuracy report. A random forest is trained anew on 70 % of the polygons each time, of networks the test
    polygons are resampled."""


class OtherMap(Section):
    """Another LCZ map of the same city, to compare with."""

    name: Name
    """Name of the folder that the comparison goes to."""
    path: str
    """The other map: codes 1..17 or 1..10 and 101..107, any CRS and pixel size."""
    band: int = Field(default=1, ge=1)
    """Band of the file that holds the classes."""


def _as_text(value: object) -> object:
    """Return what YAML took for a time as text again."""
    return value.isoformat() if isinstance(value, datetime) else value


class Temperature(Section):
    """Heat island: temperatures of the zones."""

    air: str | None = None
    """Air temperatures at screen level: a table of stations, or a raster. Gives the urban heat island (UHI)."""
    surface: str | None = None
    """A raster of land-surface temperatures. Gives the surface urban heat island (SUHI)."""
    unit: Literal["kelvin", "celsius"] | None = None
    """Unit of both, where the files do not say it themselves."""
    reference: Annotated[ClassLabel, BeforeValidator(str)] = "D"
    """Class that the others are compared with, 1 to 10 or A to G. Where a city has no D, another one must be named."""
    time: Annotated[str | None, BeforeValidator(_as_text)] = None
    """Date and hour of a raster, where its tags do not say them; a surface heat island needs them."""
    band: int | None = Field(default=None, ge=1)
    """Band of a raster with several."""
    column: str | None = None
    """Column of the stations' temperatures, where it is not called temperature, temp, tair, t2m …"""
    crs: str | None = None
    """CRS of a station table with columns x and y instead of lon and lat, such as EPSG:32633."""
    sensors: int = Field(default=0, ge=0)
    """How many thermometers to propose places for; 0 for none."""
