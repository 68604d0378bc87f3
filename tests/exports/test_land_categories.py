"""From 41 land classes to 61: what moves, what stays, what is refused."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from geo_em_files import as_netcdf4, write_geo_em
from scipy.io import netcdf_file
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.exports.land_categories import convert_geo_em, renumbered, widened
from lczmap.exports.netcdf import read_netcdf

NAMES = ("Times", "XLAT_M", "XLONG_M", "LANDMASK", "HGT_M", "GREENFRAC", "XLAT_C", "XLONG_C")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """classic.nc and netcdf4.nc with 41 classes, and both converted."""
    folder = tmp_path_factory.mktemp("geo_em")
    write_geo_em(folder / "classic.nc", classes=41, zones=True)
    as_netcdf4(folder / "classic.nc", folder / "netcdf4.nc")
    for name in ("classic", "netcdf4"):
        convert_geo_em(folder / f"{name}.nc", folder / f"{name}_61.nc")
    return folder


def test_the_eleven_zones_move_by_twenty_and_nothing_else_does() -> None:
    classes = np.array([[[1, 13, 17, 21, 30, 31, 40, 41]]], np.float32)
    assert renumbered(classes).ravel().tolist() == [1, 13, 17, 21, 30, 51, 60, 61]


def test_fractions_move_with_their_classes_and_still_sum_to_one() -> None:
    fractions = np.random.default_rng(1).dirichlet(np.ones(41), (1, 2, 3)).transpose(0, 3, 1, 2)  # (1, 41, 2, 3)
    wide = widened(fractions)
    np.testing.assert_array_equal(wide[:, :30], fractions[:, :30])
    np.testing.assert_array_equal(wide[:, 30:50], 0)
    np.testing.assert_array_equal(wide[:, 50:], fractions[:, 30:])
    np.testing.assert_allclose(wide.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["classic", "netcdf4"])
def test_converted_files_agree_with_the_original_in_all_but_the_classes(folder: Path, name: str) -> None:
    wanted = (*NAMES, "LU_INDEX", "LANDUSEF")
    old, new = (read_netcdf(folder / f"{stem}.nc", wanted) for stem in (name, f"{name}_61"))
    assert {k: v for k, v in new.attributes.items() if k not in ("NUM_LAND_CAT", "corner_lats")} == {
        k: v for k, v in old.attributes.items() if k not in ("NUM_LAND_CAT", "corner_lats")
    }
    assert new.attributes["NUM_LAND_CAT"] == 61 and new.attributes["ISURBAN"] == 13
    for variable in NAMES:
        np.testing.assert_array_equal(new.variables[variable], old.variables[variable])
    assert new.variables["LU_INDEX"][0, 8, :11].tolist() == list(range(51, 62))
    top = new.variables["LANDUSEF"][0].argmax(axis=0) + 1
    np.testing.assert_array_equal(top, new.variables["LU_INDEX"][0])


@pytest.mark.parametrize("name", ["classic", "netcdf4"])
def test_a_second_reader_finds_sixty_one_planes_and_the_same_attributes(folder: Path, name: str) -> None:
    # GDAL's netCDF driver, that is the netCDF library itself
    with (
        rasterio.open(f"NETCDF:{folder / name}.nc:LANDUSEF") as old,
        rasterio.open(f"NETCDF:{folder / name}_61.nc:LANDUSEF") as new,
    ):
        assert (old.count, new.count) == (41, 61)
        before, after = old.read(), new.read()
        np.testing.assert_array_equal(after[50:], before[30:])
        np.testing.assert_array_equal(after[:30], before[:30])
        tags = {key: text for key, text in old.tags().items() if new.tags()[key] != text}
        assert set(tags) == {"NC_GLOBAL#NUM_LAND_CAT", "LANDUSEF#description"}
        assert new.tags()["LANDUSEF#description"] == "modified 61-category IGBP-MODIS landuse"
    with rasterio.open(f"NETCDF:{folder / name}_61.nc:GREENFRAC") as new:
        assert new.count == 12


def test_dimensions_records_and_types_stay(folder: Path) -> None:
    with (
        netcdf_file(folder / "classic.nc", mmap=False) as old,
        netcdf_file(folder / "classic_61.nc", mmap=False) as new,
    ):
        assert new.version_byte == old.version_byte == 2
        assert dict(new.dimensions) == {**old.dimensions, "land_cat": 61} and new.dimensions["Time"] is None
        for name, variable in old.variables.items():
            twin = new.variables[name]
            assert (twin.data.dtype, twin.dimensions) == (variable.data.dtype, variable.dimensions)
            assert {k: v for k, v in twin._attributes.items() if k != "description"} == {
                k: v for k, v in variable._attributes.items() if k != "description"
            }
        assert new._attributes["NUM_LAND_CAT"].dtype == old._attributes["NUM_LAND_CAT"].dtype
    with h5py.File(folder / "netcdf4.nc") as old, h5py.File(folder / "netcdf4_61.nc") as new:
        assert set(new) == set(old)
        assert new["LANDUSEF"].compression == "gzip" and new["LANDUSEF"].maxshape == (None, 61, 16, 34)
        assert [axis[0].name for axis in new["LANDUSEF"].dims] == ["/Time", "/land_cat", "/south_north", "/west_east"]
        assert new["LANDUSEF"].attrs.get_id("description").dtype.kind == "S"  # characters, not a NetCDF string
        assert new["land_cat"].attrs["_Netcdf4Dimid"] == old["land_cat"].attrs["_Netcdf4Dimid"]


def test_the_verb_counts_the_cells_of_each_zone_and_keeps_the_original(folder: Path, tmp_path: Path) -> None:
    before = (folder / "classic.nc").read_bytes()
    result = CliRunner().invoke(app, ["convert-geo-em", str(folder / "classic.nc"), str(tmp_path / "out.nc")])
    assert result.exit_code == 0 and "61 land classes; cells of each zone: 1: 1, 2: 1" in result.output
    assert "E: 1" in result.output and (folder / "classic.nc").read_bytes() == before
    with pytest.raises(ValueError, match="expected another name than the input's"):
        convert_geo_em(folder / "classic.nc", folder / "classic.nc")


def test_a_parent_without_zones_is_widened_too(tmp_path: Path) -> None:
    write_geo_em(tmp_path / "geo_em.d01_41.nc", classes=41)
    assert convert_geo_em(tmp_path / "geo_em.d01_41.nc", tmp_path / "geo_em.d01_61.nc") == {}
    contents = read_netcdf(tmp_path / "geo_em.d01_61.nc", ("LANDUSEF", "LU_INDEX"))
    assert contents.variables["LANDUSEF"].shape == (1, 61, 16, 34) and contents.variables["LU_INDEX"].max() == 17


def test_a_converted_file_is_not_converted_again(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it has 61 land classes already"):
        convert_geo_em(folder / "classic_61.nc", tmp_path / "out.nc")
    assert not list(tmp_path.iterdir())


def test_files_before_w2w_are_told_to_run_it(tmp_path: Path) -> None:
    write_geo_em(tmp_path / "geo_em.nc")
    with pytest.raises(ValueError, match=r"expected NUM_LAND_CAT 41, .* got 21; run w2w first"):
        convert_geo_em(tmp_path / "geo_em.nc", tmp_path / "out.nc")


def _nan_class(source: netcdf_file) -> None:
    source.variables["LU_INDEX"][0, 0, 0] = np.nan


def _no_vegetation(source: netcdf_file) -> None:
    source.variables["GREENFRAC"][0, :, 3, 3] = np.nan


def _nlcd(source: netcdf_file) -> None:
    source.MMINLU = "NLCD40"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_nan_class, "expected LU_INDEX 1..41 in every cell, got nan in 1 cells"),
        (_no_vegetation, "GREENFRAC has 12 values that are no numbers"),
        (_nlcd, "got 'NLCD40', where classes above 30 may mean something else"),
    ],
)
def test_files_that_wrf_would_stumble_over_are_refused(
    tmp_path: Path, spoil: Callable[[netcdf_file], None], sentence: str
) -> None:
    path = tmp_path / "geo_em.nc"
    write_geo_em(path, classes=41, zones=True)
    with netcdf_file(path, "a") as source:
        spoil(source)
    with pytest.raises(ValueError, match=sentence):
        convert_geo_em(path, tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()


def test_another_variable_on_the_classes_dimension_is_not_cut_off(tmp_path: Path) -> None:
    write_geo_em(tmp_path / "geo_em.nc", classes=41)
    with netcdf_file(tmp_path / "geo_em.nc", "a") as source:
        source.createVariable("SHARES", "f4", ("land_cat",))[:] = 0
    as_netcdf4(tmp_path / "geo_em.nc", tmp_path / "geo_em4.nc")
    for name in ("geo_em.nc", "geo_em4.nc"):
        with pytest.raises(ValueError, match="variable SHARES lies on dimension land_cat too"):
            convert_geo_em(tmp_path / name, tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()
