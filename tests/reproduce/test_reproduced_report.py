from typing import Any

import numpy as np
import pytest

from lczmap.reproduce.report import heading_of, report_text, summary_of
from lczmap.reproduce.tables import Table, load_table, parse_table

TABLE = load_table("bp_lcz_table3")


def result(row: str, seed: int, oa: float | None, *, rehearsal: str = "", leaky: bool = True) -> dict[str, Any]:
    figures = {"oa": oa, "aa": 0.5, "kappa": 0.4, "oaw": 0.9, "oaw_chance": 0.6, "oa_bu": 0.3, "oa_nat": None}
    file = {"patches": 352_366, "is_published": not rehearsal, "by": "MD5", "known_as": "v2 training", "md5": "x"}
    return {
        "row": row,
        "seed": seed,
        "label": row,
        "preset": "eb_cnn_paper",
        "changed_options": {"epochs": 3} if seed == 3 else {},
        "protocol": {"name": "bp_lcz", "leaky": leaky, "why": "a random split", "city": None},
        "data": {
            "files": {"training": file},
            "patches": {"train": 22_202, "validation": 0, "test": 12_117},
            "rehearsal": rehearsal,
        },
        "scores": {**figures, "recall": [None] + [0.5] * 16},
        "by_city": {"rome": {"oa": oa}},
        "parameters": 1234,
        "training": [{"epochs": 200}],
        "train_seconds": 61.4,
    }


def text(table: Table, *results: dict[str, Any]) -> str:
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in results:
        rows.setdefault(one["row"], []).append(one)
    return report_text(table, rows, {(r["row"], r["seed"]): f"{r['row']}/seed{r['seed']}" for r in results})


def line(report: str, start: str) -> list[str]:
    (found,) = [x for x in report.splitlines() if x.startswith(f"| {start} |")][:1]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_published_figures_stand_beside_ours() -> None:
    report = text(TABLE, result("none", 47, 0.80), result("none", 48, 0.82))
    assert report.startswith("# BP-LCZ, Table III\n")
    cells = line(report, "EB-CNN, without BGP and MSM (LEAKY)")
    assert cells[1:9] == [
        "bp_lcz (LEAKY)",
        "47, 48",
        "79.29",
        "81.00 ± 1.41",
        "77.39",
        "40.00 ± 0.00",
        "–",
        "50.00 ± 0.00",
    ]
    assert cells[9:] == ["+1.71", "Lan et al., BP-LCZ, Table III"]
    assert line(report, "EB-CNN with BGP (LEAKY)")[2:5] == ["not run", "86.15", "–"]
    assert "REHEARSAL" not in report
    assert "published: v2 training, by MD5" in report
    assert "![Confusion matrix](none/seed47/confusion.png)" in report


def test_a_rehearsal_says_so_in_title_warning_and_every_table_and_claims_no_difference() -> None:
    report = text(TABLE, result("none", 47, 0.99, rehearsal="training is not So2Sat's file"))
    title, *_ = report.splitlines()
    assert title == "# BP-LCZ, Table III: REHEARSAL, no figure here is a So2Sat result"
    assert "training is not So2Sat's file" in report and "NOT So2Sat's file" in report
    headers = [x for x in report.splitlines() if "| OA" in x and x.startswith("| row")]
    assert len(headers) == 2 and all("(REHEARSAL)" in x for x in headers)
    assert all("(REHEARSAL)" in x for x in report.splitlines() if x.startswith(("## Recall", "## OA of", "## Data")))
    assert line(report, "EB-CNN, without BGP and MSM (LEAKY, REHEARSAL)")[9] == "–"
    rows = [x for x in report.splitlines() if "EB-CNN, without BGP and MSM (" in x]
    assert len(rows) == 5 and all("(LEAKY, REHEARSAL)" in x for x in rows)  # four tables and the pictures


def test_one_rehearsed_row_makes_the_whole_report_one() -> None:
    report = text(TABLE, result("none", 47, 0.8), result("bgp", 47, 0.9, rehearsal="shrunken protocol"))
    assert "REHEARSAL" in report.splitlines()[0]
    assert line(report, "EB-CNN, without BGP and MSM (LEAKY)")[9] == "+0.71"
    assert line(report, "EB-CNN with BGP (LEAKY, REHEARSAL)")[9] == "–"


def test_a_leaky_protocol_is_named_at_the_top_and_in_pictures() -> None:
    summary = summary_of(text(TABLE, result("none", 47, 0.8)))
    assert "**LEAKY: bp_lcz.**" in summary and "## More figures" not in summary
    assert heading_of(result("none", 47, 0.8)) == "none, seed 47\nprotocol bp_lcz (LEAKY)"
    assert "LEAKY" not in heading_of(result("none", 47, 0.8, leaky=False))
    assert "REHEARSAL: no So2Sat result" in heading_of(result("none", 47, 0.8, rehearsal="x"))


def test_keys_that_a_user_replaced_are_named() -> None:
    assert "CHANGED RECIPES" not in text(TABLE, result("none", 47, 0.8))
    assert '**CHANGED RECIPES.** The configuration replaced keys: none `{"epochs": 3}`.' in text(
        TABLE, result("none", 47, 0.8), result("none", 3, 0.8)
    )


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    table = parse_table(
        "t",
        {"title": "T", "rows": [{"id": "a", "label": "SAR | optical", "network": "fusion", "protocol": "culture_10"}]},
    )
    assert "| SAR \\| optical | culture_10 | 47 |" in text(table, result("a", 47, 0.5, leaky=False))


def test_recall_is_a_mean_of_seeds_and_missing_classes_are_dashes() -> None:
    report = text(TABLE, result("none", 47, 0.8), result("none", 48, 0.8))
    recall = report.partition("## Recall")[2]
    cells = line(recall, "EB-CNN, without BGP and MSM (LEAKY)")
    assert cells[1:3] == ["–", "50"] and len(cells) == 18
    assert np.isclose(
        float(line(report.partition("## OA of")[2], "EB-CNN, without BGP and MSM (LEAKY)")[1].split()[0]), 80
    )


@pytest.mark.parametrize("table", ["cities", "sen2lcz_official"])
def test_tables_without_results_still_print_what_is_published(table: str) -> None:
    assert "69.37" in text(load_table(table))
