import json
from pathlib import Path

from lczmap.files import sha256, write_json
from lczmap.provenance import RELIABILITY_TAG, attribution, map_tags, run_record, summary

SCENE = {"id": "s", "sensor": "sentinel-2", "platform": "sentinel-2b", "datetime": "2020-06-04T06:00:41Z", "state": {}}


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    path.write_bytes(b"weights")
    write_json(path.with_suffix(".json"), {"name": "gul_s2", "channels": ["B2"]})
    return path


def test_the_record_names_versions_scenes_and_weights(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    record = run_record({"city": "x"}, {"scenes": [SCENE]}, None, [path])
    assert record["networks"] == [{"name": "gul_s2", "sha256": sha256(path), "channels": ["B2"]}]
    assert record["libraries"]["torch"].startswith("2.13.0")
    assert [scene["id"] for scene in record["scenes"]] == ["s"]
    json.dumps(record)


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
    write_json(folder / "accuracy.json", {"oa": {"value": 0.875, "low": 0.8, "high": 0.95}})
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
    assert "wudapt_rf: overall accuracy 0.500 on reference polygons (all)" in text
    agreements = [line for line in text.splitlines() if ": agreement with" in line]
    assert agreements == [
        "main network: agreement with the teacher 0.250 (0.125..0.375)",
        "gul_s2: agreement with the teacher 0.250 (0.125..0.375)",
        "main network: agreement with the map global 0.250 (0.125..0.375)",
    ]
    assert text.splitlines()[-1].split() == ["classify_tile", "2", "6.0", "300"]
