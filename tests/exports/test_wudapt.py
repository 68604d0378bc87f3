"""Codes 1..10 and 101..107 for UMEP and SUEWS."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

from lczmap.exports.wudapt import export_wudapt
from lczmap.raster import write_class_map

GEOBOX = GeoBox((3, 6), Affine(100, 0, 389_000, 0, -100, 5_820_000), "EPSG:32633")
CODES = np.arange(18, dtype=np.uint8).reshape(3, 6)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wudapt")
    write_class_map(folder / "lcz.tif", CODES, GEOBOX, tags={"LCZMAP_FILTER": "Gaussian"})
    export_wudapt(folder / "lcz.tif", folder / "lcz_wudapt.tif", palette="colour_blind")
    return folder / "lcz_wudapt.tif"


def test_natural_types_have_codes_above_100_and_come_back_without_loss(exported: Path) -> None:
    with rasterio.open(exported) as source:
        codes = source.read(1)
    assert codes.ravel().tolist() == [*range(11), *range(101, 108)]
    np.testing.assert_array_equal(np.where(codes > 100, codes - 90, codes), CODES)


def test_umep_finds_whole_numbers_a_nodata_value_and_the_maps_own_grid(exported: Path) -> None:
    with rasterio.open(exported) as source:
        assert source.dtypes == ("uint8",) and source.nodata == 0
        assert (source.transform, source.crs.to_epsg(), source.shape) == (GEOBOX.transform, 32633, (3, 6))
        assert source.descriptions == ("LCZ",) and source.tags()["LCZMAP_FILTER"] == "Gaussian"
    assert cog_validate(exported)[0]


def test_colours_and_names_belong_to_the_codes_of_this_file(exported: Path) -> None:
    with rasterio.open(exported) as source:
        table = source.colormap(1)
    assert table[0][3] == 0
    assert table[107] == (107, 105, 255, 255)  # #6b69ff
    names = [c.text for c in ElementTree.parse(exported.with_name("lcz_wudapt.tif.aux.xml")).iter("Category")]
    assert (names[10], names[101], names[107]) == ("LCZ 10: Heavy industry", "LCZ A: Dense trees", "LCZ G: Water")
    assert not names[11]
