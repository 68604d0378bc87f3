"""The modules of the SLC chain together, on a synthetic product that an independent model of the radar painted.

The product has the real annotations of a Sentinel-1A product of 2020-05-11 (three swaths, nine bursts each); what its
images show is known to a fraction of a pixel. Nothing of lczmap.sar takes part in making it.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from sar.independent_radar import Radar, near, read_radar
from sar.synthetic_scene import (
    CRS,
    PEAK_M,
    PIXEL_M,
    SEAMS,
    TO_LONLAT,
    TO_MAP,
    around,
    centres,
    find_product,
    hills,
    locate,
    map_at,
    seam_map,
    seam_times,
)
from sar.synthetic_slc import (
    blob,
    paint_echo,
    paint_ground,
    places,
    speckle,
    tops_rate,
    unpack_annotations,
    write_safe,
)

from lczmap.sar.burst import BurstTable, burst_table
from lczmap.sar.calibrate import sigma0_amplitude
from lczmap.sar.geocode import Placement, gather, place
from lczmap.sar.orbit import OrbitFit, fit_orbit
from lczmap.sar.polsar import covariance, refined_lee
from lczmap.sar.safe import SlcProduct, open_slc

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Chain:
    """A product opened by lczmap, with what places its pixels."""

    product: SlcProduct
    orbit: OrbitFit
    table: BurstTable

    def amplitudes(self, placement: Placement, entry: int) -> tuple[Float, int, int]:
        """Return calibrated (VH, VV) of the window of a burst that a map needs, its first line and sample."""
        here = placement.burst == entry
        swath = self.product.swaths[self.table.swaths[self.table.swath[entry]]]
        burst = swath.bursts[self.table.number[entry]]
        first, last = (int(f(placement.line[here])) for f in (np.min, np.max))
        left, right = (int(f(placement.sample[here])) for f in (np.min, np.max))
        rows, cols = slice(burst.first_line + first, burst.first_line + last + 1), slice(left, right + 1)
        read = [
            sigma0_amplitude(
                self.product.read(swath.name, name, rows, cols), self.product.calibration(swath.name, name), rows, cols
            )
            for name in ("VH", "VV")
        ]
        return np.stack(read), first, left

    def placed(self, geobox: GeoBox, height: Double) -> Placement:
        return place(geobox, height, self.orbit, self.table)

    def covariance(self, placement: Placement, *, filtered: bool = False) -> Float:
        """Return C2 (4, rows, cols) on the map, NaN where nothing serves or no pixel was painted."""
        out = np.full((4, *placement.burst.shape), np.nan, np.float32)
        for entry in np.unique(placement.burst[placement.burst >= 0]):
            amplitudes, line, sample = self.amplitudes(placement, int(entry))
            c2 = covariance(amplitudes[0], amplitudes[1])
            gather(refined_lee(c2) if filtered else c2, line, sample, placement, int(entry), out)
        return out


@pytest.fixture(scope="module")
def annotations(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_annotations(find_product(real_data), tmp_path_factory.mktemp("safe"))


@pytest.fixture(scope="module")
def radar(annotations: Path) -> Radar:
    return read_radar(annotations)


def opened(safe: Path) -> Chain:
    product = open_slc(safe)
    return Chain(
        product,
        fit_orbit(product.state_vectors, product.start_s, product.stop_s),
        burst_table(product.swaths),
    )


# ---------------------------------------------------------------- the independent model itself


@pytest.mark.parametrize("name", ["IW1", "IW2", "IW3"])
def test_the_independent_model_meets_the_geolocation_grid(radar: Radar, annotations: Path, name: str) -> None:
    swath = radar.swaths[name]
    root = ET.parse(next((annotations / "annotation").glob(f"*-{name.lower()}-slc-vv-*"))).getroot()
    misses = []
    for point in root.findall("geolocationGrid/geolocationGridPointList/geolocationGridPoint"):
        lon, lat, height, line, stated_range = (
            float(point.findtext(key, "")) for key in ("longitude", "latitude", "height", "line", "slantRangeTime")
        )
        stated = datetime.fromisoformat(point.findtext("azimuthTime", ""))
        time, range_time = radar.image_time(lon, lat, height)
        true_time = time + (range_time - radar.middle_range_time_s) / 2
        day = datetime(stated.year, stated.month, stated.day)
        burst = min(int(line) // swath.lines_per_burst, len(swath.burst_time_s) - 1)
        expected = swath.burst_time_s[burst] + (line - burst * swath.lines_per_burst) * swath.interval_s
        misses.append(
            [
                (true_time - (stated - day).total_seconds()) / swath.interval_s,
                (time - expected) / swath.interval_s,
                (range_time - stated_range) * swath.rate_hz,
            ]
        )
    worst = np.abs(misses).max(axis=0)
    assert worst[0] < 1e-3  # lines: the grid's times are zero-Doppler times, stated in whole microseconds
    assert worst[1] < 0.008  # lines: with the bistatic term of the middle of IW2 in every swath
    assert worst[2] < 1e-5  # samples


def test_the_painted_ramp_has_the_measured_rates(radar: Radar) -> None:
    # Hz/s at near range, measured on real data of other days: 1777 in IW1, 1491 in IW2
    assert tops_rate(radar, "IW1", 4, 0) == pytest.approx(1777, rel=0.005)
    assert tops_rate(radar, "IW2", 4, 0) == pytest.approx(1491, rel=0.005)


# ---------------------------------------------------------------- geometry


@pytest.fixture(scope="module")
def positions(annotations: Path, radar: Radar, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Return a product whose VV amplitude tells each pixel's image time and whose VH tells its range time."""
    paintings = []
    for name in SEAMS:
        (time0, range0), bounds = seam_times(radar, name), around(seam_map(radar, name), 100.0)
        windows = places(radar, near(radar, CRS, bounds, (0.0, 3000.0)), bounds, (0.0, 1500.0, 3000.0))
        paintings += paint_echo(radar, windows, lambda t, r, at=(time0, range0): encoded(t - at[0], r - at[1]))
    return opened(write_safe(annotations, tmp_path_factory.mktemp("positions"), paintings))


