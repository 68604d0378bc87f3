"""Drawing cells: strata, chances, order, and what a design remembers."""

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.evaluation import metrics
from lczmap.evaluation.area_estimates import estimate_accuracy
from lczmap.evaluation.sampling import (
    allocate_by_area,
    allocate_equally,
    count_cells,
    draw_sample,
    fingerprint,
    read_design,
    write_design,
)

UTM = "EPSG:32633"


def grid_of(codes: np.ndarray, crs: str = UTM, size: float = 100.0) -> GeoBox:
    return GeoBox(codes.shape, Affine(size, 0, 400_000, 0, -size, 5_800_000), crs)


def counts(**by_label: int) -> np.ndarray:
    from lczmap.classes import LABELS

    return np.array([by_label.get(f"lcz{label}", 0) for label in LABELS], np.int64)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """40 × 50 cells: 1500 of class 6, 440 of D, 50 of water, 3 of class 1, 7 nodata."""
    flat = np.repeat([6, 14, 17, 1, 0], [1500, 440, 50, 3, 7]).astype(np.uint8)
    return np.random.default_rng(0).permutation(flat).reshape(40, 50)


def test_each_class_gives_its_number_and_a_rare_class_all_it_has(codes: np.ndarray) -> None:
    sampled = allocate_equally(count_cells(codes), 30)
    assert sampled.tolist() == counts(lcz6=30, lczD=30, lczG=30, lcz1=3).tolist()
    design = draw_sample(codes, grid_of(codes), sampled, map_name="lcz.tif", seed=1)
    drawn = codes[design.row, design.col]
    assert np.bincount(drawn, minlength=18)[1:].tolist() == sampled.tolist()
    assert len(set(zip(design.row, design.col, strict=True))) == 93  # without replacement


def test_by_area_keeps_the_minimum_and_gives_the_rest_in_proportion(codes: np.ndarray) -> None:
    sampled = allocate_by_area(count_cells(codes), 220, minimum=10)
    # 33 are the minima; of 187 more, 1490, 430 and 40 of 1960 left cells give 142.2, 41.0 and 3.8
    assert sampled.tolist() == counts(lcz6=152, lczD=51, lczG=14, lcz1=3).tolist()
    assert allocate_by_area(count_cells(codes), 99_999, minimum=10).tolist() == count_cells(codes).tolist()
    with pytest.raises(ValueError, match="at least 33 cells"):
        allocate_by_area(count_cells(codes), 32, minimum=10)
    with pytest.raises(ValueError, match="at least 2"):
        allocate_equally(count_cells(codes), 1)


def test_the_same_seed_draws_the_same_cells_and_another_seed_others(codes: np.ndarray) -> None:
    sampled = allocate_equally(count_cells(codes), 30)
    one, same, other = (
        draw_sample(codes, grid_of(codes), sampled, map_name="lcz.tif", seed=seed) for seed in (5, 5, 6)
    )
    assert one.sample_id == same.sample_id != other.sample_id


def test_the_order_tells_nothing_of_the_class(codes: np.ndarray) -> None:
    sampled = counts(lcz6=300, lczD=300)
    design = draw_sample(codes, grid_of(codes), sampled, map_name="lcz.tif", seed=2)
    first_half = codes[design.row, design.col][:300] == 6
    assert abs(first_half.mean() - 0.5) < 4 * 0.5 / np.sqrt(600)


def test_every_cell_of_a_class_is_drawn_equally_often() -> None:
    codes = np.array([[2, 2, 2, 2, 2, 9, 9, 9, 9, 9]], np.uint8)
    times = np.zeros(10)
    for seed in range(200):
        design = draw_sample(codes, grid_of(codes), counts(lcz2=2, lcz9=3), map_name="m", seed=seed)
        times[design.col] += 1
    expected = 200 * np.repeat([0.4, 0.6], 5)
    assert (np.abs(times - expected) < 4 * np.sqrt(expected * 0.6)).all()


def test_the_design_is_read_back_and_names_no_cells_class(codes: np.ndarray, tmp_path: Path) -> None:
    sampled = allocate_equally(count_cells(codes), 5)
    design = draw_sample(codes, grid_of(codes), sampled, map_name="../lcz.tif", seed=1)
    write_design(tmp_path / "design.json", design)
    read = read_design(tmp_path / "design.json")
    assert read.sample_id == design.sample_id
    assert read.geobox == design.geobox and read.map_name == "../lcz.tif"
    assert np.array_equal(read.row, design.row) and np.array_equal(read.population, count_cells(codes))
    assert read.cell_km2 == pytest.approx(0.01)
    text = json.loads((tmp_path / "design.json").read_text())
    assert all(len(cell) == 2 for cell in text["cells"])  # row and column only


