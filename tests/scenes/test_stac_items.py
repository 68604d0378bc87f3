import json
from pathlib import Path

import pytest

from lczmap.scenes.sources.source import ArchiveError
from lczmap.scenes.sources.stac.bands import BandFile, reflectance_offset
from lczmap.scenes.sources.stac.items import band_files, found_scene

PIXELS = {"proj:shape": [10980, 10980], "proj:transform": [10, 0, 600000, 0, -10, 5800020], "proj:epsg": 32631}


def item(*, collection: str = "sentinel-2-l2a", assets: dict | None = None, **properties: object) -> dict:
    said = {"datetime": "2024-06-01T10:15:59.024Z", "platform": "sentinel-2c", "s2:processing_baseline": "05.10"}
    return {
        "type": "Feature",
        "id": "scene",
        "collection": collection,
        "bbox": [4.0, 52.0, 5.0, 53.0],
        "geometry": None,
        "properties": said | {key.replace("__", ":"): value for key, value in properties.items()},
        "assets": assets or {"B02": {"href": "https://x.org/B02.tif", **PIXELS}},
    }


def radar_item(**properties: object) -> dict:
    assets = {key: {"href": f"https://x.org/{key}.tif", **PIXELS} for key in ("vh", "vv")}
    radar = {"platform": "SENTINEL-1A", "sar__instrument_mode": "IW", "sat__orbit_state": "ascending"}
    return item(**{"collection": "sentinel-1-rtc", "assets": assets} | radar | properties)


def test_the_recorded_planetary_computer_item_is_understood(real_data: Path) -> None:
    path = real_data / "stac" / "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531.json"
    found = found_scene(json.loads(path.read_text()), provider="planetary_computer")
    files = band_files(found)
    assert (found.platform, found.datetime, found.state) == ("sentinel-2b", "2019-06-29T21:25:29Z", {"level": "L2A"})
    assert (found.orbit_direction, found.relative_orbit, found.cloud_cover) == ("descending", 43, 0.314306)
    assert found.item["sun"] == pytest.approx((170.148039, 90 - 37.912881))
    bands = {"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12", "SCL"}
    assert set(files) == bands
    blue = files["B2"]
    assert (blue.crs, blue.shape, blue.transform) == ("EPSG:32606", (10980, 10980), (10, 0, 399960, 0, -10, 6800040))
    assert (blue.dtype, blue.scale, blue.offset, blue.nodata) == ("uint16", 1e-4, 0.0, 0)  # baseline 02.12
    assert (files["SCL"].dtype, files["SCL"].transform[0]) == ("uint8", 20)


def test_the_recorded_earth_search_item_is_understood(real_data: Path) -> None:
    page = json.loads((real_data / "stac" / "earth_search_search.json").read_text())
    found = found_scene(page["features"][0], provider="earth_search")
    files = band_files(found)
    assert (found.platform, found.state, found.relative_orbit) == ("sentinel-2b", {"level": "L1C"}, None)
    assert len(files) == 13
    assert files["B8A"].href.endswith("/B8A.jp2")
    assert [files[band].transform[0] for band in ("B2", "B5", "B10")] == [10, 20, 60]
    assert {file.offset for file in files.values()} == {-0.1}  # baseline 05.10, as the item says too


@pytest.mark.parametrize(
    ("properties", "declared", "offset"),
    [
        ({"s2:processing_baseline": "02.12"}, None, 0.0),
        ({"s2:processing_baseline": "03.01"}, -0.1, 0.0),  # Earth Search writes -0.1 into all items
        ({"s2:processing_baseline": "04.00"}, None, -0.1),
        ({"s2:processing_baseline": "05.11"}, -0.1, -0.1),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": True}, -0.1, 0.0),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}, 0, -0.1),
        ({"s2:processing_baseline": "02.12", "earthsearch:boa_offset_applied": False}, -0.1, 0.0),
        ({"processing:version": "05.12"}, -0.1, -0.1),  # Copernicus Data Space
        ({}, -0.1, -0.1),
        ({}, 0.0, 0.0),
    ],
)
def test_the_offset_is_what_the_pixels_carry(properties: dict, declared: float | None, offset: float) -> None:
    assert reflectance_offset(properties, declared) == offset


def test_an_unknown_offset_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither processing baseline nor offset"):
        reflectance_offset({}, None)
    with pytest.raises(ValueError, match=r"baseline 05\.10 has the offset -0\.1, the asset says 0"):
        reflectance_offset({"s2:processing_baseline": "05.10"}, 0)
    with pytest.raises(ValueError, match="expected a processing baseline"):
        reflectance_offset({"s2:processing_baseline": "five"}, None)


