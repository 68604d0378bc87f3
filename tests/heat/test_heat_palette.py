"""Pictures of heat islands and thermometers have the colours of the map that they are about."""

from pathlib import Path

import numpy as np
import pytest
from evaluation.picture_colors import colors_in
from made_heat import GEOBOX, OFFSETS, offsets, write_surface, zones_of
from typer.testing import CliRunner

from lczmap.classes import CLASSES, PaletteName, class_colors, rgb
from lczmap.cli import app
from lczmap.heat.picture import line_color
from lczmap.raster import write_class_map

BOTH: tuple[PaletteName, PaletteName] = ("official", "colour_blind")


def drawn(folder: Path, palette: PaletteName, verb: str, *options: str) -> set[tuple[int, ...]]:
    """The colours of the picture that a verb draws of a map in a palette."""
    write_class_map(folder / "lcz.tif", zones_of(), GEOBOX, tags={}, palette=palette)
    out = [str(folder / name) for name in ("lcz.tif", "heat.json", "heat.csv", "heat.png")]
    if verb == "propose-sensors":
        out[1:] = [str(folder / name) for name in ("sensors.gpkg", "sensors.json", "sensors.png")]
    result = CliRunner().invoke(app, [verb, *out, *options])
    assert result.exit_code == 0, result.output
    return colors_in(Path(out[-1]))


def differing(palette: PaletteName) -> set[tuple[int, ...]]:
    """The colours of the made city's classes that the other palette does not have."""
    own, other = (class_colors(name) for name in (palette, *(set(BOTH) - {palette})))
    return {(*rgb(own[code - 1]), 255) for code in OFFSETS if own[code - 1] not in other}


@pytest.mark.parametrize("palette", BOTH)
def test_heat_islands_are_drawn_in_the_colours_of_the_map(tmp_path: Path, palette: PaletteName) -> None:
    values = 302 + offsets(zones_of()) + np.random.default_rng(0).normal(0, 0.5, GEOBOX.shape)
    surface = write_surface(tmp_path / "lst.tif", values, units="K", datetime="2024-07-20T10:05Z")
    found = drawn(tmp_path, palette, "measure-heat", "--surface", str(surface))
    other = BOTH[1 - BOTH.index(palette)]
    assert differing(palette) <= found
    assert not differing(other) & found


@pytest.mark.parametrize("palette", BOTH)
def test_hours_of_the_day_are_drawn_in_the_colours_of_the_map(tmp_path: Path, palette: PaletteName) -> None:
    lines = [
        f"s{col},{400_000 + 100 * col},{5_800_000 - 550},2024-07-20T{hour:02d}:00,{18 + hour / 2 + col / 10}"
        for col in (5, 15, 25, 35)
        for hour in (1, 13)
    ]
    (tmp_path / "stations.csv").write_text("\n".join(["station,x,y,time,temp_c", *lines]) + "\n")
    found = drawn(tmp_path, palette, "measure-heat", "--air", str(tmp_path / "stations.csv"), "--air-crs", "EPSG:32633")
    other = BOTH[1 - BOTH.index(palette)]
    assert differing(palette) & found
    assert not differing(other) & found


@pytest.mark.parametrize("palette", BOTH)
def test_thermometers_are_drawn_on_the_colours_of_the_map(tmp_path: Path, palette: PaletteName) -> None:
    found = drawn(tmp_path, palette, "propose-sensors", "--sensors", "12")
    other = BOTH[1 - BOTH.index(palette)]
    assert differing(palette) <= found
    assert not differing(other) & found


def test_the_median_of_a_box_stands_out_on_its_colour() -> None:
    white = {c.label for c in CLASSES if line_color(c.color) == "white"}
    assert white == {"1", "2", "4", "10", "A", "E"}
    assert (line_color("#000000"), line_color("#ffffff")) == ("white", "black")
