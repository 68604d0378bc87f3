"""Rasters and tables for the LCZ Generator's users, UMEP, SUEWS and WRF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Out, Palette, app

GeoEm = Annotated[Path, typer.Argument(help="geo_em.dXX.nc")]
FilteredMap = Annotated[Path, typer.Argument(help="lcz_filtered.tif, or any class map")]


@app.command()
def export_lcz_generator(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    filtered: Annotated[Path, typer.Argument(help="lcz_filtered.tif")],
    confidence: Annotated[Path, typer.Argument(help="confidence.tif")],
    out: Out,
) -> None:
    """Write the map as the LCZ Generator delivers it: three bands in longitude and latitude, for w2w and others.

    Example: lczmap export-lcz-generator lcz.tif lcz_filtered.tif confidence.tif lcz_generator.tif
    """
    from lczmap.exports.lcz_generator import export_lcz_generator as export

    export(lcz, filtered, confidence, out)


@app.command()
def export_wudapt(
    lcz: FilteredMap,
    out: Out,
    palette: Palette = "official",
) -> None:
    """Write a class map with the codes 1..10 and 101..107, for UMEP and SUEWS.

    Example: lczmap export-wudapt lcz_filtered.tif lcz_wudapt.tif
    """
    from lczmap.exports.wudapt import export_wudapt as export

    export(lcz, out, palette=palette)


@app.command()
def export_wrf(
    generator_map: Annotated[Path, typer.Argument(help="lcz_generator.tif")],
    table: Annotated[Path, typer.Argument(help="urban_parameters.csv to write")],
    readme: Annotated[Path, typer.Argument(help="README.txt to write")],
) -> None:
    """Write the urban canopy parameters, and the steps from the map to WRF's input.

    Example: lczmap export-wrf lcz_generator.tif wrf/urban_parameters.csv wrf/README.txt
    """
    from lczmap.exports.wrf import export_wrf as export

    export(generator_map, table, readme)


@app.command()
def convert_geo_em(
    geo_em: Annotated[Path, typer.Argument(help="w2w's geo_em.dXX_LCZ_params.nc, or a parent's geo_em.dXX_41.nc")],
    out: Out,
    classes: Annotated[int, typer.Option(min=61, max=61, help="number of land classes: 61, WRF 4.4.2 and later")] = 61,
) -> None:
    """Convert w2w's geo_em file of 41 land classes to the 61 of WRF 4.4.2 and later.

    Example: lczmap convert-geo-em geo_em.d02_LCZ_params.nc geo_em.d02_61.nc
    """
    from lczmap.exports.land_categories import convert_geo_em as convert
    from lczmap.exports.wrf import zone_label

    zones = convert(geo_em, out)
    listed = ", ".join(f"{zone_label(zone)}: {count}" for zone, count in zones.items()) or "none, as in a parent"
    typer.echo(f"{out}: {classes} land classes; cells of each zone: {listed}")
    if zones and max(zones) <= 3:
        typer.echo(
            "only LCZ 1 to 3: WRF may stop with USING URBPARM_LCZ.TBL WITH OLD 3 URBAN CLASSES "
            "(wrf-model/WRF issue 1878)"
        )


@app.command()
def check_domain(lcz: FilteredMap, geo_em: GeoEm) -> None:
    """Check that a map is larger than a WRF domain on all sides, as w2w needs it.

    Example: lczmap check-domain lcz_filtered.tif geo_em.d02.nc
    """
    from lczmap.exports.geo_em import check_domain as check

    coverage = check(lcz, geo_em)
    typer.echo(
        f"{lcz} covers the domain {geo_em} with {coverage.spare_m / 1000:.1f} km to spare; "
        f"{coverage.without_class:.1%} of the domain has no class"
    )