def test_copernicus_names_take_the_native_pixel_size() -> None:
    names = ("B02_60m", "B02_10m", "B02_20m", "B01_20m", "B01_60m", "B8A_60m", "B8A_20m", "SCL_60m", "SCL_20m")
    assets = {name: {"href": f"s3://eodata/{name}.jp2", "proj:code": "EPSG:32631"} for name in names}
    files = band_files(found_scene(item(assets=assets, proj__code="EPSG:32631"), provider="copernicus"))
    names = {band: file.href.removeprefix("s3://eodata/") for band, file in files.items()}
    assert names == {"B2": "B02_10m.jp2", "B1": "B01_60m.jp2", "B8A": "B8A_20m.jp2", "SCL": "SCL_20m.jp2"}
    assert files["B2"].crs == "EPSG:32631"


def test_other_names_are_known_by_the_one_band_they_hold() -> None:
    assets = {
        "nbart_blue": {"href": "/a.tif", "bands": [{"name": "nbart_blue", "eo:common_name": "blue"}]},
        "sr_4": {"href": "/b.tif", "eo:bands": [{"name": "B04"}]},
        "picture": {"href": "/c.tif", "eo:bands": [{"name": "B02"}, {"name": "B03"}]},
        "preview": {"href": "/d.png", "roles": ["overview"], "eo:bands": [{"name": "B03"}]},
    }
    files = band_files(found_scene(item(assets=assets), provider="x"))
    assert {band: file.href for band, file in files.items()} == {"B2": "/a.tif", "B4": "/b.tif"}


def test_a_geotiff_is_preferred_to_jpeg_2000() -> None:
    band = [{"name": "blue", "common_name": "blue"}]
    assets = {
        "blue-jp2": {"href": "/B02.jp2", "type": "image/jp2", "eo:bands": band},
        "blue": {"href": "/B02.tif", "type": "image/tiff", "eo:bands": band},
    }
    assert band_files(found_scene(item(assets=assets), provider="x"))["B2"].href == "/B02.tif"


def test_an_address_is_kept_without_its_query() -> None:
    assets = {"B02": {"href": "https://user:pass@x.org/B02.tif?sig=SECRET"}}
    found = found_scene(item(assets=assets), provider="x")
    assert band_files(found)["B2"].href == "https://x.org/B02.tif"
    assert "SECRET" not in json.dumps(found.item)


def test_a_found_scene_survives_json() -> None:
    found = found_scene(radar_item(), provider="planetary_computer")
    entry = json.loads(json.dumps(found.item))["files"]["VH"]
    assert BandFile.of(entry) == band_files(found)["VH"]


def test_a_radar_item_says_its_state() -> None:
    found = found_scene(radar_item(sat__relative_orbit=88, processing__software={"S1 IPF": "003.71"}), provider="pc")
    assert (found.platform, found.orbit_direction, found.relative_orbit) == ("sentinel-1a", "ascending", 88)
    assert found.state == {
        "product": "grd",
        "calibration": "gamma0",
        "noise_removed": "unknown",
        "looks": "4.4",
        "provider": "pc",
        "processor": "S1 IPF 003.71",
    }
    assert {name: (file.dtype, file.scale) for name, file in band_files(found).items()} == {
        "VH": ("float32", 1.0),
        "VV": ("float32", 1.0),
    }
    assert found_scene(radar_item(sar__looks_equivalent_number=9), provider="pc").state["looks"] == "9"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"platform": "landsat-8"}, "expected platform sentinel-1x or sentinel-2x, got 'landsat-8'"),
        ({"collection": "mystery"}, "neither product type, processing level nor collection"),
        ({"datetime": None}, "no 'start_datetime'"),
        ({"s2__processing_baseline": "new"}, "expected a processing baseline"),
    ],
)
def test_what_an_item_leaves_unsaid_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        found_scene(item(**changes), provider="x")


@pytest.mark.parametrize("platform", ["Sentinel-2C", "SENTINEL-2C", "sentinel-2c"])
def test_platforms_are_lower_case(platform: str) -> None:
    assert found_scene(item(platform=platform), provider="x").platform == "sentinel-2c"


@pytest.mark.parametrize(
    ("properties", "level"),
    [
        ({"s2__product_type": "S2MSI1C"}, "L1C"),
        ({"product__type": "S2MSI2A", "processing__level": "L2"}, "L2A"),
        ({"processing__level": "L1C"}, "L1C"),
        ({}, "L2A"),  # the collection's name
    ],
)
def test_the_level_is_the_items_own(properties: dict, level: str) -> None:
    assert found_scene(item(**properties), provider="x").state == {"level": level}
