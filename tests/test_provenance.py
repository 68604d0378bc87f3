import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from labelled_sample import assess_map as assess_sample
from odc.geo.geobox import GeoBox

from lczmap.files import sha256, write_json
from lczmap.provenance import RELIABILITY_TAG, attribution, map_tags, network_label, run_record
from lczmap.raster import Stack, write_class_map, write_stack
from lczmap.run_summary import summary

SCENE = {"id": "s", "sensor": "sentinel-2", "platform": "sentinel-2b", "datetime": "2020-06-04T06:00:41Z", "state": {}}


def checkpoint(folder: Path, **described: Any) -> Path:
    path = folder / "checkpoint.safetensors"
    write_json(path.with_suffix(".json"), {"name": "gul_s2", "channels": ["B2"], **described})
    path.write_bytes(b"weights")
    return path


def test_the_record_names_versions_scenes_and_weights(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    config = {"city": "x", "model": {"name": "gul_s2"}}
    record = run_record(config, {"scenes": [SCENE]}, None, [path], [stack(tmp_path, "s2.tif", {"scenes": "s"})])
    network = {"key": "gul_s2", "name": "gul_s2", "sha256": sha256(path), "channels": ["B2"]}
    assert record["networks"] == [network]
    assert record["libraries"]["torch"].startswith("2.13.0")
    assert [scene["id"] for scene in record["scenes"]] == ["s"]
    json.dumps(record)


def stack(folder: Path, name: str, state: Mapping[str, str]) -> Path:
    """Write a stack of one pixel that was made of the scenes in `state`."""
    place = GeoBox((1, 1), Affine(10, 0, 500_000, 0, -10, 5_800_000), "EPSG:32633")
    write_stack(folder / name, Stack(np.zeros((1, 1, 1), np.float32), ("any",), place, state))
    return folder / name


def test_the_record_says_which_scenes_the_networks_saw_and_credits_their_years(tmp_path: Path) -> None:
    radar = {"sensor": "sentinel-1", "platform": "sentinel-1a", "state": {}}
    scenes = [
        SCENE,
        SCENE | {"id": "winter", "datetime": "2018-12-04T06:00:41Z"},
        radar | {"id": "best", "datetime": "2021-01-02T06:00:00Z"},
        radar | {"id": "other", "datetime": "2022-01-14T06:00:00Z"},
    ]
    stacks = [stack(tmp_path, "s2.tif", {"scenes": "s"}), stack(tmp_path, "s1.tif", {"scene": "best"})]
    both = checkpoint(tmp_path / "both", channels=["VV", "B2"])
    record = run_record({"city": "x"}, {"scenes": scenes}, None, [both], stacks)
    used = {"s": True, "winter": False, "best": True, "other": False}
    assert {scene["id"]: scene["used"] for scene in record["scenes"]} == used
    assert record["attribution"] == "Contains modified Copernicus Sentinel data 2020, 2021."
    # a network that sees radar alone: the optical stack is there for the picture
    alone = run_record({"city": "x"}, {"scenes": scenes}, None, [checkpoint(tmp_path, channels=["VV"])], stacks)
    assert [scene["id"] for scene in alone["scenes"] if scene["used"]] == ["best"]
    assert alone["attribution"] == record["attribution"]


def test_the_record_and_the_summary_say_that_no_area_tested_the_map(tmp_path: Path) -> None:
    path, stacks = checkpoint(tmp_path, name="wudapt_rf"), [stack(tmp_path, "s2.tif", {"scenes": "s"})]
    config = {"city": "x", "sentinel1": {"use": "off"}, "model": {"name": "wudapt_rf"}}
    assert run_record(config, {"scenes": [SCENE]}, None, [path], stacks)["untested"] is None
    record = run_record(config | {"training": {"test": 0}}, {"scenes": [SCENE]}, None, [path], stacks)
    assert record["untested"].startswith("Every training area was used for training or validation")
    folder = tmp_path / "results" / "x" / "2024-05-01_2024-09-30"
    write_json(folder / "run.json", record | {"sensors": "sentinel-2", "gaps": "0.00%"})
    assert record["untested"] in summary(folder, tmp_path / "benchmarks").splitlines()
    assess = {"oa": {"value": 0.5, "low": None, "high": None}}
    write_json(folder / "models" / "other" / "accuracy.json", assess)  # of an earlier configuration
    assert "0.500" not in summary(folder, tmp_path / "benchmarks")
    codes = np.repeat(np.array([[6, 14]], np.uint8), 10, axis=0)
    write_class_map(folder / "lcz.tif", codes, GeoBox((10, 2), Affine(100, 0, 0, 0, -100, 5e6), "EPSG:32633"), tags={})
    assess_sample(folder / "lcz.tif")
    said = summary(folder, tmp_path / "benchmarks")  # people measured it: no need to say how to
    assert "lcz.tif: overall accuracy of the whole map 1.000" in said and "from 6 cells that people labelled" in said
    assert record["untested"] not in said
    assess_sample(folder / "lcz.tif", untold=14)  # nobody could tell any cell of class D
    assert "lcz.tif: overall accuracy of 50.0% of the map 1.000" in summary(folder, tmp_path / "benchmarks")


ENSEMBLE: dict[str, Any] = {
    "city": "x",
    "sentinel1": {"use": "off"},
    "model": {"name": "ensemble", "id": "mean", "members": ["wide", "narrow"]},
    "compare": [
        {"id": "narrow", "name": "rsnnet", "input": "D2"},
        {"id": "wide", "name": "rsnnet", "input": "D2"},
        "gul_s2",
    ],
}


def test_networks_of_one_architecture_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    member = {"name": "rsnnet", "channels": ["B2"]}
    mean = checkpoint(tmp_path / "mean", name="ensemble", members=[member, member])
    others = [checkpoint(tmp_path / key, name="rsnnet") for key in ("narrow", "wide")]
    stacks = [stack(tmp_path, "s2.tif", {"scenes": "s"})]
    networks = [mean, *others, checkpoint(tmp_path)]
    record = run_record(ENSEMBLE, {"scenes": [SCENE]}, None, networks, stacks)["networks"]
    assert [(one["key"], one["name"]) for one in record[1:]] == [
        ("narrow", "rsnnet"),
        ("wide", "rsnnet"),
        ("gul_s2", "gul_s2"),
    ]
    assert record[0]["members"] == [{"key": "wide", "name": "rsnnet"}, {"key": "narrow", "name": "rsnnet"}]
    assert [network_label(one) for one in record] == [
        "mean (ensemble of wide (rsnnet) and narrow (rsnnet))",
        "narrow (rsnnet)",
        "wide (rsnnet)",
        "gul_s2",
    ]
    with pytest.raises(ValueError, match=r"expected 4 checkpoints, of the networks mean, narrow, .*, got 3"):
        run_record(ENSEMBLE, {"scenes": [SCENE]}, None, networks[:3], stacks)


def test_a_ready_ensemble_names_the_architectures_of_its_members(tmp_path: Path) -> None:
    members = [{"name": name, "channels": ["B2"]} for name in ("rsnnet", "sen2lcz", "lcznet")]
    ready = checkpoint(tmp_path, name="ensemble", members=members)
    stacks = [stack(tmp_path, "s2.tif", {"scenes": "s"})]
    config = {"city": "x", "model": {"name": "rsnnet", "checkpoint": "ready.safetensors"}}
    (network,) = run_record(config, {"scenes": [SCENE]}, None, [ready], stacks)["networks"]
    assert network_label(network) == "rsnnet (ensemble of rsnnet, sen2lcz and lcznet)"


def test_copernicus_is_credited_with_the_years_of_the_scenes() -> None:
    later = SCENE | {"datetime": "2021-01-01T00:00:00Z"}
    assert attribution({"scenes": [SCENE, later]}) == "Contains modified Copernicus Sentinel data 2020, 2021."


def test_simulated_scenes_are_called_simulated() -> None:
    assert attribution({"scenes": [SCENE | {"id": "simulated_s"}]}).startswith("Simulated")


def test_a_map_carries_its_network_in_its_tags(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    tags = map_tags(path)
    assert tags["LCZMAP_WEIGHTS_SHA256"] == sha256(path)
    assert tags["LCZMAP_SENSORS"] == "sentinel-2"
    assert RELIABILITY_TAG not in tags  # nothing is known of it


def test_a_map_carries_what_is_known_of_its_network(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    write_json(
        path.with_suffix(".json"), {"name": "x", "channels": ["VH", "B2"], "metadata": {"card": "x: weak in LCZ 7"}}
    )
    tags = map_tags(path)
    assert tags[RELIABILITY_TAG].startswith("x: weak in LCZ 7")
    assert tags["LCZMAP_SENSORS"] == "sentinel-1 sentinel-2"


def test_the_summary_adds_up_the_jobs_of_a_step(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "demo" / "2024-05-01_2024-09-30"
    write_json(
        folder / "accuracy.json",
        {"oa": {"value": 0.875, "low": 0.8, "high": 0.95}, "filtered": {"oa": {"value": 0.9, "low": 0.8, "high": 1}}},
    )
    write_json(
        folder / "models" / "wudapt_rf" / "accuracy.json",
        {"oa": {"value": 0.5, "low": None, "high": None}, "split": "all"},
    )
    agreement = {"agreement": {"value": 0.25, "low": 0.125, "high": 0.375}}
    for name in ("agreement.json", "models/gul_s2/agreement.json", "other_maps/global/agreement.json"):
        write_json(folder / name, agreement)
    steps = tmp_path / "benchmarks" / "classify_tile"
    steps.mkdir(parents=True)
    for name, seconds, peak in (("demo_2024-05-01_2024-09-30_a", 2.5, 100), ("demo_2024-05-01_2024-09-30_b", 3.5, 300)):
        (steps / f"{name}.tsv").write_text(f"s\tmax_rss\n{seconds}\t{peak}\n")
    (steps / "demo_2024-05-01_2024-09-30_stopped.tsv").write_text("")
    (steps / "demolition_2024-05-01_2024-09-30_a.tsv").write_text("s\tmax_rss\n99\t99\n")
    text = summary(folder, tmp_path / "benchmarks")
    assert "main network: overall accuracy 0.875 (0.800..0.950) on" in text
    assert " on reference polygons (test); filtered map 0.900 (0.800..1.000)\n" in text
    assert "wudapt_rf: overall accuracy 0.500 on reference polygons (all)" in text
    agreements = [line for line in text.splitlines() if ": agreement with" in line]
    assert agreements == [
        "main network: agreement with the teacher 0.250 (0.125..0.375)",
        "gul_s2: agreement with the teacher 0.250 (0.125..0.375)",
        "main network: agreement with the map global 0.250 (0.125..0.375)",
    ]
    assert text.splitlines()[-1].split() == ["classify_tile", "2", "6.0", "300"]
