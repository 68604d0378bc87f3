import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tiny_archive import lattice, make_grid, pixel_centres
from tiny_safe import Safe, gradient, write_safe, zip_safe

from lczmap.channels import S2_BANDS_L1C
from lczmap.scenes.catalogue import Catalogue, read_catalogue, write_catalogue
from lczmap.scenes.clouds import cloud_mask, read_asset
from lczmap.scenes.local import read_archive, write_archive
from lczmap.scenes.sources.products.s2_safe import find_products, read_product


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("products")
    write_safe(folder, Safe())
    write_safe(folder, Safe(level="L2A"), scl=lambda x, _y: np.where(x < 400_000, 9.0, 4.0))
    return folder


@pytest.fixture
def l1c(products, tmp_path) -> Path:
    return shutil.copytree(products / f"{Safe().name}.SAFE", tmp_path / f"{Safe().name}.SAFE")


def test_folder_and_zip_are_the_same_scene(l1c, tmp_path):
    folder, packed = read_product(l1c), read_product(zip_safe(l1c, tmp_path / "product.zip"))
    assert folder.id == packed.id == Safe().name
    assert (folder.platform, folder.relative_orbit, folder.orbit_direction) == ("sentinel-2b", 81, "descending")
    assert folder.state == {"level": "L1C"} and folder.cloud is None
    assert folder.sun == (175.2, pytest.approx(11.6)) and tuple(folder.assets) == S2_BANDS_L1C
    assert packed.files == (str(tmp_path / "product.zip"),)
    for band in S2_BANDS_L1C:
        inside = packed.assets[band].path.partition(".SAFE/")[2]
        assert packed.assets[band].path.startswith(f"/vsizip/{{{tmp_path}/product.zip}}/")
        assert folder.assets[band].path == f"{l1c}/{inside}"
        assert asdict(folder.assets[band]) | {"path": ""} == asdict(packed.assets[band]) | {"path": ""}
    geobox = lattice(60, 2400, west=399_400, north=5_800_600)
    for band in ("B1", "B2", "B8A"):
        one, other = (read_asset(scene.assets[band], geobox, "nearest") for scene in (folder, packed))
        assert np.array_equal(one, other) and np.isfinite(one).all()


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_painted_gradient_lands_on_its_pixels(products, level):
    scene = read_product(products / f"{Safe(level=level).name}.SAFE")
    for band, pixel_m in (("B4", 10), ("B11", 20), ("B9", 60)):
        geobox = lattice(pixel_m, 3000, west=398_920, north=5_801_080)  # two 60 m pixels inside
        values = read_asset(scene.assets[band], geobox, "nearest")
        assert values == pytest.approx(gradient(*pixel_centres(geobox)), abs=6e-5)  # half a DN


def test_baselines_0209_and_0510_give_the_same_reflectance(l1c, tmp_path):
    old = read_product(write_safe(tmp_path, Safe(satellite="A", baseline="02.09")))
    new = read_product(l1c)
    geobox = lattice(10, 600, west=400_000, north=5_800_000)
    for band in ("B2", "B12", "B10"):
        one, other = (read_asset(scene.assets[band], geobox, "nearest") for scene in (old, new))
        assert one == pytest.approx(other, abs=1e-6)
    assert (old.assets["B2"].offset, new.assets["B2"].offset) == (0.0, -0.1)


def test_dn_0_is_missing_whatever_the_offset(tmp_path):
    half = write_safe(tmp_path, Safe(), lambda x, _y: np.where(x < 400_000, np.nan, 0.0))
    values = read_asset(read_product(half).assets["B3"], lattice(10, 40, west=399_980, north=5_800_000), "nearest")
    assert np.isnan(values[:, :2]).all() and values[:, 2:] == pytest.approx(0.0, abs=1e-6)


def test_l2a_takes_native_bands_and_masks_by_its_scene_classification(products):
    scene = read_product(products / f"{Safe(level='L2A').name}.SAFE")
    assert scene.state == {"level": "L2A"} and "B10" not in scene.assets
    ends = {band: asset.path[-7:] for band, asset in scene.assets.items()}
    assert {ends["B2"], ends["B8"]} == {"10m.jp2"} and ends["B8A"] == "20m.jp2" and ends["B1"] == "60m.jp2"
    grid = make_grid()
    cloud = cloud_mask(scene, lattice(10, 200, west=399_900, north=5_800_000), grid)
    assert cloud[:, :10].all() and not cloud[:, 10:].any()


def test_scene_goes_through_archive_yaml_and_catalogue(l1c, tmp_path):
    scenes = [read_product(zip_safe(l1c, tmp_path / "product.zip"))]
    write_archive(tmp_path / "archive.yaml", scenes)
    write_catalogue(tmp_path / "scenes.json", Catalogue(search={}, scenes=tuple(scenes)))
    assert list(read_catalogue(tmp_path / "scenes.json").scenes) == scenes
    assert read_archive(tmp_path / "archive.yaml")[0].id == scenes[0].id


