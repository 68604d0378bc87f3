import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_city import CHANNELS, STATE, cell_box, city_grid, write_stacks

from lczmap.grid import HALO_PX, tiles
from lczmap.raster import read_stack, write_cells, write_stack
from lczmap.training.city_data import CityPatches, TrainingData, read_training_data
from lczmap.training.patches import read_patch_table, select_patches
from lczmap.views import combine

VIEWS = combine(["s1.tif", "s2.tif"])


def paint(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
    """Channel number, and the row in the thousandths."""
    return channel + y / 1000 + 0 * x


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityPatches:
    """Four areas of 2 × 3 cells, two of each of two classes; one cell lies in a hole of the stacks."""
    folder, grid = tmp_path_factory.mktemp("city"), city_grid()
    write_stacks(folder / "tiles", grid, paint)
    path = folder / "tiles" / tiles(grid)[0].name / "s2.tif"
    stack = read_stack(path)
    pixels = stack.pixels.copy()
    pixels[:, HALO_PX + 20 : HALO_PX + 30, HALO_PX + 20 : HALO_PX + 30] = np.nan  # the cell in row 2, column 2
    write_stack(path, replace(stack, pixels=pixels))
    features = [
        {"type": "Feature", "properties": {"lcz": code}, "geometry": cell_box(row, col, 2, 3).__geo_interface__}
        for code, row, col in ((14, 2, 2), (14, 20, 2), (6, 2, 30), (6, 20, 30))
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    (folder / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    select_patches(grid, folder / "areas.geojson", folder / "p.gpkg", folder / "p.json", validation=0, test=0, seed=47)
    return CityPatches(grid, folder / "p.gpkg", folder / "tiles")


def read(*cities: CityPatches, **options: object) -> TrainingData:
    return read_training_data(cities, options.pop("views", VIEWS), **({"max_patches": 1000, "seed": 47} | options))


def test_patches_of_several_cities_stand_one_after_another(city: CityPatches) -> None:
    one, two = read(city), read(city, city)
    assert len(one.train) == 23  # 4 × 6 cells, one of them without pixels
    assert (one.channels, one.state, len(one.validation)) == (CHANNELS, STATE, 0)
    assert len(two.train) == 46
    for half in (slice(0, 23), slice(23, 46)):
        assert np.array_equal(two.train.patches[half], one.train.patches, equal_nan=True)
        assert np.array_equal(two.train.targets[half], one.train.targets)
    assert sorted(set(one.train.targets.tolist())) == [5, 13]


def test_thinning_draws_from_all_cities_together(city: CityPatches, capsys: pytest.CaptureFixture[str]) -> None:
    few = read(city, city, max_patches=20, channels=("B2",))
    assert "48 patches thinned to 20" in capsys.readouterr().out
    assert 17 < len(few.train) <= 20  # at most two of them lie in the hole
    again = read(city, city, max_patches=20, channels=("B2",))
    assert np.array_equal(few.train.patches, again.train.patches, equal_nan=True)


def test_inputs_and_width_of_a_patch_can_be_chosen(city: CityPatches) -> None:
    chosen = read(city, channels=("B4", "VV_lee", "B2"), patch_px=48)
    assert chosen.train.patches.shape[1:] == (3, 48, 48)
    whole = chosen.train.patches[np.isfinite(chosen.train.patches).all(axis=(1, 2, 3))]
    assert np.floor(whole[0, :, 24, 24]).tolist() == [CHANNELS.index(c) for c in ("B4", "VV_lee", "B2")]
    assert (chosen.patch_px, chosen.channels) == (48, ("B4", "VV_lee", "B2"))
    optical = read(city, channels=("B2",))
    assert optical.state == {"sentinel-2": STATE["sentinel-2"]}
    with pytest.raises(ValueError, match=r"the chosen channels need sentinel-1, but only \['sentinel-2'\] is seen"):
        read(city, channels=("VV_lee", "B2"), views=combine(["s2.tif"]))
    with pytest.raises(ValueError, match="unknown channel 'B99'"):
        read(city, channels=("B99",))


def test_soft_labels_are_the_teachers_probabilities_of_each_patch(city: CityPatches, tmp_path: Path) -> None:
    shape = city.grid.cells_shape
    teacher = np.random.default_rng(0).random((17, *shape)).astype(np.float32)
    names = [str(band) for band in range(17)]
    write_cells(tmp_path / "t.tif", teacher, city.grid.cell_geobox, names=names, nodata=np.nan)
    views = [*combine(["s1.tif", "s2.tif"]), *combine(["s2.tif"])]
    found = read(city, views=views, channels=("B2",), teacher_probabilities=tmp_path / "t.tif").train
    table = read_patch_table(city.patches_gpkg, shape=shape)
    kept = (table.row != 2) | (table.col != 2)  # in the hole of the stacks
    np.testing.assert_array_equal(found.targets, teacher[:, table.row[kept], table.col[kept]].T)
    write_cells(tmp_path / "small.tif", teacher[:, :5], city.grid.cell_geobox[:5, :], names=names, nodata=np.nan)
    with pytest.raises(ValueError, match=r"small\.tif: expected the grid"):
        read(city, channels=("B2",), teacher_probabilities=tmp_path / "small.tif")


def test_cities_must_be_alike(city: CityPatches, tmp_path: Path) -> None:
    write_stacks(tmp_path, city.grid, paint)
    for path in tmp_path.glob("*/s2.tif"):
        write_stack(path, replace(read_stack(path), state={"level": "L2A"}))
    with pytest.raises(ValueError, match=r"'level': 'L1C'.*got .*'level': 'L2A'.*make the stacks of all cities alike"):
        read(city, replace(city, tiles_dir=tmp_path))
    with pytest.raises(ValueError, match="are for one city, got 2 cities"):
        read(city, city, teacher_probabilities=tmp_path / "t.tif")
    with pytest.raises(ValueError, match="the patches of one city or more, got none"):
        read()
