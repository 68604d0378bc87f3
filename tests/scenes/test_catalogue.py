import json
from dataclasses import replace

import pytest

from lczmap.scenes.catalogue import (
    Asset,
    Catalogue,
    Scene,
    check_asset,
    radar_assets,
    read_catalogue,
    select,
    utc_text,
    write_catalogue,
)


def _scene(name: str = "a", day: str = "2024-06-01", sensor: str = "sentinel-2", **changes) -> Scene:
    scene = Scene(name, sensor, "p", f"{day}T10:00:00Z", {"level": "L1C"}, "ascending", 8, {"B2": Asset("x.tif")})
    return replace(scene, **changes)


def _radar(*channels: str) -> Scene:
    return _scene(sensor="sentinel-1", state={}, assets={c: Asset(f"{c}.tif") for c in channels})


def test_catalogue_reads_back_what_was_written(tmp_path):
    file = tmp_path / "x.tif"
    file.write_bytes(b"abc")
    band = Asset(str(file), 2, 1e-4, -0.1, 0.0, "reflectance", "EPSG:32643", (10.0, 0.0, 5.0, 0.0, -10.0, 7.0))
    scene = _scene(assets={"B2": band}, cloud=Asset(str(file)), usable_fraction=0.75)
    written = Catalogue({"start": "2024-01-01"}, (scene,))
    write_catalogue(tmp_path / "run" / "scenes.json", written)
    read = read_catalogue(tmp_path / "run" / "scenes.json")
    assert (read.search, read.scenes) == (written.search, written.scenes)
    # sha256 of "abc": FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert read.files == {str(file): {"bytes": 3, "sha256": digest}}
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["scenes.json"]


def test_a_file_that_changed_its_size_since_is_named(tmp_path):
    file = tmp_path / "x.tif"
    file.write_bytes(b"abc")
    write_catalogue(tmp_path / "scenes.json", Catalogue({}, (_scene(assets={"B2": Asset(str(file))}),)))
    file.write_bytes(b"abcd")
    with pytest.raises(ValueError, match=r"x\.tif had 3 bytes .* now: 4 bytes"):
        read_catalogue(tmp_path / "scenes.json")
    file.unlink()
    with pytest.raises(ValueError, match="no such file"):
        read_catalogue(tmp_path / "scenes.json")


def test_a_missing_or_foreign_scene_list_is_refused(tmp_path):
    with pytest.raises(ValueError, match="find-scenes"):
        read_catalogue(tmp_path / "scenes.json")
    (tmp_path / "scenes.json").write_text(json.dumps({"scenes": [{"id": 1}]}))
    with pytest.raises(ValueError, match="not a scene list"):
        read_catalogue(tmp_path / "scenes.json")


def test_select_keeps_both_days_of_the_period_and_sorts_by_date():
    scenes = [_scene("c", "2024-06-30"), _scene("b", "2024-07-01"), _scene("a", "2024-06-01")]
    kept, dropped = select(scenes, start="2024-06-01", end="2024-06-30", sensor="sentinel-2")
    assert [s.id for s in kept] == ["a", "c"]
    assert dropped == {"outside the period": 1}


def test_select_counts_why_scenes_were_dropped():
    scenes = [_scene("a", state={"level": "L2A"}), _scene("b", orbit_direction="descending"), _scene("c")]
    period = {"start": "2024-01-01", "end": "2024-12-31"}
    kept, dropped = select(scenes, **period, sensor="sentinel-2", level="L1C", orbit="ascending")
    assert [s.id for s in kept] == ["c"]
    assert dropped == {"of another level": 1, "of another orbit direction": 1}


def test_time_is_kept_in_utc():
    from datetime import datetime

    assert utc_text(datetime.fromisoformat("2020-06-04T07:46:39+02:00")) == "2020-06-04T05:46:39Z"
    assert utc_text(datetime.fromisoformat("2020-06-04T05:46:39")) == "2020-06-04T05:46:39Z"


@pytest.mark.parametrize(
    ("sensor", "name", "unit"),
    [
        ("sentinel-2", "B13", "reflectance"),
        ("sentinel-2", "B2", "linear"),
        ("sentinel-2", "VH", "linear"),
        ("sentinel-1", "HH", "linear"),
        ("sentinel-1", "VH_re", "linear"),
        ("sentinel-1", "C12_re", "dB"),
    ],
)
def test_unknown_channels_and_units_are_refused(sensor, name, unit):
    with pytest.raises(ValueError, match=name):
        check_asset(sensor, name, unit)


def test_intensity_may_be_in_decibels():
    check_asset("sentinel-1", "VH", "dB")


def test_grd4_takes_intensities_before_amplitudes():
    assert radar_assets(_radar("VH", "VV"), "grd4") == ("VH", "VV")
    assert radar_assets(_radar("VH", "VV", "VH_lee", "VV_lee"), "grd4") == ("VH", "VV", "VH_lee", "VV_lee")
    complex_parts = ("VH_re", "VH_im", "VV_re", "VV_im")
    assert radar_assets(_radar(*complex_parts), "grd4") == complex_parts
    assert radar_assets(_radar(*complex_parts, "VH_lee", "VV_lee"), "grd4") == (*complex_parts, "VH_lee", "VV_lee")


def test_missing_radar_channels_are_named():
    with pytest.raises(ValueError, match=r"so2sat8 needs .*'VH_re'"):
        radar_assets(_radar("VH", "VV"), "so2sat8")
    with pytest.raises(ValueError, match=r"\['VV'\] missing"):
        radar_assets(_radar("VH"), "grd4")
