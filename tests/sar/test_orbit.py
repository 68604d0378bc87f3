"""Orbit files read, cut and fitted: against circles worked out by hand, Lagrange interpolation and real files."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator

from lczmap.sar.orbit import OrbitFit, StateVectors, covering, fit_orbit, parse_eof
from lczmap.sar.safe import open_slc

DAY = datetime(2023, 8, 23)
RADIUS_M = 7.07e6
RATE = 2 * np.pi / 5925  # radians per second


def circle(step_s: float = 10.0, count: int = 40, source: str = "POEORB") -> StateVectors:
    """A circular orbit in the plane of x and z, known exactly at any time."""
    t = np.arange(count) * step_s
    return StateVectors(DAY, t, circle_position(t), circle_velocity(t), source, "sentinel-1a", "circle.EOF")


def circle_position(t: np.ndarray) -> np.ndarray:
    return RADIUS_M * np.stack([np.cos(RATE * t), np.zeros_like(t), np.sin(RATE * t)], axis=-1)


def circle_velocity(t: np.ndarray) -> np.ndarray:
    return RADIUS_M * RATE * np.stack([-np.sin(RATE * t), np.zeros_like(t), np.cos(RATE * t)], axis=-1)


def eof(
    *,
    count: int = 12,
    stated: int | None = None,
    mission: str = "Sentinel-1A",
    kind: str = "AUX_POEORB",
    frame: str = "EARTH_FIXED",
    reference: str = "UTC",
    vectors: list[str] | None = None,
) -> bytes:
    listed = [osv(i) for i in range(count)] if vectors is None else vectors
    return f"""<?xml version="1.0"?>
<Earth_Explorer_File>
  <Earth_Explorer_Header>
    <Fixed_Header><Mission>{mission}</Mission><File_Type>{kind}</File_Type></Fixed_Header>
    <Variable_Header><Ref_Frame>{frame}</Ref_Frame><Time_Reference>{reference}</Time_Reference></Variable_Header>
  </Earth_Explorer_Header>
  <Data_Block type="xml"><List_of_OSVs count="{len(listed) if stated is None else stated}">
{"".join(listed)}</List_of_OSVs></Data_Block>
</Earth_Explorer_File>""".encode()


def osv(i: int, *, x: str = "7000000.5", unit: str = "m", quality: str = "NOMINAL") -> str:
    utc = (DAY - timedelta(seconds=42) + timedelta(seconds=10 * i)).isoformat()
    tai = (DAY - timedelta(seconds=5) + timedelta(seconds=10 * i)).isoformat()
    return f"""<OSV><TAI>TAI={tai}.000000</TAI><UTC>UTC={utc}.250000</UTC><UT1>UT1={utc}.240000</UT1>
