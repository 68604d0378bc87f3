"""Where the scenes of both sensors come from, and which of them count."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from lczmap.config.section import Address, Platform, Section

SEASONS = ("spring", "summer", "autumn", "winter")
NETWORK = ("stac", "sentinelhub", "gcs")
"""Sources that fetch scenes."""
NAMED_HEIGHTS = ("glo30", "srtm")
"""Height models that are fetched."""
ORBIT_KINDS = ("auto", "precise", "restituted", "product")
"""Orbits that are not named by a file."""


class Sentinel2(Section):
    """Multispectral scenes."""

    source: Literal["simulate", "local", "stac", "sentinelhub", "gcs"] = "simulate"
    """Where scenes come from: `simulate` (the demo city), `local` (your disk), `stac`, `sentinelhub` or `gcs` (Google's
    public L1C bucket); docs/data.md."""
    archive: str | None = None
    """With `local`: an archive.yaml, a folder of SAFE products, or a So2Sat GUL folder."""
    endpoint: Address = None
    """With a network source: an endpoint's name or address; the default needs no account, except Sentinel Hub's."""
    collection: str | None = None
    """With `stac`: the collection, where the endpoint's usual one is not meant."""
    bucket: Address = None
    """With `gcs`: the address of a mirror of the bucket."""
    level: Literal["L1C", "L2A"] = "L1C"
    """Processing level: L1C is top-of-atmosphere reflectance, L2A surface reflectance."""
    platform: Platform = "any"
    """Satellite, such as sentinel-2b."""
    season: Literal["all", "local_summer", "dry", "four"] = "all"
    """Which months of the period count; `four` makes four composites and averages their class probabilities."""
    max_cloud: float = Field(default=60, ge=0, le=100)
    """Network sources: the cloudiest scene that is fetched, in percent as the archive states it."""
    max_dates: int = Field(default=12, ge=1, le=60)
    """Network sources: how many dates are fetched, the clearest ones, of each season."""
    cloud_mask: Literal["auto", "source", "s2cloudless", "none"] = "auto"
    """`source`: the mask that came with the scene; `auto`: that one, else s2cloudless."""
    composite: Literal["median", "medoid", "best_pixel"] = "median"
    """How the clear dates of a pixel become one value."""
    upsampling: Literal["cubic", "nearest"] = "cubic"
    """How 20 m bands are brought to 10 m: cubic convolution as in So2Sat GUL, or nearest as in RSNNet."""


class Sentinel1(Section):
    """Radar scenes."""

    use: Literal["required", "preferred", "off"] = "required"
    """`preferred` maps without radar where no scene is found, and says so; `off` maps from Sentinel-2 alone."""
    source: Literal["simulate", "local", "stac", "sentinelhub", "slc"] = "simulate"
    """Where scenes come from: `simulate`, `local`, `stac`, `sentinelhub`, or `slc` (single-look complex products, made
    into channels here); docs/data.md, docs/sentinel1.md."""
    provider: Literal["asf", "dataspace", "local"] = "asf"
    """With `slc`: bursts from the Alaska Satellite Facility, whole products from the Copernicus Data Space, or the
    products in the folder `archive`."""
    archive: str | None = None
    """With `local`: as for sentinel2; may be the same. With `slc` and `provider: local`: the folder of SLC products."""
    endpoint: Address = None
    """As for sentinel2. With `slc`: the address of a mirror of the provider."""
    collection: str | None = None
    """As for sentinel2."""
    channels: Literal["so2sat8", "rsnnet9", "grd4"] = "so2sat8"
    """`so2sat8`: the eight complex and filtered channels of So2Sat; `rsnnet9`: entropy, anisotropy, alpha, covariance
    and intensities, as RSNNet sees; `grd4`: VH and VV intensities, also filtered. The first two need `slc`, or scenes
    that bring them."""
    calibration: Literal["sigma0", "gamma0"] = "sigma0"
    """What a source that can choose delivers; Planetary Computer has gamma0 only."""
    remove_noise: bool = True
    """GRD products on disk: subtract the thermal noise that the product states. `slc` keeps it, as So2Sat did."""
    orbit_file: str = "auto"
    """With `slc`: `auto` (precise, else restituted), `precise`, `restituted`, `product` (the product's own state
    vectors), or an EOF file or a folder of them."""
    backend: Literal["python", "snap"] = "python"
    """With `slc`: what makes the channels, this package or an installed ESA SNAP."""
    geometry_layers: bool = False
    """With `slc`: write local incidence angles, layover and shadow beside the channels."""
    dem: str | None = None
    """Products on disk and `slc`: heights to place pixels by. `glo30` (Copernicus, the default of `slc`), `srtm` (as
    So2Sat), or a raster of your own. GRD products do without one, which is good in plains only."""
    geoid_m: float | None = None
    """What to add to heights that count from sea level: the geoid's height at the city, in metres. Without it the
    heights of `glo30` and `srtm` are raised by their own geoid model, those of a raster count from the ellipsoid."""
    orbit: Literal["any", "ascending", "descending"] = "any"
    """Orbit direction of the pass that is used."""
    relative_orbit: int | None = Field(default=None, ge=1, le=175)
    """Relative orbit of the pass that is used."""
    platform: Platform = "any"
    """Satellite, such as sentinel-1c."""
    dates: Literal["single", "mean", "softmax"] = "single"
    """`single`: one pass, as networks expect; `mean`: mean power of passes of one orbit (more looks); `softmax`: each
    of `max_dates` passes is classified, the probabilities are averaged."""
    max_dates: int = Field(default=3, ge=1, le=12)
    """How many passes are fetched, or geocoded from products on disk; also how many `mean` and `softmax` use."""

    @field_validator("use", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false
