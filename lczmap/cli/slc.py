"""Sentinel-1 SLC products: download, orbits, heights, channels on the city's pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lczmap.cli.app import Channels, GridFile, Out, Provider, ScenesFile, app, read_grid

if TYPE_CHECKING:
    from lczmap.scenes.slc.process import SlcOptions

Products = Annotated[Path, typer.Argument(help="products.json of `fetch-slc`")]
Orbits = Annotated[Path, typer.Argument(help="orbits.json of `fetch-orbit`")]
Heights = Annotated[Path, typer.Argument(help="ellipsoidal heights of `fetch-dem`")]
Backend = Annotated[Literal["python", "snap"], typer.Option(help="what makes the channels")]
GeometryLayers = Annotated[bool, typer.Option(help="write incidence angles, layover and shadow as well")]


@app.command()
def fetch_slc(
    found: Annotated[Path, typer.Argument(help="found.json of the search")],
    products: Out,
    provider: Provider = "asf",
    endpoint: Annotated[str | None, typer.Option(help="address of a mirror; none: the provider's own")] = None,
    folder: Annotated[Path | None, typer.Option(help="with `local`: folder of products")] = None,
) -> None:
    """Download the SLC products, or bursts, of a search.

    Example: lczmap fetch-slc found.json products.json --provider asf
    """
    from lczmap.scenes.slc.batch import download_products
    from lczmap.scenes.slc.registry import make_slc_source
    from lczmap.scenes.sources.fetch import read_found

    source = make_slc_source(provider, endpoint=endpoint, folder=folder)
    download_products(source, read_found(found), products.parent / "products", products)


@app.command()
def fetch_orbit(
    products: Products,
    orbits: Out,
    orbit_file: Annotated[
        str, typer.Option(help="auto, precise, restituted, product, or an EOF file or folder")
    ] = "auto",
) -> None:
    """Find or fetch the orbit file of each product.

    Example: lczmap fetch-orbit products.json orbits.json
    """
    from lczmap.scenes.slc.batch import read_products, write_orbits
    from lczmap.scenes.slc.flight import choose_orbit

    chosen = {
        name: choose_orbit(path, orbit_file, orbits.parent / "orbits") for name, path in read_products(products).items()
    }
    write_orbits(orbits, chosen)


@app.command()
def fetch_dem(
    grid_file: GridFile,
    heights: Out,
    dem: Annotated[str, typer.Option(help="glo30, srtm, or a raster of heights")] = "glo30",
    geoid: Annotated[float | None, typer.Option(help="the geoid's height at the city, in metres")] = None,
) -> None:
    """Fetch or convert a height model: metres above the WGS84 ellipsoid around the city.

    Example: lczmap fetch-dem grid.json heights.tif --dem glo30
    """
    from lczmap.scenes.slc.terrain import fetch_dem as fetch

    grid = read_grid(grid_file)
    match dem:
        case "glo30" | "srtm":
            fetch(grid, heights, dem=dem, geoid_m=geoid)
        case _:
            fetch(grid, heights, dem=Path(dem), geoid_m=geoid)


@app.command()
def process_slc(
    grid_file: GridFile,
    products: Products,
    orbits: Orbits,
    heights: Heights,
    archive: Out,
    channels: Channels = "so2sat8",
    backend: Backend = "python",
    geometry_layers: GeometryLayers = False,
) -> None:
    """Make radar channels of SLC products on the city's pixels.

    Example: lczmap process-slc grid.json products.json orbits.json heights.tif slc/archive.yaml --channels so2sat8
    """
    from lczmap.scenes.slc.batch import process_products, read_orbits, read_products

    options = _options(channels, heights, backend, geometry_layers)
    process_products(read_products(products), read_orbits(orbits), read_grid(grid_file), archive, options)


@app.command()
def place_slc(
    grid_file: GridFile,
    products: Products,
    orbits: Orbits,
    heights: Heights,
    scenes: ScenesFile,
    shifts: Annotated[Path, typer.Argument(help="coregistration.json")],
    archive: Out,
    channels: Channels = "so2sat8",
    backend: Backend = "python",
    geometry_layers: GeometryLayers = False,
    dates: Annotated[Literal["single", "mean", "softmax"], typer.Option(help="which passes the stacks use")] = "single",
    max_dates: Annotated[int, typer.Option(help="how many passes `mean` and `softmax` use")] = 3,
) -> None:
    """Geocode the passes that the stacks use once more, at their measured shift.

    Example: lczmap place-slc grid.json products.json orbits.json heights.tif scenes.json coregistration.json
        slc/archive.yaml
    """
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.slc.batch import place_products, read_orbits, read_products

    place_products(
        read_products(products),
        read_orbits(orbits),
        read_grid(grid_file),
        archive,
        _options(channels, heights, backend, geometry_layers),
        scenes=read_catalogue(scenes).scenes,
        shifts=json.loads(shifts.read_text()),
        dates=dates,
        max_dates=max_dates,
    )


def _options(channels: str, heights: Path, backend: Literal["python", "snap"], geometry_layers: bool) -> SlcOptions:
    from lczmap.scenes.slc.pixels import Terrain
    from lczmap.scenes.slc.process import SlcOptions

    return SlcOptions(channels, Terrain(heights), backend, geometry_layers)
