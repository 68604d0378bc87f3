"""What the workflow does with several networks: wide patches, ensembles, adaptation, explanation, other cities."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from workflow_runs import PERIOD, city_file, command, plan, planned, refused, snakemake, succeeded

from lczmap.models.checkpoint import read_description
from lczmap.raster import band_names, read_cells

pytestmark = pytest.mark.workflow

NETWORKS = """
city: small
aoi: tests/configs/demo_small.geojson
start: 2024-05-01
end: 2024-09-30
simulation: {seed: 1, size_m: 4000}
sentinel1: {use: off}
map: {tile_px: 400, pixel_size_m: 400, explanation: true}
training: {patch_px: 48}
model: {name: ensemble, members: [bp_lcz_eb_cnn, rsnnet]}
compare:
  - {name: bp_lcz_eb_cnn, preset: demo, options: {epochs: 1, network: {widths: [4, 8], blocks: [1, 1], width: 16}}}
  - name: rsnnet
    input: D2
    adapt: {batch_norm: true, prior: em}
    options: {epochs: 1, network: {stem_width: 8, widths: [8, 16], stages: [1, 1], cardinality: 4, se_ratio: 4}}
"""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with two networks at 48 px, one of them adapted, and their ensemble."""
    folder = tmp_path_factory.mktemp("networks")
    run = f"results/small/{PERIOD}"
    wanted = [f"{run}/models/{name}/probabilities.tif" for name in ("bp_lcz_eb_cnn", "rsnnet")]
    wanted += [f"{run}/models/bp_lcz_eb_cnn/explanation.tif", f"{run}/accuracy.json", f"{run}/run.json"]
    succeeded(snakemake(folder, *wanted, "--configfile", city_file(folder, NETWORKS)))
    return folder / "results" / "small" / PERIOD


def test_networks_see_patches_of_the_configured_width(mapped: Path) -> None:
    for name in ("bp_lcz_eb_cnn", "rsnnet"):
        assert read_description(mapped / "models" / name / "checkpoint.safetensors")["patch_px"] == 48


def test_the_ensemble_maps_the_mean_of_its_members(mapped: Path) -> None:
    members = [read_cells(mapped / "models" / name / "probabilities.tif")[0] for name in ("bp_lcz_eb_cnn", "rsnnet")]
    joined, _ = read_cells(mapped / "probabilities.tif")
    np.testing.assert_allclose(joined, np.mean(members, axis=0), atol=1e-5)
    assert not np.allclose(members[0], members[1], equal_nan=True)


def test_the_adapted_network_maps_and_is_recorded(mapped: Path) -> None:
    adapted = read_description(mapped / "models" / "rsnnet" / "adapted.safetensors")
    assert adapted["metadata"]["adaptation"]["batch_norm"] is True
    networks = json.loads((mapped / "run.json").read_text())["networks"]
    assert networks[2]["sha256"] == adapted["weights_sha256"]
    assert [one["key"] for one in networks] == ["ensemble", "bp_lcz_eb_cnn", "rsnnet"]
    assert [one["key"] for one in networks[0]["members"]] == ["bp_lcz_eb_cnn", "rsnnet"]


def test_the_explanation_has_a_band_per_group_where_the_map_has_a_class(mapped: Path) -> None:
    folder = mapped / "models" / "bp_lcz_eb_cnn"
    assert band_names(folder / "explanation.tif") == ("RGB", "VRE", "NIR", "SWIR")
    support, geobox = read_cells(folder / "explanation.tif")
    probabilities, _ = read_cells(folder / "probabilities.tif", expected=geobox)
    np.testing.assert_array_equal(np.isnan(support).all(axis=0), np.isnan(probabilities).any(axis=0))
    assert np.nanmax(abs(support)) <= 1.00001
    said = succeeded(plan(mapped.parents[2], "--configfile", mapped.parents[2] / "city.yaml"))
    assert "models/rsnnet/confidence.tif" in said and "models/rsnnet/explanation.tif" not in said


SEEN = """
city: a
simulation: {seed: 1}
map: {tile_px: 600}
sentinel2: {season: four}
model: {name: gul_s1}
compare: [gul_s2]
---
city: b
simulation: {seed: 2}
model: {name: gul_s2}
---
city: c
simulation: {seed: 3}
model: {name: gul_s1}
"""


def test_the_record_reads_the_stacks_of_all_tiles_and_views_that_a_network_sees(tmp_path: Path) -> None:
    said = planned(tmp_path, SEEN)
    recorded = command(said, "record-run", f"results/a/{PERIOD}/run.json")
    views = ["s1.tif", *(f"s2_{season}.tif" for season in ("spring", "summer", "autumn", "winter"))]
    assert f"--grid results/a/grid.json --tiles results/a/{PERIOD}/tiles " in recorded
    assert [part for part in recorded.split() if part.endswith(".tif") and "/" not in part] == views
    assert all(f"results/a/{PERIOD}/tiles/r001c001/{view}" in said for view in views)  # inputs of the job
    report = command(said, "write-report", f"results/a/{PERIOD}/report.html")
    assert "r001c001" not in recorded + report  # commands do not grow with the city
    optical = command(said, "record-run", f"results/b/{PERIOD}/run.json")
    assert "s2.tif" in optical and "s1.tif" not in optical
    radar = command(said, "record-run", f"results/c/{PERIOD}/run.json")  # with the picture's
    assert "--stack s1.tif --stack s2.tif" in radar