def encoded(time: Double, range_time: Double) -> tuple[Double, Double]:
    # 1 line is 0.08, 1 sample 0.016 of amplitude: 26 and 5 DN
    return range_time * 1e6 + 45, time * 40 + 45


@pytest.mark.parametrize("name", SEAMS)
def test_every_map_pixel_shows_the_radar_pixel_that_saw_it(positions: Chain, radar: Radar, name: str) -> None:
    # in 3.2 km around where a burst seam meets a swath seam, over hills from 0 to 3000 m
    geobox = seam_map(radar, name)
    x, y = centres(geobox)
    height = hills(x, y)
    placement = positions.placed(geobox, height)
    c2 = positions.covariance(placement).astype(np.float64)
    seen_time, seen_range = (np.sqrt(c2[3]) - 45) / 40, (np.sqrt(c2[0]) - 45) / 1e6
    time0, range0 = seam_times(radar, name)
    time, range_time = near(radar, CRS, around(geobox, 0.0), (0.0, 3000.0)).image(x, y, height)
    swath = radar.swaths[name[:3]]
    lines = (seen_time + time0 - time) / swath.interval_s
    samples = (seen_range + range0 - range_time) * swath.rate_hz
    table, entry = positions.table, placement.burst
    line = (time - table.azimuth_time[entry]) / table.azimuth_interval_s[entry]
    sample = (range_time - table.near_range_time_s[entry]) * table.range_sampling_rate_hz[entry]
    assert np.abs(line - placement.line).max() < 0.5 + 1e-4  # measured: 8e-6 lines, 7e-5 samples more than half
    assert np.abs(sample - placement.sample).max() < 0.5 + 1e-3
    assert np.isfinite(c2).all()  # no gap
    assert np.abs(lines).max() < 0.5 + 0.03  # half a line, and the rounding to whole DN
    assert np.abs(samples).max() < 0.5 + 0.15


