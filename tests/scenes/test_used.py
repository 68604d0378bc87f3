"""Which scenes a run's stacks were made of: read from the stacks that the verbs write."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_archive import constant, fields, make_grid, optical_scene, radar_scene

from lczmap.grid import tiles
from lczmap.raster import Stack, write_stack
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.stack import OpticalOptions, stack_sentinel1, stack_sentinel2
from lczmap.scenes.used import stacked_scenes


def radar_passes(folder: Path, *names: str) -> list[Scene]:
    """Passes of one track, a day apart in name, all of the whole city; the first is the best."""
    paints = {"VH": constant(0.1), "VV": constant(0.2)}
    return [
        replace(radar_scene(folder, paints, id=name, day=f"2024-06-{day:02d}"), usable_fraction=1.0)
        for day, name in enumerate(names, 1)
    ]


def test_one_pass_of_three_is_used(tmp_path: Path) -> None:
    grid = make_grid(size_px=240)
    passes, stacks = radar_passes(tmp_path, "first", "second", "third"), []
    for tile in tiles(grid):
        stacks.append(tmp_path / tile.name / "s1.tif")
        stack_sentinel1(passes, grid, tile, stacks[-1], channels="grd4", max_dates=3)
    assert len(stacks) == 4
    known = [one.id for one in passes]
    assert stacked_scenes(stacks, known) == {"first"}
    # as with SLC products, whose pixels are made anew for the pass that is used
    stack_sentinel1(passes, grid, tiles(grid)[0], tmp_path / "s1.tif", channels="grd4", placed=passes[:1])
    assert stacked_scenes([tmp_path / "s1.tif"], known) == {"first"}


def test_the_passes_of_a_mean_and_the_views_of_several_dates_are_used(tmp_path: Path) -> None:
    grid, passes = make_grid(), radar_passes(tmp_path, "first", "second", "third")
    known, tile = [one.id for one in passes], tiles(grid)[0]
    stack_sentinel1(passes, grid, tile, tmp_path / "s1.tif", channels="grd4", dates="mean", max_dates=2)
    assert stacked_scenes([tmp_path / "s1.tif"], known) == {"first", "second"}
    views = [tmp_path / f"s1_{number}.tif" for number in (1, 2)]
    for number, view in enumerate(views, 1):
        stack_sentinel1(passes, grid, tile, view, channels="grd4", dates="softmax", max_dates=2, number=number)
    assert stacked_scenes(views[1:], known) == {"second"}
    assert stacked_scenes(views, known) == {"first", "second"}


def test_only_optical_dates_of_the_season_are_used_whatever_their_names(tmp_path: Path) -> None:
    days = {"clear day": "2024-06-01", "clear day two": "2024-06-11", "day": "2024-09-01"}
    scenes = [replace(optical_scene(tmp_path, fields(), id=i, day=d), usable_fraction=1.0) for i, d in days.items()]
    grid, out = make_grid(), tmp_path / "s2.tif"
    stack_sentinel2(scenes, grid, tiles(grid)[0], out, OpticalOptions(clouds="none", months=(6,)))
    assert stacked_scenes([out], list(days)) == {"clear day", "clear day two"}


def test_without_radar_nothing_of_it_is_used(tmp_path: Path) -> None:
    grid = make_grid()
    stack_sentinel1([], grid, tiles(grid)[0], tmp_path / "s1.tif", channels="grd4")
    assert stacked_scenes([tmp_path / "s1.tif"], ["optical"]) == set()


def test_stacks_of_other_scenes_are_refused(tmp_path: Path) -> None:
    grid = make_grid()
    stack_sentinel1(radar_passes(tmp_path, "a"), grid, tiles(grid)[0], tmp_path / "s1.tif", channels="grd4")
    with pytest.raises(ValueError, match=r"s1\.tif: made of the scene a, which is none of the run's \['b'\]; stack"):
        stacked_scenes([tmp_path / "s1.tif"], ["b"])
    write_stack(tmp_path / "bare.tif", Stack(np.zeros((1, 2, 2), np.float32), ("B2",), grid.geobox[:2, :2]))
    with pytest.raises(ValueError, match=r"bare\.tif: expected a stack that names its scenes"):
        stacked_scenes([tmp_path / "bare.tif"], ["b"])
