import json
from pathlib import Path

import pytest

from lczmap.evaluation.tables import accuracy_table, tabulate_accuracy
from lczmap.files import write_json


def figure(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def test_a_row_holds_every_city_and_their_mean() -> None:
    table = accuracy_table({"a": {"x": figure(0.8, 0.7, 0.9), "y": figure(0.6)}, "b": {"y": figure(0.5)}})
    lines = table.splitlines()
    assert lines[0] == "| network | x | y | mean |"
    assert lines[2] == "| a | 0.800 (0.700 to 0.900) | 0.600 | 0.700 ± 0.141 |"  # s = 0.2 / sqrt(2)
    assert lines[3] == "| b |  | 0.500 | 0.500 |"


def test_the_main_network_is_named_by_its_run(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "demo" / "p"
    write_json(folder / "accuracy.json", {"oa": figure(0.9)})
    write_json(folder / "run.json", {"config": {"model": {"id": None, "name": "bp_lcz_eb_cnn"}}})
    write_json(folder / "models" / "rf" / "accuracy.json", {"oa": figure(0.4)})
    paths = [folder / "accuracy.json", folder / "models" / "rf" / "accuracy.json"]
    tabulate_accuracy(paths, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert "| bp_lcz_eb_cnn | 0.900 | 0.900 |" in text and "| rf | 0.400 | 0.400 |" in text


def test_a_report_without_its_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results" / "demo" / "p" / "accuracy.json"
    write_json(path, {"oa": figure(0.9)})
    with pytest.raises(ValueError, match=r"run\.json"):
        tabulate_accuracy([path], tmp_path / "table.md")
    loose = tmp_path / "accuracy.json"
    loose.write_text(json.dumps({"oa": figure(0.9)}))
    with pytest.raises(ValueError, match="below results"):
        tabulate_accuracy([loose], tmp_path / "table.md")