def test_names_play_no_role(l1c):
    renamed = l1c.rename(l1c.with_name("S2A_MSIL2A_renamed.SAFE"))
    scene = read_product(renamed)
    assert (scene.platform, scene.state["level"], scene.id) == ("sentinel-2b", "L1C", Safe().name)


def test_images_with_old_names_are_found(l1c):
    for image in l1c.rglob("*.jp2"):
        band = image.stem.rpartition("_")[2]
        image.rename(image.with_name(f"S2A_OPER_MSI_L1C_TL_EPA__20160929T114310_A000734_T31UCT_{band}.jp2"))
    granule = next((l1c / "GRANULE").iterdir())
    (granule / "MTD_TL.xml").rename(granule / "S2A_OPER_MTD_L1C_TL_EPA__20160929T114310_A000734_T31UCT.xml")
    (l1c / "MTD_MSIL1C.xml").rename(l1c / "S2A_OPER_MTD_SAFL1C_PDMC_20160929T181131_R081_V20150813T101657.xml")
    assert read_product(l1c).assets["B8A"].path.endswith("_B8A.jp2")


def test_missing_band_granule_and_metadata_are_named(l1c, products):
    next(l1c.rglob("*_B8A.jp2")).unlink()
    with pytest.raises(ValueError, match="image of B8A at 20 m is missing in this L1C product"):
        read_product(l1c)
    next(l1c.rglob("MTD_TL.xml")).unlink()
    with pytest.raises(ValueError, match=r"no GRANULE/…/MTD_TL\.xml"):
        read_product(l1c)
    (l1c / "MTD_MSIL1C.xml").unlink()
    with pytest.raises(ValueError, match=r"no MTD_MSIL1C.xml or MTD_MSIL2A.xml; expected a whole Sentinel-2"):
        read_product(l1c)
    with pytest.raises(ValueError, match="no such file or folder"):
        read_product(l1c / "nothing")


def test_both_levels_several_tiles_or_products_are_refused(l1c, products, tmp_path):
    shutil.copy(products / f"{Safe(level='L2A').name}.SAFE" / "MTD_MSIL2A.xml", l1c)
    with pytest.raises(ValueError, match=r"one product of one level, got 2 \(MTD_MSIL1C.xml, MTD_MSIL2A.xml\)"):
        read_product(l1c)
    (l1c / "MTD_MSIL2A.xml").unlink()
    granule = next((l1c / "GRANULE").iterdir())
    shutil.copytree(granule, granule.with_name("L1C_T31UDT"))
    with pytest.raises(ValueError, match="a product of one tile, got 2"):
        read_product(l1c)
    both = tmp_path / "both" / "products"
    for name in ("a.SAFE", "b.SAFE"):
        (both / name).mkdir(parents=True)
        shutil.copy(l1c / "MTD_MSIL1C.xml", both / name)
    with pytest.raises(ValueError, match=r"expected one product, got products/a.SAFE, products/b.SAFE"):
        read_product(zip_safe(both, tmp_path / "two.zip"))


def test_truncated_and_damaged_zips_are_refused(l1c, tmp_path):
    whole = zip_safe(l1c, tmp_path / "product.zip").read_bytes()
    short = tmp_path / "short.zip"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"short.zip: not a whole zip file .*download it again"):
        read_product(short)
    at = whole.index(b"MTD_MSIL1C.xml") + 60
    (tmp_path / "bits.zip").write_bytes(whole[:at] + b"\x00" * 40 + whole[at + 40 :])
    with pytest.raises(ValueError, match=r"MTD_MSIL1C.xml inside is damaged"):
        read_product(tmp_path / "bits.zip")


def test_truncated_image_is_an_error_not_a_dark_corner(l1c):
    image = next(l1c.rglob("*_B02.jp2"))
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"_B02\.jp2: the raster is corrupt"):
        read_asset(read_product(l1c).assets["B2"], lattice(10, 3600, west=398_800, north=5_801_200), "nearest")


def test_products_are_found_by_name_or_content(l1c, tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    mine = zip_safe(l1c, deep / "mine.zip")
    broken = deep / "S2A_MSIL1C_broken.zip"
    broken.write_bytes(b"PK half of it")
    (deep / "other.zip").write_bytes(b"")
    (deep / "S2_notes.zip").write_bytes(b"")
    (deep / "S1A_IW_GRDH.SAFE").mkdir()
    zip_safe(l1c, tmp_path / f"{Safe().name}.zip")  # beside its folder
    assert find_products(tmp_path) == [l1c, broken, mine]
    assert find_products(l1c) == [l1c]
