"""Sections made of other steps' files, which their real writers wrote: a renamed key is noticed here."""

import json
from pathlib import Path

import numpy as np
import pytest
from report.fabricated_run import GRID, HOSTILE, NORTH, WEST, painted, probabilities, write_run
from shapely.geometry import box

from lczmap.evaluation.map_agreement import compare_maps
from lczmap.evaluation.map_change import change_report
from lczmap.evaluation.records import write_report
from lczmap.evaluation.resampling import bootstrap_figures
from lczmap.files import write_json
from lczmap.heat import sensor_files
from lczmap.heat.measure import measure_island
from lczmap.heat.rows import Choices, TemperatureFile
from lczmap.heat.sensors import propose
from lczmap.heat.zones import read_zones
from lczmap.mapping.filter import filter_map
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import write_cells, write_class_map
from lczmap.report.accuracy import accuracy_section
from lczmap.report.headline import headline, introduction
from lczmap.report.heat import heat_section
from lczmap.report.layers import MISSING
from lczmap.report.models import models_section
from lczmap.report.others import changes_section, networks_table, other_maps
from lczmap.report.quality import areas_quality_section
from lczmap.report.record import parameters_section
from lczmap.report.run_folder import RunFolder
from lczmap.report.scenes import scenes_section
from lczmap.report.viewer import class_colors, map_section
from lczmap.training.area_report import check_areas


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = write_run(tmp_path_factory.mktemp("run"))
    return RunFolder(folder, folder / "none")


def test_agreement_with_another_map(run: RunFolder) -> None:
    folder = run.folder / "other_maps" / "global"
    folder.mkdir(parents=True)
    files = (folder / name for name in ("agreement.json", "difference.tif", "other.tif"))
    compare_maps(run.folder / "lcz.tif", run.folder / "models" / "other" / "lcz.tif", *files, resamples=10)
    written = "".join(other_maps(run))
    same = float((painted() == 17).sum() / (painted() > 0).sum())
    assert "<h3>Agreement with the map global</h3>" in written
    assert f"<td>same class</td><td>{same:.2f}" in written
    shown = map_section(run).content
    assert '"key":"difference-global"' in shown
    assert '"title":"built here, natural in the other map","color":"#b2182b"' in shown


