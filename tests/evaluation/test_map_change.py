import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from picture_colors import colors_in
from typer.testing import CliRunner

from lczmap.classes import palette
from lczmap.cli import app
from lczmap.evaluation.map_change import CHANGE_BANDS, change_bands, largest_transitions, least_change, map_change
from lczmap.evaluation.map_figures import change_kinds
from lczmap.raster import Float, band_names, read_cells, write_class_map, write_probabilities

BOX = GeoBox((3, 4), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")


def sure_of(codes: np.ndarray, probability: float) -> Float:
    """Probabilities (17, y, x): this much for the code, the rest evenly for the others; NaN on nodata."""
    p = np.full((17, *codes.shape), (1 - probability) / 16, np.float32)
    for code in range(1, 18):
        p[code - 1][codes == code] = probability
    p[:, codes == 0] = np.nan
    return p


def write_period(
    folder: Path, codes: np.ndarray, probability: float, *, box: GeoBox = BOX, network: str = "a"
) -> tuple[Path, Path]:
    tags = {"LCZMAP_WEIGHTS_SHA256": network, "LCZMAP_SENSORS": "sentinel-2"}
    write_class_map(folder / "lcz.tif", codes.astype(np.uint8), box, tags=tags, palette="colour_blind")
    whole = (slice(0, box.shape[0]), slice(0, box.shape[1]))
    write_probabilities(folder / "p.tif", iter([(whole, sure_of(codes, probability))]), box, tags=tags)
    return folder / "lcz.tif", folder / "p.tif"


def test_equal_answers_never_count_as_change_however_unsure() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(17), (4, 5)).transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_allclose(least_change(p, p), 0, atol=1e-6)


def test_the_least_change_is_half_the_sum_of_differences() -> None:
    rng = np.random.default_rng(1)
    p, q = (rng.dirichlet(np.ones(17), (4, 5)).transpose(2, 0, 1).astype(np.float32) for _ in range(2))
    np.testing.assert_allclose(least_change(p, q), np.abs(p - q).sum(axis=0) / 2, atol=1e-6)
    certain = sure_of(np.array([[1]]), 1.0), sure_of(np.array([[2]]), 1.0)
    assert least_change(*certain) == pytest.approx(1)


def test_transitions_and_missing_cells() -> None:
    before, after = np.array([[6, 6, 0, 17]], np.uint8), np.array([[6, 8, 3, 0]], np.uint8)
    bands = change_bands(before, after, sure_of(before, 0.9), sure_of(after, 0.9))
    assert bands[0, 0, :2].tolist() == [606, 608]
    assert bands[1, 0, 0] == pytest.approx(0, abs=1e-6)
    assert bands[1, 0, 1] == pytest.approx(0.9 - 0.1 / 16)
    assert np.isnan(bands[:, 0, 2:]).all()


def test_the_verb_writes_areas_by_hand(tmp_path: Path) -> None:
    before = np.array([[6, 6, 6, 14], [14, 14, 14, 14], [17, 17, 17, 0]])
    after = np.array([[6, 6, 6, 6], [14, 14, 8, 8], [17, 17, 17, 17]])
    earlier = write_period(tmp_path / "2019", before, 0.95)
    later = write_period(tmp_path / "2024", after, 0.95)
    out = [str(tmp_path / "out" / name) for name in ("change.tif", "change.json", "change.png")]
    result = CliRunner().invoke(app, ["map-change", *map(str, (*earlier, *later)), *out[:2], "--picture", out[2]])
    assert result.exit_code == 0, result.output
    report = json.loads(Path(out[1]).read_text())
    assert report["cells"] == 11 and report["warnings"] == []
    assert report["changed"] == {"share": round(3 / 11, 6), "km2": 0.03}
    assert report["surely"]["0.9"]["km2"] == 0.03
    assert report["largest"] == [
        {"before": "LCZ D: Low plants", "after": "LCZ 8: Large lowrise", "km2": 0.02},
        {"before": "LCZ D: Low plants", "after": "LCZ 6: Open lowrise", "km2": 0.01},
    ]
    low_plants = next(row for row in report["classes"] if row["label"] == "D")
    assert low_plants == {"code": 14, "label": "D", "before_km2": 0.05, "after_km2": 0.02, "kept_km2": 0.02}
    assert report["transitions_km2"]["km2"][13][7] == 0.02
    bands, _ = read_cells(Path(out[0]), expected=BOX)
    assert band_names(Path(out[0])) == CHANGE_BANDS
    assert bands[0, 0].tolist() == [606, 606, 606, 1406] and np.isnan(bands[:, 2, 3]).all()
    seen = colors_in(Path(out[2]))
    assert {palette("colour_blind")[code] for code in (6, 8, 14, 17)} <= seen  # the maps' own colours


def test_unsure_answers_differ_without_having_surely_changed(tmp_path: Path) -> None:
    earlier = write_period(tmp_path / "a", np.full((3, 4), 5), 0.3)
    later = write_period(tmp_path / "b", np.full((3, 4), 6), 0.3, network="b")
    report = map_change(earlier, later, tmp_path / "c.tif", tmp_path / "c.json")
    assert report["changed"]["share"] == 1
    assert [row["share"] for row in report["surely"].values()] == [0, 0]
    assert report["warnings"] == ["the two maps come from different networks: a part of the change is theirs"]


def test_kinds_of_the_picture() -> None:
    before, after = np.array([[1, 1, 1, 1, 0]], np.uint8), np.array([[1, 2, 2, 2, 2]], np.uint8)
    assert change_kinds(before, after, np.array([[0.6, 0.4, 0.5, 0.95, np.nan]])).tolist() == [[1, 2, 3, 4, 0]]


def test_unchanged_maps_have_no_largest_transition() -> None:
    assert largest_transitions(np.diag(np.arange(17)), 0.01) == []


def test_maps_on_two_grids_or_without_common_cells_are_refused(tmp_path: Path) -> None:
    codes = np.full((3, 4), 5)
    earlier = write_period(tmp_path / "a", codes, 0.5)
    moved = GeoBox((3, 4), Affine(100, 0, 4e5 + 50, 0, -100, 5.8e6), "EPSG:32633")
    with pytest.raises(ValueError, match=r"lcz\.tif: expected the grid of .* map both with one area"):
        map_change(
            earlier, write_period(tmp_path / "b", codes, 0.5, box=moved), tmp_path / "c.tif", tmp_path / "c.json"
        )
    elsewhere = write_period(tmp_path / "e", codes, 0.5, box=moved)[1]
    with pytest.raises(ValueError, match=r"e/p\.tif: expected the grid of the maps"):
        map_change(earlier, (earlier[0], elsewhere), tmp_path / "c.tif", tmp_path / "c.json")
    empty = write_period(tmp_path / "c", np.zeros((3, 4)), 0.5)
    with pytest.raises(ValueError, match="no cell with a class in common"):
        map_change(earlier, empty, tmp_path / "c.tif", tmp_path / "c.json")
    with pytest.raises(ValueError, match="expected 17 bands, got"):
        map_change(earlier, (earlier[0], earlier[0]), tmp_path / "c.tif", tmp_path / "c.json")
