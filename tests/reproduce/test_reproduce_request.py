from pathlib import Path
from typing import Any

import pytest

from lczmap.config import Reproduce
from lczmap.reproduce.request import chosen_rows, definition_of
from lczmap.reproduce.tables import Figures, load_table

ROW = load_table("zhou_table4").row("d1")


def section(**keys: Any) -> Reproduce:
    return Reproduce.model_validate({"table": "zhou_table4", **keys})


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.h5").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.h5").touch()
    return folder


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rows": ["d8"]}, "has no row 'd8'; it has d1"),
        ({"row_options": {"d8": {"epochs": 1}}}, "has no row 'd8'; it has d1"),
        ({"options": {"epochz": 1}}, "row d1: .*unknown key `epochz`; did you mean `epochs`"),
        (
            {"row_options": {"d2": {"optimiser": {"lrr": 1}}}},
            "row d2: .*unknown key `optimiser.lrr`; did you mean `lr`",
        ),
        ({}, "resources/so2sat/v2/training.h5 is not there. Put or link"),
        ({"so2sat": "mine"}, "row d1 needs mine/training.h5, which is not there"),
        ({"table": "leave_one_city_out"}, "needs the cities of the patches; set `reproduce.version: v4`"),
    ],
)
def test_a_mistake_is_named_when_the_configuration_is_read(
    keys: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        chosen_rows(section(**keys), Path(keys["so2sat"]) if "so2sat" in keys else None)


def test_places_are_asked_for_where_they_would_be_downloaded_or_a_row_needs_cities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    published = put(Path("resources/so2sat/v4"), "training", "validation", "testing", "training_geo")
    four = {"table": "leave_one_city_out", "version": "v4", "rows": ["moscow"]}
    with pytest.raises(ValueError, match=r"v4/validation_geo\.h5 is not there"):
        chosen_rows(section(**four), None)
    assert list(chosen_rows(section(**four, fetch=True), None)) == ["moscow"]
    assert list(chosen_rows(section(version="v4", rows=["d2"]), None)) == ["d2"]  # it reads training alone
    with pytest.raises(ValueError, match=r"needs the cities .*v4/validation_geo\.h5 is not there"):
        chosen_rows(section(**four, so2sat="v4"), published)
    put(published, "validation_geo", "testing_geo")
    assert list(chosen_rows(section(**four, so2sat="v4"), published)) == ["moscow"]
    assert list(chosen_rows(section(**four), None)) == ["moscow"]


def test_a_compact_copy_needs_no_file_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copy = Path("resources/so2sat/v2/training")
    copy.mkdir(parents=True)
    (copy / "cache.json").touch()
    assert len(chosen_rows(section(), None)) == 7


def test_what_a_run_computes_is_in_its_definition_and_what_papers_print_is_not() -> None:
    own = definition_of(ROW, {})
    changes: list[dict[str, Any]] = [
        {"network": "sen2lcz"},
        {"preset": "recipe"},
        {"options": {"epochs": 3}},
        {"protocol": "culture_10"},
        {"input": ("D2",)},
    ]
    others = {definition_of(ROW.model_copy(update=change), {}) for change in changes} | {
        definition_of(ROW, {"ema": 0.5})
    }
    assert len(others - {own}) == 6
    assert definition_of(ROW.model_copy(update={"paper": Figures(oa=0.5, source="x")}), {}) == own


def test_the_content_of_a_preset_is_in_the_definition(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = definition_of(ROW, {})
    (tmp_path / "rsnnet_paper.yaml").write_text("epochs: 7\n")
    monkeypatch.setattr("lczmap.training.preset.PRESET_FOLDER", tmp_path)
    assert definition_of(ROW, {}) != own


@pytest.mark.parametrize(("seeds", "message"), [([47, 47], "different seeds"), ([-1], "greater than or equal to 0")])
def test_seeds_are_different_and_not_negative(seeds: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        section(seeds=seeds)
