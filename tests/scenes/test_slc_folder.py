import re
import zipfile
from pathlib import Path

import pytest
import shapely
from tiny_archive import make_grid

from lczmap.sar.safe import open_slc
from lczmap.scenes.slc.registry import make_slc_source
from lczmap.scenes.sources.source import ArchiveError, Request

NAME = "S1A_IW_SLC__1SDV_20200511T135117_20200511T135144_032518_03C421_7768"
ASKED = Request(make_grid(), "sentinel-1", "2020-05-01", "2020-06-01", ("VH", "VV"))


@pytest.fixture
def products(real_data, tmp_path) -> Path:
    """A product as a zip file, and two more unpacked whose manifests are of other satellites than their names."""
    packed = real_data / "safe" / f"{NAME}.zip"
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / f"{NAME}.zip").write_bytes(packed.read_bytes())
    for letter in "CD":
        with zipfile.ZipFile(packed) as archive:
            for name in archive.namelist():
                if name.endswith("/"):
                    continue
                path = tmp_path / "deep" / "er" / f"{NAME[:-1]}{letter}.SAFE" / name.partition(".SAFE/")[2]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
        manifest = tmp_path / "deep" / "er" / f"{NAME[:-1]}{letter}.SAFE" / "manifest.safe"
        text, count = re.subn(r"(<safe:number>)A", rf"\g<1>{letter}", manifest.read_text())
        assert count == 1
        manifest.write_text(text)
    return tmp_path


def test_products_are_found_and_told_apart_by_their_manifests(products):
    source = make_slc_source("local", folder=products)
    found = source.search(ASKED)
    assert [one.platform for one in found] == ["sentinel-1a", "sentinel-1c", "sentinel-1d"]
    assert [one.id for one in found] == [NAME, f"{NAME[:-1]}C", f"{NAME[:-1]}D"]
    one = found[0]
    assert one.state == {"product": "slc", "calibration": "sigma0"}
    assert (one.datetime, one.orbit_direction, one.relative_orbit) == ("2020-05-11T13:51:17Z", "descending", 71)
    outline = shapely.geometry.shape(one.footprint)
    assert shapely.box(*one.bounds).buffer(0.05).contains(outline)  # the manifest rounds, and leaves bursts' edges out
    assert 0.6 < outline.area / shapely.box(*one.bounds).area < 0.95  # a slanted swath
    assert source.cost(found, ASKED) == f"SLC products of {products.name}: 3 products of sentinel-1 are read from disk"


def test_product_is_used_where_it_lies(products, tmp_path):
    source = make_slc_source("local", folder=products)
    one = source.search(ASKED)[0]
    path = source.download(one, tmp_path / "unused")
    assert path == products / "deep" / f"{NAME}.zip" and not (tmp_path / "unused").exists()
    assert open_slc(path).id == one.id
    path.unlink()
    with pytest.raises(ArchiveError, match="the product is gone; bring it back, or search again"):
        source.download(one, tmp_path)


def test_product_that_lacks_a_swath_is_told(real_data):
    with pytest.raises(ValueError, match=r"EFA4.*IW"):
        make_slc_source("local", folder=real_data / "safe").search(ASKED)


def test_folder_must_be_given_and_there(tmp_path):
    with pytest.raises(ValueError, match="needs the folder"):
        make_slc_source("local")
    with pytest.raises(ArchiveError, match="no such folder"):
        make_slc_source("local", folder=tmp_path / "none").search(ASKED)
    assert make_slc_source("local", folder=tmp_path).search(ASKED) == []


def test_products_of_one_polarisation_or_another_mode_are_passed_over(products, capsys):
    for name in (NAME.replace("1SDV", "1SSV"), NAME.replace("IW_SLC_", "EW_SLC_")):
        (products / f"{name}.SAFE").mkdir()
    assert len(make_slc_source("local", folder=products).search(ASKED)) == 3
    assert "2 products are not of mode IW in VV and VH (1SDV)" in capsys.readouterr().out
