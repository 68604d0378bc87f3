import pytest
from affine import Affine
from tiny_safe import Safe, product_xml, tile_xml

from lczmap.channels import S2_BANDS_L1C
from lczmap.scenes.sources.products.s2_metadata import parse_product, parse_tile


def product(text: str):
    return parse_product(text.encode(), "MTD_MSIL1C.xml")


def tile(text: str):
    return parse_tile(text.encode(), "MTD_TL.xml")


def test_product_says_level_platform_orbit_and_clouds():
    found = product(product_xml(Safe()))
    assert (found.level, found.platform, found.baseline) == ("L1C", "sentinel-2b", "05.10")
    assert (found.relative_orbit, found.orbit_direction, found.cloud_cover) == (81, "descending", 9.936)
    assert found.id == "S2B_MSIL1C_20240206T131259_N0510_R081_T31UCT_20240206T133903"


def test_baseline_from_0400_on_has_an_offset_and_earlier_has_none():
    new, old = product(product_xml(Safe())), product(product_xml(Safe(baseline="02.09")))
    assert new.scale == old.scale == 1e-4
    assert new.offsets == dict.fromkeys(S2_BANDS_L1C, -0.1)
    assert old.offsets == dict.fromkeys(S2_BANDS_L1C, 0.0)


def test_sentinel_2c_and_namespace_15_read_the_same():
    text = product_xml(Safe(satellite="C", baseline="05.11")).replace("psd-14", "psd-15")
    assert product(text).platform == "sentinel-2c"
    assert product(text).offsets["B8A"] == -0.1


def test_l2a_has_its_own_names_and_no_cirrus_band():
    found = product(product_xml(Safe(level="L2A")))
    assert found.level == "L2A" and "B10" not in found.bands
    assert (found.scale, found.offsets["B12"]) == (1e-4, -0.1)


def test_l2a_of_2017_has_other_names():
    text = product_xml(Safe(level="L2A", baseline="02.05")).replace("BOA_QUANT", "L2A_BOA_QUANT")
    early = product(text.replace("PRODUCT_URI", "PRODUCT_URI_2A").replace(">Level-2A<", ">Level-2Ap<"))
    assert (early.scale, early.level) == (1e-4, "L2A")
    assert early.id.startswith("S2B_MSIL2A_20240206T131259_N0205_")


def test_each_band_takes_the_offset_of_its_own_id():
    text = product_xml(Safe()).replace('band_id="8">-1000', 'band_id="8">-500')
    found = product(text)
    assert found.offsets["B8A"] == pytest.approx(-0.05)
    assert found.offsets["B8"] == found.offsets["B9"] == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<RADIO_ADD_OFFSET band_id="3">-1000</RADIO_ADD_OFFSET>', "", "for every band, missing for B4"),
        ('band_id="12"', 'band_id="13"', "band_id 0..12, got 13"),
        (">-1000<", ">none<", "expected a number as `RADIO_ADD_OFFSET`, got 'none'"),
        ("RADIO_ADD_OFFSET", "OTHER", "baseline 05.10 has an offset per band, but `RADIO_ADD_OFFSET` is missing"),
        (">10000<", ">0<", "above 0"),
        ("Level-1C</", "Level-1B</", "expected PROCESSING_LEVEL Level-1C or Level-2A"),
        ("<SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>", "", "`SPACECRAFT_NAME` is missing"),
        ("DESCENDING", "SIDEWAYS", "ascending or descending, got 'sideways'"),
        ("05.10</PROC", "five</PROC", "PROCESSING_BASELINE"),
        ("</n1:General_Info>", "", "not valid XML"),
    ],
)
def test_broken_product_metadata_says_what_is_wrong(old, new, message):
    if message.startswith("PROCESSING"):
        text = product_xml(Safe()).replace("RADIO_ADD_OFFSET", "OTHER").replace(old, new)
    else:
        text = product_xml(Safe()).replace(old, new)
    with pytest.raises(ValueError, match=message) as caught:
        product(text)
    assert str(caught.value).startswith("MTD_MSIL1C.xml: ")


def test_tile_says_time_pixels_and_sun():
    found = tile(tile_xml(Safe()))
    assert found.datetime == "2024-02-06T13:14:11Z"
    assert found.sun == (175.2, pytest.approx(11.6))  # zenith 78.4
    assert found.lattice("B2").shape == (360, 360) and found.lattice("B10").shape == (60, 60)
    assert found.lattice("B8A").transform == Affine(20, 0, 398_800, 0, -20, 5_801_200)
    assert str(found.lattice("B8A").crs) == "EPSG:32631"


def test_tile_without_angles_has_no_sun():
    assert tile(tile_xml(Safe()).replace("Mean_Sun_Angle", "Other")).sun is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("EPSG:32631", "EPSG:4326", "expected a UTM zone"),
        ("2024-02-06T13:14:11.918Z", "noon", "'noon' is no time"),
        ('resolution="60"', 'resolution="30"', "`Size` of resolution 60 is missing"),
        (">78.4<", ">low<", "expected a number as `ZENITH_ANGLE`, got 'low'"),
        ("<YDIM>-20</YDIM>", "<YDIM>20</YDIM>", "expected XDIM, YDIM = 20, -20 m"),
        ("<ULX>398800</ULX>", "<ULX>west</ULX>", "expected a number as `ULX`"),
    ],
)
def test_broken_tile_metadata_says_what_is_wrong(old, new, message):
    with pytest.raises(ValueError, match=message):
        tile(tile_xml(Safe()).replace(old, new))
