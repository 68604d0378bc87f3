import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from lczmap.channels import S2_10
from lczmap.models.classifier import load_checkpoint, save_checkpoint
from lczmap.models.rf import fit_forest, patch_features, trees_of

STATE = {"sentinel-2": {"level": "L1C"}}


def patches(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    index = rng.choice([0, 3, 16], count)
    values = rng.normal(0.2, 0.05, (count, 10, 32, 32)) + 0.02 * index[:, None, None, None]
    return values.astype(np.float32), index


def test_trees_predict_what_scikit_learn_predicts() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 12)).astype(np.float32)
    index = rng.choice([1, 4, 9, 16], 400)
    forest = RandomForestClassifier(n_estimators=25, random_state=3).fit(features, index)
    unseen = rng.normal(size=(300, 12)).astype(np.float32)
    expected = np.zeros((300, 17))
    expected[:, forest.classes_] = forest.predict_proba(unseen)
    actual = trees_of(forest).predict(unseen)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert trees_of(forest).predict(unseen[:0]).shape == (0, 17)


@pytest.mark.parametrize("features", ["pixel", "patch_stats"])
def test_checkpoint_round_trip_keeps_every_probability(tmp_path: Path, features: str) -> None:
    x, index = patches()
    forest = fit_forest(x, index, channels=S2_10.channels, state=STATE, features=features, trees=7, seed=1)
    save_checkpoint(tmp_path / "rf.safetensors", forest)
    again = load_checkpoint(tmp_path / "rf.safetensors")
    unseen, _ = patches(20, seed=5)
    probabilities = again.probabilities(unseen)
    assert np.array_equal(probabilities, forest.probabilities(unseen))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (again.name, again.channels, again.state) == ("wudapt_rf", S2_10.channels, STATE)


@pytest.mark.parametrize("size", [8, 48])
def test_the_patch_s_width_is_that_of_the_training(tmp_path: Path, size: int) -> None:
    x = np.random.default_rng(0).random((20, 10, size, size)).astype(np.float32)
    forest = fit_forest(x, np.arange(20) % 3, channels=S2_10.channels, state=STATE, trees=3)
    save_checkpoint(tmp_path / "rf.safetensors", forest)
    again = load_checkpoint(tmp_path / "rf.safetensors")
    assert again.patch_px == size
    assert np.array_equal(again.probabilities(x), forest.probabilities(x))
    if size < 30:
        with pytest.raises(ValueError, match="need patches of 30 px or more, got 8 px"):
            patch_features(x, "patch_stats")


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    x, index = patches()
    for name in ("a", "b"):
        forest = fit_forest(x, index, channels=S2_10.channels, state=STATE, trees=5, seed=9)
        save_checkpoint(tmp_path / f"{name}.safetensors", forest)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_pixel_is_the_mean_of_the_central_hundred_metres() -> None:
    x = np.zeros((1, 1, 32, 32), np.float32)
    x[0, 0, 11:21, 11:21] = 5  # the map cell's own pixels
    x[0, 0, 0] = 100  # far outside
    assert patch_features(x, "pixel").tolist() == [[5.0]]


def test_patch_statistics_against_numpy() -> None:
    x, _ = patches(3)
    values = patch_features(x, "patch_stats").reshape(3, 10, 32)
    one = x[1, 4]
    expected = [one.mean(), one.std(), one.min(), one.max(), *np.percentile(one, [10, 50, 90])]
    np.testing.assert_allclose(values[1, 4, :7], expected, rtol=1e-5)
    assert values[1, 4, 7] == pytest.approx(one[1:7, 1:7].mean(), rel=1e-5)
    assert values[1, 4, 8] == pytest.approx(one[1:7, 7:13].mean(), rel=1e-5)
    assert values[1, 4, 31] == pytest.approx(one[25:31, 25:31].mean(), rel=1e-5)


@pytest.mark.parametrize("features", ["pixel", "patch_stats"])
def test_missing_pixels_are_left_out_and_missing_features_filled(features: str) -> None:
    x, index = patches()
    x[:, :, :5] = np.nan
    forest = fit_forest(x, index, channels=S2_10.channels, state=STATE, features=features, trees=5)
    blind = x[:4].copy()
    blind[:, 2] = np.nan
    probabilities = forest.probabilities(blind)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_wrong_patches_and_foreign_arrays_are_refused(tmp_path: Path) -> None:
    x, index = patches()
    forest = fit_forest(x, index, channels=S2_10.channels, state=STATE, trees=2)
    with pytest.raises(ValueError, match=r"wudapt_rf expected patches \(N, 10, 32, 32\), got \(60, 9, 32, 32\)"):
        forest.probabilities(x[:, :9])
    with pytest.raises(ValueError, match="no valid pixel"):
        fit_forest(np.full_like(x, np.nan), index, channels=S2_10.channels, state=STATE, trees=2)
    path = tmp_path / "rf.safetensors"
    save_checkpoint(path, forest)
    description = json.loads(path.with_suffix(".json").read_text())
    del description["features"]
    path.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="holds no random forest"):
        load_checkpoint(path)