@pytest.mark.parametrize("name", SEAMS)
def test_every_map_pixel_is_filled_once(positions: Chain, radar: Radar, name: str) -> None:
    geobox = seam_map(radar, name)
    placement = positions.placed(geobox, hills(*centres(geobox)))
    filled = np.zeros(geobox.shape, np.int64)
    entries = np.unique(placement.burst[placement.burst >= 0])
    for entry in entries:
        swath = positions.table.swaths[positions.table.swath[entry]]
        lines, samples = radar.swaths[swath].lines_per_burst, radar.swaths[swath].samples
        out = np.full((1, *geobox.shape), np.nan, np.float32)
        gather(np.ones((1, lines, samples), np.float32), 0, 0, placement, int(entry), out)
        filled += np.isfinite(out[0])
    assert (filled == 1).all()
    served = {(positions.table.swaths[positions.table.swath[e]], int(positions.table.number[e])) for e in entries}
    assert set(SEAMS[name][:2]) <= served  # both sides of the burst seam


@pytest.mark.parametrize("name", SEAMS)
def test_bursts_and_swaths_change_in_the_middle_of_what_both_show(positions: Chain, radar: Radar, name: str) -> None:
    one, other, *_ = SEAMS[name]
    geobox = seam_map(radar, name)
    x, y = centres(geobox)
    entry = positions.placed(geobox, hills(x, y)).burst
    time, range_time = near(radar, CRS, around(geobox, 0.0), (0.0, 3000.0)).image(x, y, hills(x, y))
    mid_time, mid_range = seam_times(radar, name)
    lines = (time - mid_time) / radar.swaths[one[0]].interval_s
    samples = (range_time - mid_range) * radar.swaths[one[0]].rate_hz
    bursts = np.array(positions.table.number)[entry]
    swaths = np.array(positions.table.swaths)[np.array(positions.table.swath)[entry]]
    here = swaths == one[0]
    assert (bursts[here & (lines < -0.01)] == one[1]).all()
    assert (bursts[here & (lines > 0.01)] == other[1]).all()
    nearer = min(swaths.ravel())  # IW1 is nearest
    assert len(np.unique(swaths)) == 2
    # the borders of valid samples differ by up to 82 samples among bursts; the seam is one for all of them
    assert (swaths[samples < -45] == nearer).all()
    assert (swaths[samples > 45] != nearer).all()


def test_a_strip_across_three_swaths_has_no_gap_and_only_valid_pixels(positions: Chain, radar: Radar) -> None:
    # 250 km from east to west: all swaths, and as the swaths lie askew some bursts of each
    middle = radar.overlap(("IW2", 4), ("IW2", 5))[0]
    swaths = radar.swaths
    far = swaths["IW3"].near_range_time_s + swaths["IW3"].last_valid[4].max() / swaths["IW3"].rate_hz
    near_range = swaths["IW1"].near_range_time_s + swaths["IW1"].first_valid[4].max() / swaths["IW1"].rate_hz
    (west, y), (east, _) = (
        TO_MAP.transform(*radar.place_of(middle, range_time, 0.0)) for range_time in (far, near_range)
    )
    geobox = GeoBox((4, round((east - west) / PIXEL_M) - 1000), Affine(PIXEL_M, 0, west + 5000, 0, -PIXEL_M, y), CRS)
    placement = positions.placed(geobox, np.zeros(geobox.shape))
    assert (placement.burst >= 0).all()
    x, y_all = centres(geobox)
    served = set()
    for row, col in np.random.default_rng(1).integers((0, 0), geobox.shape, (400, 2)):
        entry = placement.burst[row, col]
        name, number = positions.table.swaths[positions.table.swath[entry]], int(positions.table.number[entry])
        served.add(name)
        lon, lat = TO_LONLAT.transform(x[row, col], y_all[row, col])
        echo = next(e for e in radar.echoes(*radar.image_time(lon, lat, 0.0)) if (e.swath, e.burst) == (name, number))
        assert abs(echo.line - placement.line[row, col]) < 0.52
        assert abs(echo.sample - placement.sample[row, col]) < 0.501
    assert served == {"IW1", "IW2", "IW3"}


