import json
from pathlib import Path

import pytest

from lczmap.evaluation.tables import accuracy_table, tabulate_accuracy, tabulate_agreement
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


def write_run(root: Path, city: str, period: str, name: str, report: dict[str, object]) -> Path:
    folder = root / "results" / city / period
    write_json(folder / "run.json", {"config": {"model": {"id": None, "name": "gul_s2"}}})
    write_json(folder / name, report)
    return folder / name


def test_two_periods_of_a_city_are_two_columns(tmp_path: Path) -> None:
    runs = [("demo", "2019-05-01_2019-09-30", 0.8), ("demo", "2024-05-01_2024-09-30", 0.6), ("berlin", "p", 0.7)]
    paths = [write_run(tmp_path, city, period, "accuracy.json", {"oa": figure(oa)}) for city, period, oa in runs]
    tabulate_accuracy(paths, tmp_path / "table.md")
    header, _, row = (tmp_path / "table.md").read_text().splitlines()[:3]
    assert header == "| network | berlin | demo 2019-05-01_2019-09-30 | demo 2024-05-01_2024-09-30 | mean |"
    assert row == "| gul_s2 | 0.700 | 0.800 | 0.600 | 0.700 ± 0.100 |"


def test_a_network_that_one_period_lacks_has_an_empty_cell(tmp_path: Path) -> None:
    first = write_run(tmp_path, "demo", "2019", "accuracy.json", {"oa": figure(0.8)})
    other = write_run(tmp_path, "demo", "2024", "models/rf/accuracy.json", {"oa": figure(0.5)})
    tabulate_accuracy([first, other], tmp_path / "table.md")
    assert "| rf |  | 0.500 | 0.500 |" in (tmp_path / "table.md").read_text()


def test_two_reports_for_one_place_of_the_table_are_refused(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name, "demo", "2024", "accuracy.json", {"oa": figure(0.8)}) for name in "ab"]
    with pytest.raises(ValueError, match=r"a/results.* and .*b/results.*: two reports of gul_s2 in demo 2024"):
        tabulate_accuracy(paths, tmp_path / "table.md")
    assert not (tmp_path / "table.md").exists()


def test_agreement_of_two_periods_takes_two_rows(tmp_path: Path) -> None:
    found = {name: figure(0.5) for name in ("correlation_built", "agreement", "kappa", "majority_baseline")}
    report = {"cells": 9, "blocks": 2, **found}
    paths = [write_run(tmp_path, "demo", period, "models/small/agreement.json", report) for period in ("2019", "2024")]
    paths.append(write_run(tmp_path, "berlin", "2024", "models/small/agreement.json", report))
    tabulate_agreement(paths, tmp_path / "table.md")
    names = [line.split(" | ")[0] for line in (tmp_path / "table.md").read_text().splitlines()[2:5]]
    assert names == ["| demo 2019 small", "| demo 2024 small", "| berlin small"]
