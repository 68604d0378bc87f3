"""The map: tiles are classified and joined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import GridFile, Out, Palette, TileName, app, read_grid, read_tile


@app.command()
def classify_tile(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint .safetensors")],
    probabilities: Out,
    stacks: Annotated[list[Path], typer.Argument(help="the tile's stacks, those the network sees: s1….tif, s2….tif")],
    tile: TileName,
    allow_level_mismatch: Annotated[bool, typer.Option(help="accept pixels of another level or calibration")] = False,
) -> None:
    """Classify every map cell of a tile.

    Example: lczmap classify-tile grid.json checkpoint.safetensors probabilities.tif s1.tif s2.tif --tile r000c001
    """
    from lczmap.mapping.classify import classify_tile as classify

    grid, one = read_tile(grid_file, tile)
    classify(stacks, checkpoint, grid, one, probabilities, allow_level_mismatch=allow_level_mismatch)


@app.command()
def mosaic_map(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="the checkpoint that made the tiles, for the map's tags")],
    lcz: Out,
    probabilities: Out,
    tiles: Annotated[list[Path], typer.Argument(help="the tiles' probabilities.tif")],
    palette: Palette = "official",
) -> None:
    """Join the tiles into probabilities.tif and lcz.tif.

    Example: lczmap mosaic-map grid.json checkpoint.safetensors lcz.tif probabilities.tif tiles/*/probabilities.tif
    """
    from lczmap.mapping.mosaic import mosaic
    from lczmap.provenance import map_tags

    tags = map_tags(checkpoint)
    gaps = mosaic(tiles, read_grid(grid_file), probabilities, lcz, tags=tags, palette=palette)
    typer.echo(
        f"{lcz}: from {tags['LCZMAP_SENSORS']}; {gaps:.1%} of the area of interest has no class (no clear pixel)"
    )


@app.command()
def explain_tile(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint .safetensors of a network with text")],
    probabilities: Annotated[Path, typer.Argument(help="the tile's probabilities.tif")],
    explanation: Out,
    stacks: Annotated[list[Path], typer.Argument(help="the tile's stacks, those the network sees: s1….tif, s2….tif")],
    tile: TileName,
    allow_level_mismatch: Annotated[bool, typer.Option(help="accept pixels of another level or calibration")] = False,
) -> None:
    """Write how well each band group of a tile agrees with the text of the mapped class.

    Example: lczmap explain-tile grid.json checkpoint.safetensors probabilities.tif explanation.tif s1.tif s2.tif
        --tile r000c001
    """
    from lczmap.mapping.explain import explain_tile as explain

    grid, one = read_tile(grid_file, tile)
    explain(stacks, checkpoint, probabilities, grid, one, explanation, allow_level_mismatch=allow_level_mismatch)


@app.command()
def mosaic_explanation(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="the checkpoint that explained the tiles, for the file's tags")],
    explanation: Out,
    tiles: Annotated[list[Path], typer.Argument(help="the tiles' explanation.tif")],
) -> None:
    """Join the tiles into explanation.tif.

    Example: lczmap mosaic-explanation grid.json checkpoint.safetensors explanation.tif tiles/*/explanation.tif
    """
    from lczmap.mapping.mosaic import mosaic_explanation as join
    from lczmap.provenance import map_tags

    join(tiles, read_grid(grid_file), explanation, tags=map_tags(checkpoint))
