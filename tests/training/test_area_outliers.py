import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lczmap.training.area_outliers import EVIDENCE, find_outliers, shrunk_covariance


@pytest.fixture(scope="module")
def areas() -> tuple[np.ndarray, np.ndarray]:
    """Six areas of each of four classes, eight features; classes lie 6 standard deviations apart."""
    draw = np.random.default_rng(2)
    codes = np.repeat([2, 6, 11, 17], 6)
    centres = 6 * np.eye(8)[:4]
    return np.repeat(centres, 6, axis=0) + draw.normal(size=(24, 8)), codes


def test_right_labels_are_not_blamed(areas):
    found = find_outliers(*areas)
    assert found.judged.all() and not found.looks_like_other.any()
    assert found.likely.tolist() == areas[1].tolist()
    assert (found.evidence < 0).all()


def test_a_swapped_label_is_found_and_its_likely_class_named(areas):
    features, codes = areas
    swapped = codes.copy()
    swapped[3] = 11  # an area of class 2
    found = find_outliers(features, swapped)
    assert np.flatnonzero(found.looks_like_other).tolist() == [3]
    assert found.likely[3] == 2 and found.evidence[3] >= EVIDENCE


def test_an_area_unlike_every_class_is_unusual_and_not_called_another(areas):
    features, codes = areas
    strange = features.copy()
    strange[10] += 40 * np.eye(8)[7]
    found = find_outliers(strange, codes)
    assert found.is_far[10] and not found.looks_like_other[10]
    assert found.is_far.sum() == 1


def test_classes_with_too_few_areas_are_not_judged_and_speak_against_none(areas):
    features, codes = areas
    few = np.concatenate([codes, [8, 8]])
    both = np.concatenate([features, features[:2]])  # two areas that look exactly like class 2
    found = find_outliers(both, few)
    assert not found.judged[-2:].any() and found.likely[-1] == 0 and np.isnan(found.evidence[-1])
    assert found.likely[0] == 2


def test_areas_without_pixels_and_single_classes_are_not_judged(areas):
    features, codes = areas
    gaps = features.copy()
    gaps[0] = np.nan
    assert np.flatnonzero(~find_outliers(gaps, codes).judged).tolist() == [0]
    assert not find_outliers(features, np.full(24, 6)).judged.any()
    assert not find_outliers(np.empty((24, 0)), codes).judged.any()


def test_areas_that_are_all_alike_within_their_class_can_be_judged():
    codes = np.repeat([6, 17, 11], 3)
    features = np.repeat([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]], 3, axis=0)
    found = find_outliers(features, codes)
    assert found.likely.tolist() == codes.tolist() and not found.looks_like_other.any()


def test_the_shrunk_covariance_equals_scikit_learns():
    residuals = np.random.default_rng(1).normal(size=(30, 12)) * np.arange(1, 13)
    expected, share = ledoit_wolf(residuals, assume_centered=True)
    assert 0 < share < 1
    assert shrunk_covariance(residuals) == pytest.approx(expected)


def test_an_area_is_judged_as_by_a_discriminant_analysis_that_never_saw_it(areas):
    features, codes = areas
    nearer = 0.4 * features + 0.6 * features.mean(axis=0) + np.random.default_rng(0).normal(size=features.shape)
    likely = find_outliers(nearer, codes).likely
    scale = 1.4826 * np.median(np.abs(nearer - np.median(nearer, axis=0)), axis=0)
    scaled = np.clip((nearer - np.median(nearer, axis=0)) / scale, -5, 5)
    by_library = []
    for i in range(len(codes)):
        others = np.arange(len(codes)) != i
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.25] * 4)
        by_library.append(lda.fit(scaled[others], codes[others]).predict(scaled[i : i + 1])[0])
    # the library shrinks each class on its own and weighs small classes differently: nearly all answers are the same
    assert (likely != codes).any()
    assert np.mean(likely == np.array(by_library)) > 0.8