def test_networks_stand_beside_each_other_with_the_polygons_that_tested_them(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    figures = {key: {"value": 0.5, "low": 0.25, "high": 0.75} for key in ("oa", "aa", "kappa", "oaw", "oaw_chance")}
    one = {"split": "test", "cells": 1234, "polygons": 56, **figures}
    write_report(folder / "accuracy.json", one)
    run = RunFolder(folder, folder / "none")
    assert not list(networks_table(run))  # one network has nothing beside it
    write_report(folder / "models" / "other" / "accuracy.json", one)
    same = "".join(networks_table(run))
    assert same.count("<td>1,234 cells of 56 polygons (test)</td>") == 2
    assert "On the same reference polygons; " in same
    for key, value in (("split", "all"), ("cells", 1200), ("polygons", 55)):
        write_report(folder / "models" / "other" / "accuracy.json", one | {key: value})
        apart = "".join(networks_table(run))
        assert "On the same reference polygons" not in apart
        assert "On reference polygons that are not the same: figures of two rows do not compare" in apart
    write_report(folder / "models" / "other" / "accuracy.json", one | {"split": "all", "cells": 2000, "polygons": 80})
    assert "<td>2,000 cells of 80 polygons (all)</td>" in "".join(networks_table(run))


def test_the_page_says_that_every_area_taught_and_shows_the_forests_trained_anew(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    why = "Every training area was used for training, so that none tests the map."
    write_json(folder / "run.json", record | {"untested": why})
    run = RunFolder(folder, folder / "none")
    assert why in str(headline(run)) and "No reference areas" not in str(headline(run))
    shown = str(accuracy_section(run, class_colors(folder / "lcz.tif")).content)
    assert why in shown and "No reference areas" not in shown and "trained anew" not in shown
    confusions = np.zeros((5, 17, 17), np.int64)
    confusions[:, 5, 5], confusions[:, 5, 7] = (9, 8, 7, 6, 5), (1, 2, 3, 4, 5)
    drawn = {"method": "retraining", "what": "5 draws", "protocol": "Trained anew 5 times.", "warnings": ["few"]}
    write_report(folder / "bootstraps.json", drawn | bootstrap_figures(confusions))
    shown = str(accuracy_section(run, class_colors(folder / "lcz.tif")).content)
    assert why in shown and "Trained anew 5 times." in shown and "Warning: few" in shown
    cells = "".join(f'<td class="number">{value}</td>' for value in ("0.50", "0.60", "0.70", "0.80", "0.90"))
    assert f"<td>OA</td>{cells}" in shown
    write_report(folder / "bootstraps.json", drawn | bootstrap_figures(confusions) | {"method": "resampling"})
    assert "Trained anew" not in str(accuracy_section(run, class_colors(folder / "lcz.tif")).content)


def test_the_page_says_which_map_was_compared(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    filter_map(folder / "lcz.tif", folder / "lcz_filtered.tif")
    run = RunFolder(folder, folder)
    for name in ("lcz", "lcz_filtered"):
        files = (folder / "other_maps" / name / file for file in ("agreement.json", "difference.tif", "other.tif"))
        compare_maps(folder / f"{name}.tif", folder / "models" / "other" / "lcz.tif", *files, resamples=10)
    plain, filtered = "".join(other_maps(run)).split("<h3>")[1:]
    assert "The map before the filter (lcz.tif) was compared with lcz.tif." in plain
    assert "The filtered map (lcz_filtered.tif) was compared with lcz.tif." in filtered
    assert "name different classes (lcz_filtered.tif with lcz.tif band 1)." in map_section(run).content


def test_change_to_another_period(run: RunFolder) -> None:
    before = np.where(painted() == 6, 14, painted()).astype(np.uint8)
    report = change_report(before, painted(), np.array([3, 1]), pixel_m=100.0, warnings=["two networks"])
    folder = run.folder.parent / "changes" / f"2020-05-01_2020-09-30_to_{run.period}"
    write_report(folder / "change.json", report)
    section = changes_section(run)
    assert section is not None
    moved = int((painted() == 6).sum())
    assert "From 2020-05-01 to 2020-09-30, to 2024-05-01 to 2024-09-30" in section.content
    assert (
        f'LCZ D: Low plants</td><td>LCZ 6: Open lowrise</td><td class="number">{moved * 0.01:.2f}<' in section.content
    )
    assert "Warning: two networks" in section.content


def test_quality_of_training_areas(run: RunFolder, tmp_path: Path) -> None:
    crs = '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}'
    ring = [[x, y] for x, y in box(WEST + 200, NORTH - 300, WEST + 320, NORTH - 60).exterior.coords]
    feature = (
        f'{{"type": "Feature", "properties": {{"lcz": 6}}, "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    (tmp_path / "areas.geojson").write_text(f'{{"type": "FeatureCollection", {crs}, "features": [{feature}]}}')
    files = [run.folder / f"area_quality.{kind}" for kind in ("csv", "gpkg", "json")]
    check_areas(GRID, tmp_path / "areas.geojson", *files, field="lcz")
    content = areas_quality_section(run).content
    assert "Areas drawn: 1; with the centre of a map cell inside: 1." in content
    assert "<td>LCZ 6: Open lowrise</td>" in content
    assert "1 is narrower than 200 m</td>" in content  # 120 m wide
    assert "large" not in content  # flags that no area has
    row = content[content.index("Areas with a flag") :]
    assert '<td class="number">1</td><td>LCZ 6</td><td class="number">2.88</td><td class="number">120</td>' in row
    (run.folder / "area_quality.csv").write_text("area,lcz\n1,6\n")
    with pytest.raises(ValueError, match=r"area_quality\.csv: expected the column area_m2, flags, width_m"):
        areas_quality_section(run)


def test_heat_of_the_zones(run: RunFolder, tmp_path: Path) -> None:
    shape = (1, *painted().shape)
    surface = np.full(shape, 20.0, np.float32) + painted()[None]
    write_cells(tmp_path / "lst.tif", surface, GRID.cell_geobox, names=["LST"], nodata=np.nan)
    file = TemperatureFile(tmp_path / "lst.tif", unit="celsius", time="2024-07-20T10:05Z")
    zones = read_zones(run.folder / "models" / "other" / "lcz.tif")
    island = measure_island(zones, file, "surface", Choices(border_m=0.0))
    write_report(run.folder / "heat" / "heat.json", {"what": "temperatures", "surface": island})
    section = heat_section(run)
    assert section is not None
    assert "<h3>SUHI (surface)</h3>" in section.content
    assert "LCZ G: Water</td>" in section.content
    assert "LCZ D: Low plants is not on the map" in section.content


def test_thermometers_of_each_class(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    codes = np.where(np.arange(11) < 5, 17, 14) * np.ones((7, 1))  # water, and low plants in the east
    write_class_map(tmp_path / "two.tif", codes.astype(np.uint8), GRID.cell_geobox, tags={})
    zones = read_zones(tmp_path / "two.tif")
    report = sensor_files._report(zones, propose(zones, 1), 1, 200.0)  # as `propose_sensors` does, without a picture
    write_json(folder / "heat" / "sensors.json", report)
    section = heat_section(RunFolder(folder, folder))
    assert section is not None
    assert "1 of 1 thermometers have a place" in section.content
    assert '<td class="number">0</td><td>water gets none: air temperature is measured over land</td>' in section.content


def test_cautions_for_public_weights_and_simulated_scenes(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    tags = {RELIABILITY_TAG: "published OA 0.694 <b>", "LCZMAP_NETWORK": "sen2lcz"}
    write_class_map(folder / "lcz.tif", painted(), GRID.cell_geobox, tags=tags)
    run = RunFolder(folder, folder)
    assert "How far the network can be trusted: published OA 0.694 &lt;b&gt;" in headline(run)
    assert "shows no real place" not in headline(run)
    write_json(folder / "run.json", run.record | {"attribution": "Simulated scenes: this map shows no real place."})
    assert "Simulated scenes: this map shows no real place." in headline(RunFolder(folder, folder))


def test_card_of_a_network(run: RunFolder, tmp_path: Path) -> None:
    described = {
        "kind": "torch",
        "name": HOSTILE,
        "channels": ["B2", "B3"],
        "patch_px": 32,
        "values": 590657,
        "extra": {
            "epochs": 2,
            "history": [{"loss": 2.0, "validation_loss": 3.0}, {"loss": 1.0, "validation_loss": 2.5}],
        },
    }
    write_json(tmp_path / "checkpoint.json", described)
    content = models_section(RunFolder(run.folder, run.folder, [tmp_path / "checkpoint.safetensors"])).content
    assert HOSTILE not in content
    assert "590,657" in content
    assert content.count("<polyline") == 2
    # of the values 1.0 to 3.0, 2.0 lies half way up: training begins there and ends at the foot
    assert 'points="44.0,82.0 512.0,156.0"' in content


MEMBERS = [{"key": "wide", "name": "rsnnet"}, {"key": "narrow", "name": "rsnnet"}]
NETWORKS = [
    {"key": "mean", "name": "ensemble", "sha256": "aa" * 32, "members": MEMBERS},
    {"key": "narrow", "name": "rsnnet", "sha256": "bb" * 32},
    {"key": "wide", "name": "rsnnet", "sha256": "bb" * 32},
]


def test_networks_of_one_architecture_are_told_apart(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    record = RunFolder(folder, folder).record
    write_json(folder / "run.json", record | {"networks": NETWORKS})
    paths = []
    for network in NETWORKS:
        paths.append(tmp_path / str(network["key"]) / "checkpoint.safetensors")
        described = {"name": network["name"], "weights_sha256": network["sha256"], "channels": ["B2"], "patch_px": 32}
        write_json(paths[-1].with_suffix(".json"), described)
    run = RunFolder(folder, folder, paths)
    content = models_section(run).content
    mean = "mean (ensemble of wide (rsnnet) and narrow (rsnnet))"
    titles = [part.split("</h3>")[0] for part in content.split("<h3>")[1:]]
    assert titles == [f"{mean}, the main network", "narrow (rsnnet)", "wide (rsnnet)"]
    weights = parameters_section(run).content
    assert all(f"<td>{name}</td>" in weights for name in (mean, "narrow (rsnnet)", "wide (rsnnet)"))
    boxes = introduction(run)
    assert "<b>mean</b><span>ensemble of wide (rsnnet) and narrow (rsnnet), which saw Sentinel-2</span>" in boxes
    write_json(folder / "run.json", record)
    assert "<b>sen2lcz</b><span>network, which saw Sentinel-2</span>" in introduction(RunFolder(folder, folder))


def test_the_scenes_that_were_used_are_marked(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    run = RunFolder(folder, folder)
    (scene,) = run.scenes
    scenes = [scene, scene | {"id": "other", "datetime": "2024-07-01T10:00:00Z"}]
    write_json(folder / "scenes.json", {"scenes": scenes})
    without = scenes_section(run).content
    assert "2 scenes found for the period; times in UTC" in without and without.count("<td>–</td>") == 2
    used = [{**one, "used": one["id"] == "other"} for one in scenes]
    write_json(folder / "run.json", run.record | {"scenes": used})
    content = scenes_section(RunFolder(folder, folder)).content
    assert "2 scenes found for the period, 1 of them used: a network of this run saw it" in content
    first, second = (row for row in content.split("<tr>") if "<td><code>" in row)
    assert "<td>no</td>" in first and "<td>yes</td>" in second


def test_probabilities_of_the_painted_map_name_it() -> None:
    values = probabilities()
    assert np.nanmax(np.abs(values.sum(axis=0) - 1)) < 1e-5
    inside = painted() > 0
    np.testing.assert_array_equal(values.argmax(axis=0)[inside] + 1, painted()[inside])
    assert MISSING > 200
