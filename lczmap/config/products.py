"""The sections of a city run about what is made of its map: exports, accuracy, other maps, temperatures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lczmap.config.section import Name, Section

ExportName = Literal["lcz_generator", "wudapt", "wrf", "kmz", "vector", "geoparquet", "stac", "metadata"]
EXPORTS: tuple[ExportName, ...] = ("lcz_generator", "wudapt", "wrf", "kmz", "vector", "stac", "metadata")
"""What is exported unless the configuration says otherwise; `geoparquet` needs the extra of this name."""


class Accuracy(Section):
    """The accuracy report on reference polygons."""

    bootstraps: int = Field(default=25, ge=0, le=1000)
    """How often the accuracy figures are drawn anew (the LCZ Generator: 25); 0 writes no box plot. A random forest is
    trained anew on 70 % of the polygons each time, of networks the test polygons are resampled."""


class OtherMap(Section):
    """Another LCZ map of the same city, to compare with."""

    name: Name
    """Name of the folder that the comparison goes to."""
    path: str
    """The other map: codes 1..17 or 1..10 and 101..107, any CRS and pixel size."""
    band: int = Field(default=1, ge=1)
    """Band of the file that holds the classes."""


class Temperature(Section):
    """Heat island: temperatures of the zones."""

    air: str | None = None
    """Air temperatures at screen level: a table of stations, or a raster. Gives the urban heat island (UHI)."""
    surface: str | None = None
    """A raster of land-surface temperatures. Gives the surface urban heat island (SUHI)."""
    unit: Literal["kelvin", "celsius"] | None = None
    """Unit of both, where the files do not say it themselves."""
    sensors: int = Field(default=0, ge=0)
    """How many thermometers to propose places for; 0 for none."""
