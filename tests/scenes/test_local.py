from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_archive import fields, make_grid, optical_scene

from lczmap.scenes.clouds import read_asset
from lczmap.scenes.local import read_archive


def _entry() -> dict:
    return {
        "id": "one",
        "sensor": "sentinel-2",
        "platform": "sentinel-2a",
        "datetime": "2024-06-04T05:46:39Z",
        "state": {"level": "L1C"},
        "orbit": {"direction": "descending", "relative": 48},
        "defaults": {"scale": 0.0001, "offset": -0.1, "nodata": 0, "unit": "reflectance"},
        "assets": {"B2": {"path": "B2.tif"}, "B3": {"path": "B3.tif", "offset": 0.0, "band": 2}},
    }


def _radar_entry() -> dict:
    return {
        "id": "two",
        "sensor": "sentinel-1",
        "platform": "sentinel-1c",
        "datetime": "2024-06-05T05:46:39Z",
        "state": {"product": "grd", "calibration": "sigma0", "noise_removed": False, "looks": 4.4},
        "assets": {"VH": {"path": "B2.tif", "unit": "dB"}},
    }


def _write(folder: Path, *scenes: dict, **top: object) -> Path:
    for name in ("B2.tif", "B3.tif", "cloud.tif"):
        (folder / name).write_bytes(b"")
    path = folder / "archive.yaml"
    path.write_text(yaml.safe_dump({"scenes": list(scenes), **top}))
    return path


def test_defaults_of_a_scene_hold_unless_an_asset_says_otherwise(tmp_path):
    (scene,) = read_archive(_write(tmp_path, _entry()))
    assert scene.assets["B2"].offset == -0.1
    assert (scene.assets["B3"].offset, scene.assets["B3"].band, scene.assets["B3"].scale) == (0.0, 2, 0.0001)
    assert scene.assets["B2"].path == str(tmp_path / "B2.tif")
    assert (scene.datetime, scene.orbit_direction, scene.relative_orbit) == ("2024-06-04T05:46:39Z", "descending", 48)


def test_a_folder_stands_for_the_archive_in_it(tmp_path):
    _write(tmp_path, _entry())
    assert [s.id for s in read_archive(tmp_path)] == ["one"]


def test_state_is_text_whatever_yaml_makes_of_it(tmp_path):
    (scene,) = read_archive(_write(tmp_path, _radar_entry()))
    assert scene.state == {"product": "grd", "calibration": "sigma0", "noise_removed": "false", "looks": "4.4"}


def test_a_cloud_mask_shares_the_georeference_of_the_scene_but_not_its_scale(tmp_path):
    entry = _entry() | {"cloud": {"path": "cloud.tif"}}
    entry["defaults"] |= {"crs": "EPSG:32643", "transform": [10, 0, 1, 0, -10, 2]}
    (scene,) = read_archive(_write(tmp_path, entry))
    assert (scene.cloud.crs, scene.cloud.transform[2], scene.cloud.scale, scene.cloud.nodata) == (
        "EPSG:32643",
        1.0,
        1.0,
        None,
    )


def test_root_may_come_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "B2.tif").write_bytes(b"")
    entry = _entry() | {"assets": {"B2": {"path": "B2.tif"}}}
    path = tmp_path / "archive.yaml"
    path.write_text(yaml.safe_dump({"root": "${SOME_SCENES:-nowhere}", "scenes": [entry]}))
    with pytest.raises(ValueError, match=r"nowhere/B2\.tif: no such file"):
        read_archive(path)
    monkeypatch.setenv("SOME_SCENES", str(tmp_path / "elsewhere"))
    assert len(read_archive(path)) == 1


def _changed(**changes: object) -> dict:
    return _entry() | changes


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (_changed(colour="red"), "scene one: unknown key `colour`"),
        ({k: v for k, v in _entry().items() if k != "platform"}, "scene one: `platform` is missing"),
        (_changed(assets={"B2": {"path": "B2.tif", "scael": 1}}), "scene one: unknown key `assets.B2.scael`"),
        (_changed(assets={"B2": {"path": "none.tif"}}), r"scene one: B2: .*none\.tif: no such file"),
        (_changed(assets={"B13": {"path": "B2.tif"}}), "scene one: unknown channel 'B13' of sentinel-2; known: B1, B2"),
        (_changed(assets={"B2": {"path": "B2.tif", "unit": "dB"}}), "expected unit reflectance, got 'dB'"),
        (_changed(assets={"B2": {"path": "B2.tif", "unit": "kelvin"}}), "`assets.B2.unit`: .*'kelvin'"),
        (_changed(defaults={}), "scene one: B2: `unit` is missing"),
        (_changed(sensor="landsat-8"), "`sensor`: .*'landsat-8'"),
        (_changed(state={"level": "L1B"}), "expected one of L1C, L2A, got `level: L1B`"),
        (_changed(state={}), "level missing"),
        (_changed(state={"level": "L1C", "looks": "4"}), "expected one of level, got `looks: 4`"),
        (_radar_entry() | {"state": _radar_entry()["state"] | {"looks": 0}}, "looks above 0"),
    ],
)
def test_a_mistake_is_named_with_file_and_scene(tmp_path, entry, message):
    with pytest.raises(ValueError, match=message) as error:
        read_archive(_write(tmp_path, entry))
    assert str(tmp_path / "archive.yaml") in str(error.value)


def test_an_id_used_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'one' is used more than once"):
        read_archive(_write(tmp_path, _entry(), _entry()))


@pytest.mark.parametrize("text", ["", "scenes: [", "scenes: 3", "[1, 2]"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, text):
    (tmp_path / "archive.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"archive\.yaml"):
        read_archive(tmp_path)


def test_a_missing_archive_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_archive(tmp_path / "nothing.yaml")


def test_a_raster_in_a_zip_beside_the_description_is_read(tmp_path):
    import zipfile

    scene = optical_scene(tmp_path / "made", fields())
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        for band, asset in scene.assets.items():
            archive.write(asset.path, f"{band}.tif")
    assets = {band: {"path": f"/vsizip/{{scenes.zip}}/{band}.tif"} for band in scene.assets}
    entry = {
        "id": "zipped", "sensor": "sentinel-2", "platform": "sentinel-2a", "datetime": "2024-06-01T10:00:00Z",
        "state": {"level": "L1C"}, "defaults": {"unit": "reflectance", "scale": 1e-4, "nodata": 0}, "assets": assets,
    }  # fmt: skip
    (tmp_path / "archive.yaml").write_text(yaml.safe_dump({"scenes": [entry]}))
    (found,) = read_archive(tmp_path / "archive.yaml")
    assert found.files == (str(tmp_path / "scenes.zip"),)
    assert np.isfinite(read_asset(found.assets["B2"], make_grid().geobox, "nearest")).all()
