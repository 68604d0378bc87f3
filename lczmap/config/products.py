"""The sections of a city run about what is made of its map: exports, accuracy, other maps, temperatures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

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
    against: Literal["lcz", "lcz_filtered"] = "lcz"
    """Which of our maps it is compared with: give a filtered map `lcz_filtered`, for a filter removes single cells and
    one map with them and one without agree less."""


def _as_text(value: object) -> object:
    """Return what YAML took for a time as text again."""
    return value.isoformat() if isinstance(value, datetime) else value


def _path_is_section(value: object) -> object:
    return {"path": value} if value is None or isinstance(value, str) else value


class TemperatureFile(Section):
    """A file of temperatures, and what it does not say itself. A path alone may stand for the section."""

    path: str | None = None
    """The file."""
    unit: Literal["kelvin", "celsius"] | None = None
    """Unit, where the file does not say it itself."""
    band: int | None = Field(default=None, ge=1)
    """Band of a raster with several."""
    time: Annotated[str | None, BeforeValidator(_as_text)] = None
    """Date and hour of a raster, where its tags do not say them; a surface heat island needs them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        said = [key for key, value in self if value is not None]
        if said and self.path is None:
            raise ValueError(f"`{said[0]}` is said of a file; expected its `path` too")
        return self


class AirTemperature(TemperatureFile):
    """Air temperatures at screen level, of stations or a raster."""

    path: str | None = None
    """Air temperatures at screen level: a table of stations, or a raster. Gives the urban heat island (UHI).
    `air: stations.csv` is short for this key alone."""
    column: str | None = None
    """Column of a table's temperatures, where it is not called temperature, temp, tair, t2m …"""
    crs: str | None = None
    """CRS of a table with columns x and y instead of lon and lat, such as EPSG:32633."""


class SurfaceTemperature(TemperatureFile):
    """Land-surface temperatures."""

    path: str | None = None
    """A raster of land-surface temperatures. Gives the surface urban heat island (SUHI). `surface: lst.tif` is short
    for this key alone."""


class Temperature(Section):
    """Heat island: temperatures of the zones."""

    air: Annotated[
        AirTemperature, BeforeValidator(_path_is_section, json_schema_input_type=AirTemperature | str | None)
    ] = AirTemperature()
    surface: Annotated[
        SurfaceTemperature, BeforeValidator(_path_is_section, json_schema_input_type=SurfaceTemperature | str | None)
    ] = SurfaceTemperature()
    reference: Annotated[ClassLabel, BeforeValidator(str)] = "D"
    """Class that the others are compared with, 1 to 10 or A to G. Where a city has no D, another one must be named."""
    border_m: float = Field(default=200.0, ge=0)
    """Metres: a raster's cells nearer than this to the border of their zone are left out, stations are flagged."""
    least_confidence: float | None = Field(default=None, ge=0, le=1)
    """A raster's cells whose most probable class (before the filter) is less probable are left out; null: all count."""
    block_m: float = Field(default=2000.0, ge=0)
    """Width in metres of the blocks of cells that the intervals of a raster come from."""
    sensors: int = Field(default=0, ge=0)
    """How many thermometers to propose places for; 0 for none."""
    clearance_m: float = Field(default=200.0, ge=0)
    """Metres from the border of its zone that a thermometer shall have."""
