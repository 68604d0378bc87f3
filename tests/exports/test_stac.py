"""The catalogue entry of a run, read back by pystac and loaded by odc-stac."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import validate_dict
from shapely.geometry import shape
from tiny_run import TinyRun, make_run

from lczmap.classes import CLASSES
from lczmap.exports.outputs import OUTPUTS
from lczmap.exports.stac import export_stac
from lczmap.exports.wudapt import export_wudapt
from lczmap.provenance import RELIABILITY_TAG

FILES = ("lcz.tif", "confidence.tif", "run.json", "accuracy.json")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("stac"), tags={RELIABILITY_TAG: "weak in LCZ 7"})


@pytest.fixture(scope="module")
def written(run: TinyRun) -> Path:
    out = run.folder / "exports" / "stac_item.json"
    export_wudapt(run.lcz, run.folder / "exports" / "lcz_wudapt.tif")
    files = [*(run.folder / name for name in FILES), run.folder / "exports" / "lcz_wudapt.tif"]
    export_stac(run.facts, run.grid, files, out)
    return out


@pytest.fixture(scope="module")
def item(written: Path) -> pystac.Item:
    return pystac.Item.from_file(str(written))


def test_the_item_is_valid_stac(written: Path) -> None:
    content = json.loads(written.read_text())
    # the core schema comes with pystac; those of extensions would have to be fetched
    assert validate_dict({**content, "stac_extensions": []})
    assert content["stac_version"] == "1.1.0" and len(content["stac_extensions"]) == 6


def test_it_says_when_where_and_from_what(run: TinyRun, item: pystac.Item) -> None:
    assert item.datetime is None
    assert item.common_metadata.start_datetime == datetime(2020, 6, 1, tzinfo=UTC)
    assert item.common_metadata.end_datetime == datetime(2020, 9, 30, 23, 59, 59, tzinfo=UTC)
    assert item.bbox is not None and item.geometry is not None
    west, south, east, north = item.bbox
    assert west < 17.6 and south < 59.80 and east > 17.65 and north > 59.82  # whole cells around the area
    assert shape(item.geometry).bounds == pytest.approx(item.bbox)
    assert item.properties["attribution"] == "Contains modified Copernicus Sentinel data 2020."
    assert item.properties["lczmap:scenes"] == [
        "S2A_MSIL1C_20200604"
    ]  # not the radar scene, which the map has not seen
    assert [p.name for p in item.common_metadata.providers or ()] == ["European Space Agency"]
    assert item.common_metadata.license is None  # nobody has chosen one


def test_the_grid_is_that_of_the_map(run: TinyRun, item: pystac.Item) -> None:
    projection = ProjectionExtension.ext(item)
    geobox = run.grid.cell_geobox
    assert projection.code == run.grid.crs
    assert projection.shape == list(geobox.shape) and projection.transform == list(geobox.transform)[:6]
    box = geobox.boundingbox
    assert projection.bbox == [box.left, box.bottom, box.right, box.top]


def test_the_17_classes_have_their_colours(item: pystac.Item) -> None:
    classes = ClassificationExtension.ext(item.assets["lcz"]).classes or []
    assert [(c.value, c.title, f"#{c.color_hint}".lower()) for c in classes] == [
        (c.code, c.title, c.color) for c in CLASSES
    ]
    assert {c.name for c in classes} == {f"lcz_{c.label.lower()}" for c in CLASSES}
    wudapt = ClassificationExtension.ext(item.assets["lcz_wudapt"]).classes or []
    assert [c.value for c in wudapt] == [*range(1, 11), *range(101, 108)]
    assert [c.color_hint for c in wudapt] == [c.color_hint for c in classes]
    assert item.assets["lcz"].description == "weak in LCZ 7"


def test_bands_have_type_nodata_and_pixel_size(item: pystac.Item) -> None:
    (codes,) = RasterExtension.ext(item.assets["lcz"]).bands or []
    assert (codes.data_type, codes.nodata, codes.spatial_resolution) == ("uint8", 0, 100)
    entropy, confidence = RasterExtension.ext(item.assets["confidence"]).bands or []
    assert (confidence.data_type, confidence.nodata, entropy.spatial_resolution) == ("float32", "nan", 100)
    assert [band["name"] for band in item.assets["confidence"].extra_fields["bands"]] == ["entropy", "confidence"]


def test_rasters_of_a_run_are_called_cloud_optimised_where_they_are() -> None:
    cloud_optimised = {output.file for output in OUTPUTS if "cloud-optimized" in output.media_type}
    rasters = {"lcz.tif", "lcz_filtered.tif", "confidence.tif", "probabilities.tif", "rgb.tif", "lcz_wudapt.tif"}
    assert cloud_optimised == rasters  # lcz_generator.tif is as the LCZ Generator writes it


def test_every_asset_is_a_file_with_its_checksum(run: TinyRun, item: pystac.Item) -> None:
    assert set(item.assets) == {"lcz", "confidence", "run", "accuracy", "lcz_wudapt"}
    for asset in item.assets.values():
        path = Path(asset.get_absolute_href() or "")
        assert not Path(asset.href).is_absolute() and path.is_relative_to(run.folder)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert FileExtension.ext(asset).checksum == f"1220{digest}"
        assert FileExtension.ext(asset).size == path.stat().st_size


def test_processing_is_described_as_its_schema_asks(item: pystac.Item) -> None:
    properties = item.properties
    assert properties["processing:level"] == "L4"
    assert "gul_s2 classified every cell of 100 m from 1 scene of Sentinel-2" in properties["processing:lineage"]
    assert all(isinstance(value, str) for value in properties["processing:software"].values())
    assert {"lczmap", "Python", "torch"} <= set(properties["processing:software"])
    assert "https://stac-extensions.github.io/processing/v1.1.0/schema.json" in item.stac_extensions


def test_only_the_scenes_that_the_network_saw_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, sensors="sentinel-1 sentinel-2")
    properties = export_stac(run.facts, run.grid, [run.lcz], tmp_path / "item.json").properties
    assert properties["lczmap:scenes"] == ["S1A_IW_GRDH_20200610", "S2A_MSIL1C_20200604"]  # of two radar passes one
    assert "from 2 scenes of Sentinel-1 and Sentinel-2" in properties["processing:lineage"]


def test_an_ensemble_is_named_with_its_members(item: pystac.Item, tmp_path: Path) -> None:
    assert (item.properties["lczmap:network"], item.properties["lczmap:architecture"]) == ("gul_s2", "gul_s2")
    assert "lczmap:members" not in item.properties
    run = make_run(tmp_path, ensemble=True)
    properties = export_stac(run.facts, run.grid, [run.lcz], tmp_path / "item.json").properties
    assert (properties["lczmap:network"], properties["lczmap:architecture"]) == ("mean", "ensemble")
    assert properties["lczmap:members"] == [
        {"network": "wide", "architecture": "rsnnet"},
        {"network": "narrow", "architecture": "rsnnet"},
    ]
    named = "mean (ensemble of wide (rsnnet) and narrow (rsnnet)) classified every cell"
    assert named in properties["processing:lineage"]


def test_odc_stac_loads_the_map_where_it_lies(run: TinyRun, item: pystac.Item) -> None:
    loaded = odc.stac.load([item], bands=["lcz"])
    assert loaded.odc.geobox == run.grid.cell_geobox
    np.testing.assert_array_equal(loaded["lcz"].values[0], run.codes)


def test_a_simulated_run_names_no_provider_and_no_real_place(tmp_path: Path) -> None:
    run = make_run(tmp_path, simulated=True)
    item = export_stac(run.facts, run.grid, [run.lcz], tmp_path / "item.json", license_id="CC-BY-4.0")
    assert item.common_metadata.providers is None
    assert "no real place" in item.properties["title"] and "no real place" in item.properties["attribution"]
    assert item.common_metadata.license == "CC-BY-4.0"


def test_a_city_on_the_antimeridian_has_two_parts_and_a_box_that_crosses_it(tmp_path: Path) -> None:
    run = make_run(tmp_path, bbox=(179.97, -16.83, 180.02, -16.80))
    item = export_stac(run.facts, run.grid, [run.lcz], tmp_path / "item.json")
    assert item.bbox is not None and item.geometry is not None
    west, _, east, _ = item.bbox
    assert 179.9 < west < 180 and -180 < east < -179.9
    assert item.geometry["type"] == "MultiPolygon" and len(item.geometry["coordinates"]) == 2


def test_files_that_no_run_makes_are_refused(run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    for files, message in (
        ([tmp_path / "holiday.jpg"], r"holiday.jpg: not a file that a run makes; known are lcz.tif"),
        ([run.lcz, run.lcz], r"lcz.tif was given twice"),
        ([tmp_path / "lcz.kmz"], r"lcz.kmz: no such file"),
    ):
        with pytest.raises(ValueError, match=message):
            export_stac(run.facts, run.grid, files, tmp_path / "item.json")
    assert not (tmp_path / "item.json").exists()
