"""What is made of measurements: applied, left alone, or left with a warning."""

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.scenes.coregister import Shift
from lczmap.scenes.mutual_information import InformationShift
from lczmap.scenes.scale import Scale
from lczmap.scenes.verdict import Measurement, describe, describe_still, judge

CONSISTENT = Scale(1.0002, 0.9999, 0.0005, 0.0005, 40.0, True)
INCONSISTENT = Scale(0.993, 0.998, 0.001, 0.001, 40.0, False)
WINDOWS = (GeoBox((20, 20), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631"),) * 3


def shift(right: float = 1.2, down: float = -0.5, sigma: float = 0.05, reason: str = "") -> Shift:
    return Shift(right, down, sigma, 40.0, (True,) * 3, ((right, down),) * 3, not reason, reason)


def test_a_sure_shift_is_applied_in_metres_east_and_north() -> None:
    verdict = judge(Measurement(shift(), CONSISTENT, InformationShift(1.3, -0.4, 0.1, 30.0)))
    assert verdict.is_applied
    assert (verdict.east, verdict.north) == (12.0, 5.0)
    assert (verdict.reason, verdict.doubt) == ("", "")


def test_an_inconsistent_georeference_is_a_warning_and_nothing_is_applied() -> None:
    verdict = judge(Measurement(shift(), INCONSISTENT, None))
    assert verdict.is_warning
    assert not verdict.is_applied
    assert (verdict.east, verdict.north) == (0, 0)
    assert verdict.reason.startswith("inconsistent georeference")


def test_a_contradicting_second_estimator_is_a_warning_and_nothing_is_applied() -> None:
    verdict = judge(Measurement(shift(), CONSISTENT, InformationShift(2.2, -0.5, 0.1, 30.0)))
    assert verdict.is_warning
    assert not verdict.is_applied
    assert "disagree by 1.00 px" in verdict.reason


def test_a_second_estimator_without_a_clear_peak_is_a_doubt_only() -> None:
    verdict = judge(Measurement(shift(), CONSISTENT, InformationShift(7.0, 5.0, 3.0, 4.0)))
    assert verdict.is_applied
    assert "no clear shift" in verdict.doubt


def test_small_shifts_are_left_alone_without_a_warning() -> None:
    within_noise = judge(Measurement(shift(0.05, 0.0, 0.04), CONSISTENT, None))
    below_limit = judge(Measurement(shift(0.05, 0.0, 0.004), CONSISTENT, None), least_px=0.1)
    assert not within_noise.is_significant
    assert below_limit.is_significant
    for verdict, reason in ((within_noise, "2 standard deviations"), (below_limit, "0.1 px")):
        assert not verdict.is_applied
        assert not verdict.is_warning
        assert reason in verdict.reason


def test_an_unreliable_shift_keeps_its_own_reason() -> None:
    verdict = judge(Measurement(shift(reason="only 1 of 9 windows agree"), CONSISTENT, None))
    assert verdict.is_warning
    assert verdict.reason == "only 1 of 9 windows agree"


def test_every_entry_has_the_same_keys_and_no_nan() -> None:
    found = Measurement(shift(np.nan, np.nan, np.inf, "none"), CONSISTENT, InformationShift(np.nan, np.nan, np.inf, 0))
    entry = describe("sentinel-1", found, judge(found), None, WINDOWS)
    still = describe_still("sentinel-2", "the reference")
    assert entry.keys() == still.keys()
    assert entry["measured_east_m"] is None
    assert entry["mutual_information"]["agrees"] is None
    assert (still["shift_east_m"], still["applied"], still["reason"]) == (0, False, "the reference")


@pytest.mark.parametrize(("agrees", "right"), [(True, 1.3), (False, 3.0)])
def test_the_entry_says_whether_both_estimators_agree(agrees: bool, right: float) -> None:
    found = Measurement(shift(), CONSISTENT, InformationShift(right, -0.5, 0.1, 30.0))
    assert describe("sentinel-1", found, judge(found), None, WINDOWS)["mutual_information"]["agrees"] is agrees