def test_a_changed_design_and_another_file_are_refused(codes: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    write_design(path, draw_sample(codes, grid_of(codes), counts(lcz6=4), map_name="m", seed=1))
    path.write_text(path.read_text().replace('"cells": 1500', '"cells": 1400'))
    with pytest.raises(ValueError, match="changed after the sample was drawn"):
        read_design(path)
    for other in ('{"type": "FeatureCollection", "features": []}', '{"strata": []}', "[]"):
        path.write_text(other)
        with pytest.raises(ValueError, match="not a probability sample"):
            read_design(path)


def test_only_maps_with_square_cells_in_true_metres_and_classes_are_sampled(codes: np.ndarray) -> None:
    # 5800 km north of the equator in Web Mercator is 46° N, where its areas are 1 / cos² too large
    for crs, size, words in (("EPSG:4326", 0.001, "square, north-up pixels"), ("EPSG:3857", 100, r"areas by 2\.0\d;")):
        with pytest.raises(ValueError, match=rf"export\.tif: expected .*{words}.*UTM zone"):
            draw_sample(codes, grid_of(codes, crs, size), counts(lcz6=4), map_name="export.tif", seed=1)
    empty = np.zeros_like(codes)
    with pytest.raises(ValueError, match="no cell has a class"):
        draw_sample(empty, grid_of(empty), counts(), map_name="lcz.tif", seed=1)


def test_the_fingerprint_sees_one_changed_cell_and_a_moved_grid(codes: np.ndarray) -> None:
    changed = codes.copy()
    changed[3, 4] = 1 + changed[3, 4] % 17
    prints = {fingerprint(codes, grid_of(codes)), fingerprint(changed, grid_of(codes))}
    assert len(prints | {fingerprint(codes, grid_of(codes, "EPSG:32634"))}) == 3
    assert fingerprint(codes.copy(), grid_of(codes)) in prints


def test_intervals_of_repeated_samples_hold_the_truth_about_as_often_as_they_say() -> None:
    """A city whose map is right in three of four cells, drawn 150 times with 50 cells per class.

    With 150 draws a true 0.95 shows as 0.90 to 0.99. Shares of rare classes have skewed estimates and are known to
    be covered less often, so they are judged by their variance.
    """
    random = np.random.default_rng(11)
    blocks = random.choice(17, (16, 16), p=random.dirichlet(np.full(17, 3.0))) + 1
    truth = np.kron(blocks, np.ones((6, 6))).astype(np.uint8)
    codes = np.where(random.random(truth.shape) < 0.25, np.roll(truth, 9, axis=1), truth).astype(np.uint8)
    population, everything = count_cells(codes), metrics.confusion_matrix(truth, codes)
    sampled = allocate_equally(population, 50)
    overall, users, shares = [], [], []
    for seed in range(150):
        design = draw_sample(codes, grid_of(codes), sampled, map_name="m", seed=seed)
        labels = metrics.confusion_matrix(truth[design.row, design.col], codes[design.row, design.col])
        found = estimate_accuracy(labels, population)
        overall.append(found.overall)
        users.append(found.users)
        shares.append(found.shares)

    def held(estimates: list, true: np.ndarray) -> np.ndarray:
        """How often each interval holds the true value; a class labelled completely has one without width."""
        low, high = (np.array([[getattr(e, name) for e in draw] for draw in estimates]) for name in ("low", "high"))
        return ((low <= true + 1e-9) & (true - 1e-9 <= high)).mean(axis=0)

    assert 0.90 <= held([(e,) for e in overall], metrics.overall_accuracy(everything))[0] <= 0.99
    assert 0.93 <= held(users, metrics.users_accuracy(everything)).mean() <= 0.99
    true_shares = count_cells(truth) / truth.size
    assert held(shares, true_shares)[true_shares > 0.03].mean() >= 0.92
    value, se = (np.array([[getattr(e, name) for e in draw] for draw in shares]) for name in ("value", "se"))
    assert value.mean(axis=0) == pytest.approx(true_shares, abs=3 * se.max() / np.sqrt(150))
    assert np.sqrt(value.var(axis=0).mean() / (se**2).mean()) == pytest.approx(1, abs=0.06)