def test_a_pattern_on_flat_ground_goes_on_across_all_seams(annotations: Path, radar: Radar, tmp_path: Path) -> None:
    def amplitude(x: Double, y: Double) -> tuple[Double, Double]:
        return 40 + 20 * np.sin(2 * np.pi * x / 600), 40 + 20 * np.sin(2 * np.pi * y / 600)

    height, paintings = 900.0, []
    maps = [seam_map(radar, name, 200) for name in SEAMS]
    for geobox in maps:
        bounds = around(geobox, 200.0)
        model = near(radar, CRS, bounds, (0.0, 3000.0))
        paintings += paint_ground(radar, model, places(radar, model, bounds, (height,)), height, amplitude)
    chain = opened(write_safe(annotations, tmp_path, paintings))
    for geobox in maps:
        c2 = chain.covariance(chain.placed(geobox, np.full(geobox.shape, height)))
        miss = np.sqrt(c2[[0, 3]]) - amplitude(*centres(geobox))
        # the nearest radar pixel lies up to half a line (7.1 m) and half a sample (2.3 m) away: 0.21 per metre
        assert np.abs(miss).max() < 20 * 2 * np.pi / 600 * np.hypot(7.1, 2.3) + 0.01


# ---------------------------------------------------------------- point targets

RATIO = 0.5 * np.exp(1j * np.radians(40))  # VH / VV


@dataclass(frozen=True)
class Target:
    """A point scatterer on the map: metres, its height above the ellipsoid, how many bursts must show it."""

    x: float
    y: float
    height: float
    least_echoes: int


def targets(radar: Radar) -> list[Target]:
    """Return targets in the overlaps of swaths and bursts and amid swaths, at heights from 0 to 3000 m."""
    rng = np.random.default_rng(7)
    spots = [(*seam_times(radar, name), 3) for name in SEAMS]
    for name, burst in (("IW1", 1), ("IW2", 4), ("IW3", 7)):
        time = radar.overlap((name, burst), (name, burst + 1))[0]
        swath = radar.swaths[name]
        middle = swath.near_range_time_s + swath.samples / 2 / swath.rate_hz
        spots += [(time, middle, 2), (time + 1.3, middle, 1)]  # between two bursts, amid one
    found = []
    for i, (time, range_time, least) in enumerate(spots):
        for height in ((0.0, 1500.0), (800.0, 3000.0))[i % 2]:
            x, y = TO_MAP.transform(*radar.place_of(time, range_time, height))
            # not at pixel centres, and targets of one spot 400 m and more apart: no two share a painted window
            found.append(Target(x + rng.uniform(-5, 5), y + (300 if height > 1000 else -300), height, least))
    return found


def test_point_targets_land_within_a_pixel(annotations: Path, radar: Radar, tmp_path: Path) -> None:
    paintings, placed = [], targets(radar)
    for target in placed:
        lon, lat = TO_LONLAT.transform(target.x, target.y)
        echoes = radar.echoes(*radar.image_time(lon, lat, target.height))
        assert len(echoes) >= target.least_echoes
        paintings += [blob(radar, echo, vv=60, ratio=RATIO, width_px=(1.0, 3.5)) for echo in echoes]
    chain = opened(write_safe(annotations, tmp_path, paintings))
    misses = []
    for target in placed:
        geobox = map_at(*TO_LONLAT.transform(target.x, target.y), 40)
        x, y = centres(geobox)
        slope = target.height + 0.2 * (x - target.x) - 0.1 * (y - target.y)
        c2 = np.nan_to_num(chain.covariance(chain.placed(geobox, slope)).astype(np.float64))
        peak, centroid = locate(c2[3], geobox)
        misses.append([*(peak - (target.x, target.y)), *(centroid - (target.x, target.y))])
        brightest = c2[:, c2[3] == c2[3].max()][:, 0]
        assert brightest[1] + 1j * brightest[2] == pytest.approx(RATIO * brightest[3], rel=1e-3)
    peak, centroid = np.hypot(*np.array(misses).reshape(-1, 2, 2).transpose(2, 1, 0))
    assert peak.max() < PEAK_M
    assert centroid.max() < 0.4 * PIXEL_M