OTHERS = """
city: a
simulation: {seed: 1}
training: {cities: others}
sentinel1: {use: off}
model: {name: wudapt_rf}
---
city: b
simulation: {seed: 2}
sentinel1: {use: off}
model: {name: wudapt_rf}
---
city: c
simulation: {seed: 3}
sentinel1: {use: off}
model: {name: wudapt_rf}
"""


def test_a_left_out_city_learns_from_the_others_and_all_its_polygons_test(tmp_path: Path) -> None:
    said = planned(tmp_path, OTHERS)
    training = command(said, "train-model", f"results/a/{PERIOD}/models/wudapt_rf/checkpoint.safetensors")
    assert f" results/b/grid.json results/b/{PERIOD}/patches.gpkg results/b/{PERIOD}/tiles " in training
    assert f"--further-patches results/c/{PERIOD}/patches.gpkg --further-tiles results/c/{PERIOD}/tiles" in training
    assert "results/a/grid.json" not in training
    assert "--split all" in command(said, "assess-map", f"results/a/{PERIOD}/accuracy.json")
    assert "--split test" in command(said, "assess-map", f"results/b/{PERIOD}/accuracy.json")
    measured = command(said, "assess-map", f"results/b/{PERIOD}/accuracy.json")
    assert f" results/b/{PERIOD}/lcz.tif " in measured
    assert f"--filtered results/b/{PERIOD}/lcz_filtered.tif " in measured


def test_another_map_is_compared_with_the_map_that_its_section_names(tmp_path: Path) -> None:
    other = tmp_path / "global.tif"
    other.touch()
    maps = f"{{name: plain, path: {other}}}, {{name: smooth, path: {other}, against: lcz_filtered}}"
    said = planned(tmp_path, f"city: demo\nmap: {{tile_px: 2000}}\nmodel: {{name: gul_s2}}\nother_maps: [{maps}]\n")
    for name, ours in (("plain", "lcz.tif"), ("smooth", "lcz_filtered.tif")):
        said_of = command(said, "compare-maps", f"other_maps/{name}/agreement.json")
        assert f"compare-maps results/demo/{PERIOD}/{ours} {other} " in said_of


def test_a_city_that_would_learn_from_its_own_ground_is_refused(tmp_path: Path) -> None:
    same = OTHERS.replace("seed: 2", "seed: 1")
    files = [city_file(tmp_path, part, f"{number}.yaml") for number, part in enumerate(same.split("---"))]
    said = refused(plan(tmp_path, "--configfile", *files))
    assert "a shall learn from b, but their areas overlap or nearly touch" in " ".join(said.split())
    assert "Traceback" not in said


def test_public_networks_get_a_card_and_gul_s1_the_statistics_of_its_scene(tmp_path: Path) -> None:
    said = planned(tmp_path, "city: demo\nmap: {tile_px: 2000}\nmodel: {name: gul_s1}\ncompare: [gul_s2]\n")
    adapted = f"results/demo/{PERIOD}/models/gul_s1/adapted.safetensors"
    adapting = command(said, "adapt-model", "gul_s1.safetensors")
    assert f"resources/pretrained/gul_s1.safetensors results/demo/{PERIOD}/tiles {adapted} --stack s1.tif" in adapting
    assert adapted in command(said, "classify-tile", f" results/demo/{PERIOD}/tiles/r000c000/probabilities.tif")
    assert adapted in command(said, "write-card", f"results/demo/{PERIOD}/reliability.md")
    assert "resources/pretrained/gul_s2.safetensors" in command(said, "write-card", "models/gul_s2/reliability.md")


GUL = """
city: small
aoi: tests/configs/demo_small.geojson
start: 2024-05-01
end: 2024-09-30
simulation: {{seed: 1, size_m: 4000}}
map: {{tile_px: 400, pixel_size_m: 400}}
model: {{name: ensemble, members: [gul_s1, gul_s2]}}
compare:
  - {{name: gul_s1, weights: "{s1}"}}
  - {{name: gul_s2, weights: "{s2}"}}
"""


def test_both_networks_of_the_gul_product_map_a_city_together(real_data: Path, mapped: Path, tmp_path: Path) -> None:
    shutil.copytree(mapped.parents[2] / "resources", tmp_path / "resources")  # the same simulated scenes
    folder = real_data / "pretrained" / "gul"
    s1, s2 = (next(folder.glob(f"{sensor}_*.h5")) for sensor in ("S1", "S2"))
    city = city_file(tmp_path, GUL.format(s1=s1, s2=s2))
    wanted = ["reliability.md", "models/gul_s1/reliability.md", "probabilities.tif"]
    wanted += [f"models/{name}/probabilities.tif" for name in ("gul_s1", "gul_s2")]
    succeeded(snakemake(tmp_path, *(f"results/small/{PERIOD}/{name}" for name in wanted), "--configfile", city))
    run = tmp_path / "results" / "small" / PERIOD
    members = [read_cells(run / "models" / name / "probabilities.tif")[0] for name in ("gul_s1", "gul_s2")]
    joined, _ = read_cells(run / "probabilities.tif")
    np.testing.assert_allclose(joined, np.mean(members, axis=0), atol=1e-5)
    assert np.isfinite(joined).all() and not np.allclose(*members)
    radar = read_description(run / "models" / "gul_s1" / "adapted.safetensors")
    assert radar["patch_px"] == 34
    for card in (run / "reliability.md", run / "models" / "gul_s1" / "reliability.md"):
        assert "o per-class figures known to us" in card.read_text()
