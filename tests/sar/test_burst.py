"""Which burst serves a point: on made-up bursts, and densely on the bursts of a real product."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sar.made_radar import swath

from lczmap.sar.burst import BurstTable, burst_table, serving
from lczmap.sar.safe import Burst, Swath, SwathPoints, open_slc

Double = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def swaths(real_data: Path) -> dict[str, Swath]:
    return dict(open_slc(next((real_data / "safe").glob("S1A_IW_SLC__*7768.zip"))).swaths)


def two_swaths() -> dict[str, Swath]:
    # bursts of 40 lines every 30, valid 2..37: lines 32..37 of one are lines 2..7 of the next; samples 46 apart
    near = swath("IW1", [0.0, 30.0, 60.0], 0.0)
    far = swath("IW2", [10.0, 40.0, 70.0], 46.0)
    return {"IW2": far, "IW1": near}


def has_valid(table: BurstTable, entry: int, time: Double, range_time: Double) -> npt.NDArray[np.bool_]:
    """Say where an entry has valid data; the formula is worked out here anew, in whole lines and samples."""
    line = np.rint((time - table.azimuth_time[entry]) / table.azimuth_interval_s[entry]).astype(int)
    sample = np.rint((range_time - table.near_range_time_s[entry]) * table.range_sampling_rate_hz[entry])
    inside = (line >= 0) & (line < table.first_valid.shape[1])
    line = np.where(inside, line, 0)
    first, last = table.first_valid[entry, line], table.last_valid[entry, line]
    return inside & (sample >= first) & (sample <= last)


def check_served(table: BurstTable, time: Double, range_time: Double) -> npt.NDArray[np.int16]:
    """Check that exactly the points with valid data are served, by an entry that has them; return the entries."""
    served = serving(table, time, range_time)
    valid = np.stack([has_valid(table, entry, time, range_time) for entry in range(table.number.size)])
    assert np.array_equal(served >= 0, valid.any(axis=0))
    shown = np.take_along_axis(valid, np.maximum(served, 0)[None].astype(int), axis=0)[0]
    assert shown[served >= 0].all()
    return served


def test_the_table_lists_bursts_by_range_then_time() -> None:
    table = burst_table(two_swaths())
    assert table.swaths == ("IW1", "IW2")
    assert table.swath.tolist() == [0, 0, 0, 1, 1, 1]
    assert table.number.tolist() == [0, 1, 2, 0, 1, 2]
    assert table.azimuth_time.tolist() == [0, 30, 60, 10, 40, 70]


def test_bursts_change_in_the_middle_of_the_lines_both_have() -> None:
    table = burst_table(two_swaths())
    # IW1: the first ends with line 37 at 37 s, the second begins with line 2 at 32 s: the middle is 34.5 s
    assert table.serving_time[:3].tolist() == [[-np.inf, 34.5], [34.5, 64.5], [64.5, np.inf]]
    assert serving(table, np.array([34.4, 34.6]), np.array([20.0, 20.0])).tolist() == [0, 1]


def test_subswaths_change_in_the_middle_of_the_samples_both_have() -> None:
    table = burst_table(two_swaths())
    # IW1 ends with sample 54 at 54 s, IW2 begins with sample 5 at 51 s: the middle is 52.5 s
    assert table.serving_range[0].tolist() == [-np.inf, 52.5]
    assert table.serving_range[3].tolist() == [52.5, np.inf]
    assert serving(table, np.array([20.0, 20.0]), np.array([52.4, 52.6])).tolist() == [0, 3]


def test_the_middle_is_that_of_the_samples_that_all_bursts_have() -> None:
    both = two_swaths()
    shorter = replace(both["IW1"].bursts[1], last_valid=np.where(both["IW1"].bursts[1].last_valid < 0, -1, 52))
    both["IW1"] = replace(both["IW1"], bursts=(both["IW1"].bursts[0], shorter, both["IW1"].bursts[2]))
    assert burst_table(both).serving_range[0, 1] == 51.5  # (52 + 51) / 2


def test_the_neighbour_serves_where_the_chosen_subswath_has_no_burst() -> None:
    table = burst_table(two_swaths())
    # at 5 s IW2 has not begun; its side of the seam at 52.5 is still shown by IW1, whose last sample is at 54
    assert serving(table, np.full(2, 5.0), np.array([53.0, 56.0])).tolist() == [0, -1]
    # at 100 s IW1 has ended; IW2's first valid sample is at 51
    assert serving(table, np.full(2, 100.0), np.array([52.0, 50.0])).tolist() == [5, -1]


def test_a_gap_between_bursts_of_a_cut_product_is_served_by_none() -> None:
    table = burst_table({"IW1": swath("IW1", [0.0, 90.0], 0.0)})
    times = np.array([37.0, 38.0, 91.0, 92.0])
    assert serving(table, times, np.full(4, 20.0)).tolist() == [0, -1, -1, 1]


def test_a_burst_without_valid_lines_is_left_out() -> None:
    one = two_swaths()["IW1"]
    nothing = np.full(40, -1, np.int32)
    bursts = (one.bursts[0], Burst(1, 30.0, 40, nothing, nothing), one.bursts[2])
    table = burst_table({"IW1": replace(one, bursts=bursts)})
    assert table.number.tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"bursts with valid lines in IW1, found none"):
        burst_table({"IW1": replace(one, bursts=(bursts[1],))})


def test_lines_with_fewer_valid_samples_are_served_by_another_burst() -> None:
    one = two_swaths()["IW1"]
    first = one.bursts[0].first_valid.copy()
    first[33] = 30  # of the first burst, before the change at 34.5: the second has this line as its line 3
    ragged = replace(one, bursts=(replace(one.bursts[0], first_valid=first), *one.bursts[1:]))
    served = serving(burst_table({"IW1": ragged}), np.full(2, 33.0), np.array([29.0, 30.0]))
    assert served.tolist() == [1, 0]


def test_missing_times_and_far_away_points_are_served_by_none() -> None:
    table = burst_table(two_swaths())
    times = np.array([np.nan, 20.0, 1e300, -1e300, np.inf, 20.0])
    ranges = np.array([20.0, np.nan, 20.0, 20.0, 20.0, -1e300])
    assert serving(table, times, ranges).tolist() == [-1] * 6


def test_points_come_back_in_the_shape_they_came_in() -> None:
    table = burst_table(two_swaths())
    assert serving(table, np.full((2, 3), 20.0), np.float64(20.0)).shape == (2, 3)


def test_every_valid_pixel_of_made_up_bursts_is_served_once() -> None:
    table = burst_table(two_swaths())
    time, range_time = np.meshgrid(np.arange(-10, 130, 0.25) + 0.1, np.arange(-10, 120, 0.25) + 0.1, indexing="ij")
    check_served(table, time, range_time)


@pytest.mark.slow
def test_every_valid_pixel_of_a_real_product_is_served_once(swaths: dict[str, Swath]) -> None:
    table = burst_table(swaths)
    time, range_time = real_points(swaths, np.random.default_rng(1), 3000, 1500)
    served = check_served(table, time, range_time)
    assert set(np.unique(served)) == {-1, *range(27)}


@pytest.mark.parametrize(
    "choice",
    [{"IW2": (0, 1)}, {"IW1": (3,), "IW3": (2, 3)}, {"IW1": (0, 8), "IW2": (4, 5, 6), "IW3": (8,)}, {"IW3": range(9)}],
)
def test_every_valid_pixel_of_a_cut_product_is_served_once(swaths: dict[str, Swath], choice: dict[str, tuple]) -> None:
    cut = {
        name: replace(swaths[name], bursts=tuple(swaths[name].bursts[i] for i in kept)) for name, kept in choice.items()
    }
    time, range_time = real_points(swaths, np.random.default_rng(2), 1500, 800)
    served = check_served(burst_table(cut), time, range_time)
    assert (served >= 0).any()


def test_seams_of_a_real_product_have_no_gap_line_by_line(swaths: dict[str, Swath]) -> None:
    table = burst_table(swaths)
    for name, one in swaths.items():
        range_time = one.near_range_time_s + one.samples / 2 / one.range_sampling_rate_hz
        first, last = one.bursts[0], one.bursts[-1]
        start = first.azimuth_time + first.first_valid_line * one.azimuth_interval_s
        stop = last.azimuth_time + last.last_valid_line * one.azimuth_interval_s
        times = np.arange(start, stop, one.azimuth_interval_s / 4)
        served = serving(table, times, np.full(times.size, range_time))
        # one burst after the other, each in one piece: no gap, no double line
        place = table.swaths.index(name)
        assert (
            served[np.flatnonzero(np.diff(served, prepend=-1))].tolist()
            == np.flatnonzero(table.swath == place).tolist()
        )
        line = (times - table.azimuth_time[served]) / one.azimuth_interval_s
        inside = np.array([burst.last_valid_line for burst in one.bursts])[table.number[served]] - line
        assert inside[served != served[-1]].min() > 55  # cut some 59 lines inside valid data


def test_bistatic_reference_is_the_middle_of_iw2(swaths: dict[str, Swath]) -> None:
    table = burst_table(swaths)
    assert table.bistatic_range_time_s == swaths["IW2"].near_range_time_s + 12679 / swaths["IW2"].range_sampling_rate_hz
    line_time = table.line_time(np.array([10.0]), np.array([table.bistatic_range_time_s + 2e-4]))
    np.testing.assert_allclose(line_time, 10.0 - 1e-4, atol=1e-12)


@pytest.mark.parametrize("name", ["IW1", "IW3"])
def test_without_iw2_the_grid_gives_the_bistatic_reference(swaths: dict[str, Swath], name: str) -> None:
    alone = burst_table({name: swaths[name]}).bistatic_range_time_s
    assert abs(alone - burst_table(swaths).bistatic_range_time_s) < 2e-6  # s: a two-thousandth of a line


def test_without_iw2_and_without_a_grid_there_is_no_reference() -> None:
    one = two_swaths()["IW1"]
    bare = replace(one, points=SwathPoints(*(np.empty(0) for _ in range(8))))
    with pytest.raises(ValueError, match=r"expected IW2 or a geolocation grid, found IW1 without points"):
        burst_table({"IW1": bare})


def real_points(swaths: dict[str, Swath], rng: np.random.Generator, times: int, ranges: int) -> tuple[Double, Double]:
    """Return a dense grid of random line times and range times over the product and beyond, and all valid edges."""
    bursts = [(one, burst) for one in swaths.values() for burst in one.bursts]
    starts = np.array([burst.azimuth_time for _, burst in bursts])
    edges = [
        burst.azimuth_time + (line + off) * one.azimuth_interval_s
        for one, burst in bursts
        for line in (burst.first_valid_line, burst.last_valid_line)
        for off in (-0.501, -0.499, 0.499, 0.501)
    ]
    sides = [
        one.near_range_time_s + (sample + off) / one.range_sampling_rate_hz
        for one, burst in bursts
        for sample in (burst.first_valid.max(), burst.last_valid.max())
        for off in (-0.501, -0.499, 0.499, 0.501)
    ]
    nears = np.array([one.near_range_time_s for one in swaths.values()])
    time = np.concatenate([rng.uniform(starts.min() - 1, starts.max() + 4, times), edges])
    range_time = np.concatenate([rng.uniform(nears.min() - 1e-5, nears.max() + 4e-4, ranges), np.unique(sides)])
    grid = np.meshgrid(time, range_time, indexing="ij")
    return grid[0], grid[1]