# ---------------------------------------------------------------- radiometry

C11, C22, C12 = 0.05, 0.25, 0.06 * np.exp(1j * np.radians(40))


@pytest.mark.parametrize("name", ["IW1", "IW2", "IW3"])
def test_flat_sigma0_is_recovered_within_a_tenth_of_a_decibel(
    annotations: Path, radar: Radar, tmp_path: Path, name: str
) -> None:
    swath = radar.swaths[name]
    middle = swath.near_range_time_s + swath.samples / 2 / swath.rate_hz
    geobox = map_at(*radar.place_of(radar.overlap((name, 4), (name, 5))[0], middle, 500.0), 220)
    bounds = around(geobox, 100.0)
    windows = places(radar, near(radar, CRS, bounds, (0.0, 3000.0)), bounds, (500.0,))
    chain = opened(write_safe(annotations, tmp_path, speckle(windows, (C11, C12, C22), seed=3)))
    pixels = chain.covariance(chain.placed(geobox, np.full(geobox.shape, 500.0)))
    c2 = np.nanmean(pixels, axis=(1, 2), dtype=np.float64)
    assert np.isnan(pixels).mean() < 2e-4  # a DN of 0 + 0i happens by chance
    assert abs(10 * np.log10(c2[0] / C11)) < 0.1
    assert abs(10 * np.log10(c2[3] / C22)) < 0.1
    assert abs((c2[1] + 1j * c2[2]) / C12 - 1) < 0.05


def test_the_tops_ramp_leaves_the_covariance_unchanged(annotations: Path, radar: Radar, tmp_path: Path) -> None:
    # at a burst seam, where the ramp turns by more than five cycles from line to line
    geobox = seam_map(radar, "IW1 3|4 at IW2", 150)
    bounds = around(geobox, 100.0)
    windows = places(radar, near(radar, CRS, bounds, (0.0, 3000.0)), bounds, (1500.0,))
    # 40 dB above C11: rounding to whole DN is what the two products differ by, so let it be small
    bright = speckle(windows, (1e3 * C11, 1e3 * C12, 1e3 * C22), seed=5)
    chains = []
    for ramp in (True, False):
        (folder := tmp_path / str(ramp)).mkdir()
        chains.append(opened(write_safe(annotations, folder, bright, ramp=ramp)))
    placement = chains[0].placed(geobox, np.full(geobox.shape, 1500.0))
    with_ramp, without = (chain.covariance(placement) for chain in chains)
    raw = [chain.amplitudes(placement, int(placement.burst[0, 0]))[0][1] for chain in chains]
    turned = np.angle(raw[0] * np.conj(raw[1]))
    assert turned.std() > 1.5  # radians: evenly spread phases have 1.81
    # a DN is 1/330 of amplitude; rounded by up to 0.71 DN in either product, VH and VV differ by so much
    amplitude = np.sqrt(without[0]) + np.sqrt(without[3])
    most = 2 * 0.7072 / 250 * amplitude + (2 * 0.7072 / 250) ** 2
    for element in (1, 2):
        assert (np.abs(with_ramp[element] - without[element]) <= most).all()
    c12 = [(c2[1] + 1j * c2[2]).mean() for c2 in (with_ramp, without)]
    assert abs(c12[0] / c12[1] - 1) < 1e-4
