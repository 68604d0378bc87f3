"""The steps between an SLC search and the stacks: what they hand to each other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import SO2SAT8
from lczmap.grid import Grid, tiles
from lczmap.raster import read_stack, write_cells
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.local import read_archive
from lczmap.scenes.overpass import overpasses
from lczmap.scenes.slc.batch import (
    download_products,
    place_products,
    process_products,
    read_orbits,
    read_products,
    used_passes,
    write_orbits,
)
from lczmap.scenes.slc.pixels import Terrain, blocks
from lczmap.scenes.slc.process import SlcOptions, written_channels
from lczmap.scenes.sources.source import ArchiveError, Found
from lczmap.scenes.stack import stack_sentinel1

GRID = Grid("EPSG:32611", 500_000.0, 4_200_000.0, 40, 40, 10, 40, shapely.box(500_000, 4_199_600, 500_400, 4_200_000))
STATE = {"product": "slc", "calibration": "sigma0", "noise_removed": "false", "looks": "1"}


def scene(folder: Path, name: str, day: int, value: float, usable: float = 1.0) -> Scene:
    geobox = GeoBox((100, 100), Affine(10, 0, 499_700, 0, -10, 4_200_300), GRID.crs)
    pixels = np.full((8, 100, 100), value, np.float32)
    file = folder / f"{name}_{value:g}.tif"
    write_cells(file, pixels, geobox, names=SO2SAT8.channels, nodata=None)
    units = ("amplitude",) * 4 + ("linear",) * 4
    assets = {c: Asset(str(file), band=i + 1, unit=units[i]) for i, c in enumerate(SO2SAT8.channels)}
    return Scene(
        name, "sentinel-1", "sentinel-1d", f"2026-05-{day:02}T05:00:00Z", STATE, "ascending", 44, assets, None, usable
    )


def shifts(**east: float) -> dict:
    return {
        "scenes": {
            name: {"shift_east_m": metres, "shift_north_m": 0.0, "applied": metres != 0}
            for name, metres in east.items()
        }
    }


class Archive:
    name = key = "an archive"

    def download(self, found: Found, folder: Path) -> Path:
        if found.id == "lost":
            raise ArchiveError("lost is not online")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / found.id).mkdir()
        return folder / found.id


def found(name: str) -> Found:
    return Found(name, "sentinel-1", "sentinel-1c", "2026-05-01T05:00:00Z", STATE, None, 1, None, (0, 0, 1, 1))


def test_one_product_that_fails_is_named_and_the_others_are_downloaded(tmp_path: Path) -> None:
    out = tmp_path / "products.json"
    with pytest.raises(ArchiveError, match="1 of 3 products could not be downloaded; the first: lost is not online"):
        download_products(Archive(), [found("a"), found("lost"), found("b")], tmp_path / "products", out)
    assert not out.exists() and (tmp_path / "products/b").is_dir()


def test_a_product_that_has_gone_is_named(tmp_path: Path) -> None:
    out = tmp_path / "products.json"
    download_products(Archive(), [found("a")], tmp_path / "products", out)
    products = read_products(out)
    assert products == {"a": (tmp_path / "products/a").resolve()}
    (tmp_path / "products/a").rmdir()
    options = SlcOptions("so2sat8", Terrain(tmp_path / "heights.tif"))
    with pytest.raises(ValueError, match=r"a is no longer at .*delete products\.json"):
        process_products(products, {"a": None}, GRID, tmp_path / "slc/archive.yaml", options)
    with pytest.raises(ValueError, match=r"orbits \[\]; run `fetch-slc` and `fetch-orbit` again"):
        process_products(products, {}, GRID, tmp_path / "slc/archive.yaml", options)
    out.write_text(json.dumps({"found": []}))
    with pytest.raises(ValueError, match="expected a list of products of this version"):
        read_products(out)


def test_orbits_are_files_or_the_products_own(tmp_path: Path) -> None:
    orbits = {"a": (tmp_path / "x.EOF").resolve(), "b": None}
    write_orbits(tmp_path / "orbits.json", orbits)
    assert read_orbits(tmp_path / "orbits.json") == orbits


def test_the_stacks_use_the_best_pass_or_so_many(tmp_path: Path) -> None:
    scenes = [scene(tmp_path, "early", 1, 1.0, 0.5), scene(tmp_path, "late", 13, 2.0)]
    assert [[s.id for s in one] for one in used_passes(scenes, "single", 3)] == [["late"]]
    assert [[s.id for s in one] for one in used_passes(scenes, "softmax", 2)] == [["late"], ["early"]]
    assert used_passes([], "single", 3) == []


def test_a_pass_that_stays_is_not_processed_again(tmp_path: Path) -> None:
    # its product is not even there
    options = SlcOptions("so2sat8", Terrain(tmp_path / "heights.tif"))
    archive = tmp_path / "slc" / "archive.yaml"
    place_products(
        {"late": tmp_path / "gone"}, {"late": None}, GRID, archive, options,
        scenes=[scene(tmp_path, "late", 13, 2.0)], shifts=shifts(late=0.0), dates="single", max_dates=3,
    )  # fmt: skip
    assert "late_2.tif" in archive.read_text()


def test_placed_scenes_are_stacked_as_they_are_and_the_stack_tells_their_shift(tmp_path: Path) -> None:
    unmoved = scene(tmp_path, "late", 13, 2.0)
    placed = replace(scene(tmp_path, "late", 13, 7.0), usable_fraction=None)
    out, tile = tmp_path / "s1.tif", tiles(GRID)[0]
    moved = shifts(late=4.0)
    stack_sentinel1([unmoved], GRID, tile, out, channels="so2sat8", shifts=moved, placed=[placed])
    stack = read_stack(out)
    assert np.unique(stack.pixels).tolist() == [7.0]
    assert (stack.state["shift_east_m"], stack.state["scene"]) == ("4.000", "late")
    other = replace(placed, id="other")
    with pytest.raises(ValueError, match=r"expected the placed scenes \['late'\], got \[\]"):
        stack_sentinel1([unmoved], GRID, tile, out, channels="so2sat8", shifts=moved, placed=[other])


def test_a_search_that_found_nothing_ends_in_a_stack_without_radar(tmp_path: Path) -> None:
    options, archive = SlcOptions("so2sat8", Terrain(tmp_path / "heights.tif")), tmp_path / "slc/archive.yaml"
    download_products(Archive(), [], tmp_path / "products", tmp_path / "products.json")
    process_products(read_products(tmp_path / "products.json"), {}, GRID, archive, options)
    assert read_archive(archive) == []
    placed = tmp_path / "placed/archive.yaml"
    nothing = {"scenes": {}}
    place_products({}, {}, GRID, placed, options, scenes=[], shifts=nothing, dates="single", max_dates=3)
    out = tmp_path / "s1.tif"
    stack_sentinel1([], GRID, tiles(GRID)[0], out, channels="so2sat8", shifts=nothing, placed=read_archive(placed))
    assert read_stack(out).state == {"absent": "true"}


def test_passes_that_differ_in_their_orbit_files_only_are_averaged(tmp_path: Path) -> None:
    grd = [replace(scene(tmp_path, f"p{day}", day, float(day)), state=STATE | made) for day, made in (
        (1, {"orbit": "POEORB", "processor": "IPF 004.00"}), (13, {"orbit": "RESORB", "processor": "IPF 004.01"})
    )]  # fmt: skip
    out = tmp_path / "s1.tif"
    stack_sentinel1(grd, GRID, tiles(GRID)[0], out, channels="grd4", dates="mean")
    state = read_stack(out).state
    assert (state["looks"], state["orbit"], state["processor"]) == ("2", "POEORB; RESORB", "IPF 004.00; IPF 004.01")
    assert len(overpasses([grd[0], replace(grd[1], datetime="2026-05-01T05:00:25Z")], "sentinel-1")) == 1
    gamma = replace(grd[1], state=grd[1].state | {"calibration": "gamma0"})
    stack_sentinel1([grd[0], gamma], GRID, tiles(GRID)[0], out, channels="grd4", dates="mean")
    assert read_stack(out).state["looks"] == "1"


def test_blocks_cover_the_map_once() -> None:
    count = np.zeros((700, 1300), int)
    for rows, cols in blocks((700, 1300), most=256):
        assert max(rows.stop - rows.start, cols.stop - cols.start) <= 256
        count[rows, cols] += 1
    assert (count == 1).all()


def test_channels_without_amplitudes_are_written_with_intensities_to_measure_shifts_by() -> None:
    assert written_channels("so2sat8") == SO2SAT8.channels
    assert written_channels("grd4") == ("VH", "VV", "VH_lee", "VV_lee")
    assert {"VH", "VV", "VH_lee", "VV_lee"} < set(written_channels("rsnnet9"))