<Absolute_Orbit>+50002</Absolute_Orbit><X unit="{unit}">{x}</X><Y unit="m">{i}</Y><Z unit="m">-3.0</Z>
<VX unit="m/s">1.5</VX><VY unit="m/s">-2.5</VY><VZ unit="m/s">7430.0</VZ><Quality>{quality}</Quality></OSV>
"""


def lagrange(vectors: StateVectors, at: np.ndarray) -> np.ndarray:
    """Interpolate each moment through the eight state vectors around it."""
    out = np.empty((at.size, 3))
    for i, t in enumerate(at):
        first = int(np.clip(np.searchsorted(vectors.time, t) - 4, 0, vectors.time.size - 8))
        near = slice(first, first + 8)
        out[i] = BarycentricInterpolator(vectors.time[near], vectors.position[near])(t)
    return out


def test_times_are_utc_seconds_since_the_epoch_and_columns_keep_their_place() -> None:
    vectors = parse_eof(eof(), "a.EOF", DAY)
    assert vectors.time[:2].tolist() == [-41.75, -31.75]
    assert vectors.position[3].tolist() == [7000000.5, 3.0, -3.0]
    assert vectors.velocity[3].tolist() == [1.5, -2.5, 7430.0]
    assert (vectors.source, vectors.platform, vectors.name) == ("POEORB", "sentinel-1a", "a.EOF")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (eof(frame="EARTH_FIXED_TOD"), "Ref_Frame EARTH_FIXED"),
        (eof(reference="TAI"), "Time_Reference UTC"),
        (eof(kind="AUX_PREORB"), "AUX_PREORB"),
        (eof(stated=13), "count=13 state vectors, found 12"),
        (eof(count=0), "state vectors, found 0"),
        (eof(vectors=[osv(0), osv(1, unit="km")]), "expected X in m"),
        (eof(vectors=[osv(0), osv(1, x="nan")]), "expected numbers"),
        (eof(vectors=[osv(0), osv(1, x="7000.5")]), "from the Earth's centre"),
        (eof(vectors=[osv(0), osv(1, x="")]), "cannot be read"),
        (eof(vectors=[osv(1), osv(0)]), "in order of time"),
        (eof(vectors=[osv(1), osv(1)]), "in order of time"),
        (eof(vectors=[osv(0).replace("UTC=2023", "UTC=23")]), "expected UTC=YYYY"),
        (eof(vectors=[osv(0).replace("UTC=", "")]), "expected UTC=YYYY"),
        (eof(vectors=[osv(0).replace("T23:59:18", "T23:59:60")]), "cannot be read"),
        (eof(vectors=[osv(0).replace("VZ", "WZ")]), "expected VZ in m/s"),
        (eof()[:-500], "a.EOF"),
        (b"<Earth_Explorer_File/>", "found no File_Type"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>', "a.EOF"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>', "a.EOF"),
    ],
)
def test_what_is_no_whole_orbit_file_is_refused_with_its_reason(text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_eof(text, "a.EOF", DAY)


def test_the_orbit_of_another_satellite_is_refused() -> None:
    text = eof(mission="Sentinel-1C")
    assert parse_eof(text, "a.EOF", DAY, platform="sentinel-1c").platform == "sentinel-1c"
    with pytest.raises(ValueError, match="is of sentinel-1c, the product of sentinel-1a"):
        parse_eof(text, "a.EOF", DAY, platform="sentinel-1a")


def test_covering_takes_four_vectors_beyond_each_end() -> None:
    kept = covering(circle(), 95.0, 120.0)
    assert kept.time.tolist() == [
        60,
        70,
        80,
        90,
        100,
        110,
        120,
        130,
        140,
        150,
    ]  # a vector at an end counts as beyond it
    np.testing.assert_array_equal(kept.position, circle_position(kept.time))
    np.testing.assert_array_equal(kept.velocity, circle_velocity(kept.time))


@pytest.mark.parametrize(("start", "stop"), [(29.9, 60.0), (300.0, 360.1), (-500.0, -480.0), (500.0, 520.0)])
def test_a_period_with_too_few_vectors_on_one_side_is_refused(start: float, stop: float) -> None:
    with pytest.raises(
        ValueError, match=r"circle\.EOF: this orbit is known for 2023-08-23T00:00:00 to 2023-08-23T00:06:30"
    ):
        covering(circle(), start, stop)


def test_the_ends_of_what_can_be_covered_are_covered() -> None:
    assert covering(circle(), 30.0, 360.0).time.size == 40


def test_degraded_vectors_are_refused_only_where_they_are_needed() -> None:
    qualities = ["DEGRADED"] + ["NOMINAL"] * 29
    vectors = parse_eof(eof(vectors=[osv(i, quality=q) for i, q in enumerate(qualities)]), "a.EOF", DAY)
    assert covering(vectors, 50.0, 60.0).time.size == 9
    with pytest.raises(ValueError, match="not of quality NOMINAL"):
        covering(vectors, -5.0, 10.0)


def test_the_polynomial_is_in_u_with_low_orders_first() -> None:
    fit = OrbitFit(100.0, 50.0, np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [5.0, 0.0, -1.0]]))
    assert fit.position(125.0).tolist() == [1 + 2 * 0.5 + 3 * 0.25, 0.0, 5 - 0.25]
    assert fit.velocity(125.0).tolist() == [(2 + 6 * 0.5) / 50, 0.0, -2 * 0.5 / 50]
    assert fit.position(np.zeros((4, 2))).shape == fit.velocity(np.zeros((4, 2))).shape == (4, 2, 3)


def test_a_circular_orbit_comes_back_within_a_tenth_of_a_millimetre() -> None:
    fit = fit_orbit(circle(), 150.0, 180.0)
    t = np.linspace(150, 180, 61)
    assert np.abs(fit.position(t) - circle_position(t)).max() < 1e-4  # m
    assert np.abs(fit.velocity(t) - circle_velocity(t)).max() < 1e-4  # m / s


def test_a_jump_of_a_state_vector_is_refused() -> None:
    vectors = circle()
    vectors.position[15, 1] += 0.1
    with pytest.raises(ValueError, match="do not lie on a smooth orbit"):
        fit_orbit(vectors, 150.0, 180.0)


def test_a_products_own_orbit_may_be_rougher_than_a_file_but_not_wild() -> None:
    rough, wild = circle(source="product"), circle(source="product")
    rough.position[15, 1] += 0.1
    fit = fit_orbit(rough, 150.0, 180.0)
    assert np.linalg.norm(fit.position(150.0) - circle_position(np.array(150.0))) < 0.1
    wild.position[15, 1] += 10
    with pytest.raises(ValueError, match=r"expected at most 0\.5 m"):
        fit_orbit(wild, 150.0, 180.0)


def test_velocities_that_do_not_turn_with_the_earth_are_refused() -> None:
    vectors = circle()
    inertial = vectors.velocity + np.cross([0, 0, 7.292115e-5], vectors.position)
    with pytest.raises(ValueError, match="m/s"):
        fit_orbit(StateVectors(DAY, vectors.time, vectors.position, inertial, "POEORB"), 150.0, 180.0)


def test_vectors_that_lie_too_far_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="do not lie on a smooth orbit"):
        fit_orbit(circle(step_s=120.0), 2000.0, 2030.0)


def test_a_degree_that_the_vectors_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 13 vectors, found 8"):
        fit_orbit(circle(), 150.0, 155.0, degree=12)


def test_a_day_of_state_vectors_is_read_in_seconds() -> None:
    text = eof(count=9361)
    began = time.perf_counter()
    assert parse_eof(text, "day.EOF", DAY).time.size == 9361
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize("order", [("orbit", "safe"), ("safe", "orbit")])
def test_the_modules_that_need_each_other_can_be_imported_in_any_order(order: tuple[str, str]) -> None:
    lines = "; ".join(f"import lczmap.sar.{name}" for name in order)
    subprocess.run([sys.executable, "-c", lines], check=True)


def real_eof(real_data: Path) -> Path:
    return next((real_data / "safe").glob("S1A_OPER_AUX_RESORB_*.EOF"))


def test_a_real_restituted_orbit_is_read(real_data: Path) -> None:
    path = real_eof(real_data)
    vectors = parse_eof(path.read_bytes(), path.name, DAY, platform="sentinel-1a")
    assert vectors.source == "RESORB"
    assert vectors.time.size == 1186
    assert vectors.time[0] == 12 * 3600 + 31 * 60 + 39.035127
    assert vectors.position[0].tolist() == [923782.276306, 7016372.549440, -39701.370546]
    assert vectors.velocity[-1].tolist() == [888.186404, -1311.672243, 7430.221896]


def test_a_fit_to_a_real_restituted_orbit_agrees_with_lagrange_interpolation(real_data: Path) -> None:
    path = real_eof(real_data)
    vectors = parse_eof(path.read_bytes(), path.name, DAY)
    for start in np.linspace(vectors.time[3], vectors.time[-4] - 30, 25):
        at = np.linspace(start, start + 30, 61)
        fit = fit_orbit(vectors, start, start + 30)
        assert np.linalg.norm(fit.position(at) - lagrange(vectors, at), axis=1).max() < 1e-4  # m; measured 3e-5


def test_a_real_orbit_file_of_another_day_does_not_cover_a_real_product(real_data: Path) -> None:
    product = open_slc(next((real_data / "safe").glob("S1A_IW_SLC*.zip")))
    path = real_eof(real_data)
    vectors = parse_eof(path.read_bytes(), path.name, product.epoch)
    with pytest.raises(ValueError, match=r"2023-08-23T12:31:39.* but 2020-05-11T13:51:17"):
        covering(vectors, product.start_s, product.stop_s)


def test_a_fit_to_a_real_products_own_orbit_agrees_with_lagrange_interpolation(real_data: Path) -> None:
    product = open_slc(next((real_data / "safe").glob("S1A_IW_SLC*.zip")))
    fit = fit_orbit(product.state_vectors, product.start_s, product.stop_s)
    at = np.linspace(product.start_s, product.stop_s, 61)
    apart = np.linalg.norm(fit.position(at) - lagrange(product.state_vectors, at), axis=1)
    assert apart.max() < 5e-5  # m; measured 1.3e-5


def test_a_fit_to_the_rougher_orbit_of_another_real_product_stays_below_its_own_noise(real_data: Path) -> None:
    annotation = next((real_data / "safe").glob("S1B_IW_SLC*.SAFE/annotation/s1b-iw1-slc-vv*.xml"))
    listed = ElementTree.parse(annotation).findall(".//orbitList/orbit")
    times = np.array([one.findtext("time", "") for one in listed], "datetime64[us]")
    place, speed = (
        np.array([[float(one.findtext(f"{part}/{axis}", "")) for axis in "xyz"] for one in listed])
        for part in ("position", "velocity")
    )
    epoch = datetime(2021, 4, 1)
    vectors = StateVectors(epoch, (times - np.datetime64(epoch)) / np.timedelta64(1, "s"), place, speed, "product")
    start = 5 * 3600 + 26 * 60 + 22.0
    at = np.linspace(start, start + 28, 61)
    apart = np.linalg.norm(fit_orbit(vectors, start, start + 28).position(at) - lagrange(vectors, at), axis=1)
    assert apart.max() < 2e-3  # m; measured 5.5e-4
