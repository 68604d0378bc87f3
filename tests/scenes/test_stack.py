from dataclasses import replace

import numpy as np
import pyproj
import pytest
from tiny_archive import (
    NORTH,
    VEGETATION,
    WEST,
    constant,
    fields,
    make_grid,
    noise,
    optical_scene,
    pixel_centres,
    radar_scene,
)

from lczmap.channels import GRD4, S2_10, SO2SAT8
from lczmap.grid import tile_geobox, tiles
from lczmap.raster import band_names, read_cells, read_stack
from lczmap.scenes.overpass import Overpass, measure_usable
from lczmap.scenes.stack import (
    OpticalOptions,
    applied_shift,
    choose_passes,
    rank_passes,
    stack_sentinel1,
    stack_sentinel2,
)
from lczmap.views import ABSENT

SHIFT_M = (7.3, -4.1)
SLC_STATE = {"product": "slc", "calibration": "sigma0", "noise_removed": "false", "looks": "1"}


def _shifts(scene_id: str, shift_m: tuple[float, float] = SHIFT_M, applied: bool = True) -> dict:
    return {"scenes": {scene_id: {"shift_east_m": shift_m[0], "shift_north_m": shift_m[1], "applied": applied}}}


def _optical(scenes, grid, folder, tile=None, **options):
    chosen = OpticalOptions(**({"clouds": "none"} | options))
    stack_sentinel2(scenes, grid, tile or tiles(grid)[0], folder / "s2.tif", chosen)
    return read_stack(folder / "s2.tif")


def _radar(scenes, grid, folder, channels="grd4", tile=None, **options):
    stack_sentinel1(scenes, grid, tile or tiles(grid)[0], folder / "s1.tif", channels=channels, **options)
    return read_stack(folder / "s1.tif")


EASTWARD = 4e-4  # painted slope: reflectance per metre, that is 40 DN per 10 m pixel


def test_optical_gradients_land_on_the_right_pixel(tmp_path):
    eastward = lambda x, _y: 0.2 + EASTWARD * (x - WEST + 600)  # noqa: E731
    southward = lambda _x, y: 0.2 + EASTWARD * (NORTH - y + 600)  # noqa: E731
    paints = {band: eastward if i % 2 else southward for i, band in enumerate(VEGETATION)}
    grid = make_grid()
    stack = _optical([optical_scene(tmp_path, paints)], grid, tmp_path)
    assert stack.channels == S2_10.channels
    assert stack.geobox == tile_geobox(grid, tiles(grid)[0])
    x, y = pixel_centres(stack.geobox)
    for band, pixels in zip(stack.channels, stack.pixels, strict=True):
        offset_px = (pixels - paints[band](x, y)) / (EASTWARD * 10)
        assert abs(offset_px.mean()) < 0.005, band
        assert np.abs(offset_px).max() < 0.05, band


def test_a_scene_of_the_neighbouring_utm_zone_lands_on_the_right_pixel(tmp_path):
    to_grid = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:32631", always_xy=True)
    from_grid = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:32632", always_xy=True)
    west, north = from_grid.transform(WEST, NORTH)
    eastward = lambda x, y: 0.3 + EASTWARD * (to_grid.transform(x, y)[0] - WEST + 200)  # noqa: E731
    scene = optical_scene(
        tmp_path,
        dict.fromkeys(VEGETATION, eastward),
        crs="EPSG:32632",
        west=round(west / 60) * 60 - 600,
        north=round(north / 60) * 60 + 600,
        width_m=2400,
    )
    stack = _optical([scene], make_grid(60, 60), tmp_path)
    x, _ = pixel_centres(stack.geobox)
    offset_px = (stack.pixels - (0.3 + EASTWARD * (x - WEST + 200))) / (EASTWARD * 10)
    assert np.nanmax(np.abs(offset_px)) < 0.05
    assert not np.isnan(stack.pixels).any()


def test_radar_gradients_land_on_the_right_pixel_and_move_by_the_shift(tmp_path):
    paint = lambda x, y: 1 + 1e-3 * (x - WEST) + 5e-4 * (NORTH - y)  # noqa: E731
    scene = radar_scene(tmp_path, dict.fromkeys(GRD4.channels, paint))
    grid = make_grid()
    for shifts, (east, north) in ((None, (0.0, 0.0)), (_shifts("s1"), SHIFT_M), (_shifts("s1", applied=False), (0, 0))):
        stack = _radar([scene], grid, tmp_path, shifts=shifts)
        x, y = pixel_centres(stack.geobox)
        error_px = (stack.pixels - paint(x - east, y - north)) / 1e-2  # 1e-2 per pixel of 10 m
        assert np.abs(error_px).max() < 0.01


def test_complex_channels_move_by_whole_pixels_only(tmp_path):
    paints = {name: noise(i, -1, 1) for i, name in enumerate(SO2SAT8.channels)}
    paints |= {"VH_lee": noise(8, 0, 1), "VV_lee": noise(9, 0, 1)}
    units = dict.fromkeys(SO2SAT8.channels[:4], "amplitude")
    on_lattice = {"west": WEST - 1200, "north": NORTH + 1200}
    scene = radar_scene(tmp_path, paints, units=units, state=SLC_STATE, **on_lattice)
    grid = make_grid()
    unmoved = _radar([scene], grid, tmp_path, "so2sat8")
    moved = _radar([scene], grid, tmp_path, "so2sat8", shifts=_shifts("s1", (7.3, -14.1)))
    # 7.3 m east rounds to 1 pixel, 14.1 m south to 1 pixel
    np.testing.assert_array_equal(moved.pixels[:4, 1:, 1:], unmoved.pixels[:4, :-1, :-1])
    # intensities and covariances: bilinear at 0.73 px east, 1.41 px south
    intensity = unmoved.pixels[4:].astype(np.float64)
    rows = 0.59 * intensity[:, 1:-1] + 0.41 * intensity[:, :-2]
    expected = 0.27 * rows[:, :, 1:] + 0.73 * rows[:, :, :-1]
    np.testing.assert_allclose(moved.pixels[4:, 2:, 1:], expected, atol=1e-6)
    assert moved.pixels[4:6].min() >= 0


@pytest.mark.parametrize("channels", ["grd4", "so2sat8"])
def test_radar_pixels_do_not_depend_on_the_tile_size(tmp_path, channels):
    names = ("VH", "VV") if channels == "grd4" else SO2SAT8.channels
    units = {name: "amplitude" for name in names if name.endswith(("re", "im")) and name[0] == "V"}
    scene = radar_scene(tmp_path, {n: noise(i, 0.01, 1) for i, n in enumerate(names)}, units=units, width_m=6000)
    # 320 px hold a border of the blocks at 256
    expected = _radar([scene], make_grid(320, 320), tmp_path, channels, shifts=_shifts("s1")).pixels
    grid = make_grid(320, 130)
    for tile in tiles(grid)[::4]:  # the diagonal
        part = _radar([scene], grid, tmp_path, channels, tile, shifts=_shifts("s1")).pixels
        rows, cols = slice(tile.row, tile.row + part.shape[1]), slice(tile.col, tile.col + part.shape[2])
        np.testing.assert_array_equal(part, expected[:, rows, cols])


@pytest.mark.slow
def test_optical_pixels_do_not_depend_on_the_tile_size(tmp_path):
    scenes = [
        optical_scene(
            tmp_path,
            {band: noise(10 * date + i, 0.01, 1) for i, band in enumerate(VEGETATION)},
            id=f"date{date}",
            day=f"2024-06-0{date + 1}",
            west=WEST - 1200 + 7 * date,  # a lattice of its own
            width_m=4800,
            cloud=lambda x, y, date=date: (x + y + 500 * date) % 1700 < 500,
        )
        for date in range(3)
    ]
    whole = make_grid(320, 320)
    scenes = measure_usable(scenes, whole)
    expected = _optical(scenes, whole, tmp_path, clouds="auto").pixels
    grid = make_grid(320, 130)
    for tile in tiles(grid)[::4]:  # the diagonal
        part = _optical(scenes, grid, tmp_path, tile, clouds="auto").pixels
        rows, cols = slice(tile.row, tile.row + part.shape[1]), slice(tile.col, tile.col + part.shape[2])
        np.testing.assert_array_equal(part, expected[:, rows, cols])


def test_the_offset_of_new_baselines_is_removed_exactly_once(tmp_path):
    old = optical_scene(tmp_path, fields(), id="old")
    new = optical_scene(tmp_path, fields(), id="new", dn_offset=1000)
    grid = make_grid()
    for scene in (old, new):
        stack = _optical([scene], grid, tmp_path)
        expected = np.array([VEGETATION[band] for band in S2_10.channels], np.float32)[:, None, None]
        np.testing.assert_allclose(stack.pixels, np.broadcast_to(expected, stack.pixels.shape), atol=6e-5)


def test_pixels_without_data_stay_nodata(tmp_path):
    hole = lambda value: lambda x, y: np.where((x < WEST + 300) & (y > NORTH - 300), np.nan, value)  # noqa: E731
    optical = optical_scene(tmp_path, {band: hole(value) for band, value in VEGETATION.items()})
    radar = radar_scene(tmp_path, {"VH": hole(0.02), "VV": hole(0.1)})
    grid = make_grid()
    for stack in (_optical([optical], grid, tmp_path), _radar([radar], grid, tmp_path)):
        assert np.isnan(stack.pixels[:, :52, :52]).all()  # 30 pixels and the halo of 24, less what 20 m pixels reach
        assert not np.isnan(stack.pixels[:, 58:, 58:]).any()


def test_cloudy_pixels_take_the_other_date(tmp_path):
    bright = {band: constant(value + 0.1) for band, value in VEGETATION.items()}
    grid = make_grid()
    scenes = measure_usable(
        [
            optical_scene(tmp_path, bright, id="cloudier", cloud=lambda x, _y: x < WEST + 800),
            optical_scene(tmp_path, fields(), id="clearer", day="2024-07-01", cloud=lambda x, _y: x > WEST + 1000),
        ],
        grid,
    )
    b2 = _optical(scenes, grid, tmp_path, clouds="source").pixels[0, 24:-24, 24:-24]
    np.testing.assert_allclose(b2[:, :100], 0.10, atol=1e-6)  # clear in the clearer scene, also where both are
    np.testing.assert_allclose(b2[:, 100:], 0.20, atol=1e-6)


def test_clear_dates_are_counted(tmp_path):
    grid = make_grid()
    scenes = [
        optical_scene(tmp_path, fields(), id="a", cloud=lambda x, _y: x < WEST + 600),
        optical_scene(tmp_path, fields(), id="b", day="2024-06-02", cloud=lambda x, _y: x < WEST + 300),
    ]
    count = stack_sentinel2(measure_usable(scenes, grid), grid, tiles(grid)[0], tmp_path / "s2.tif")
    assert count.shape == (168, 168)
    assert count[58, [28, 68, 108]].tolist() == [0, 1, 2]
    assert band_names(tmp_path / "s2.tif") == (*S2_10.channels, "clear_count")
    np.testing.assert_array_equal(read_cells(tmp_path / "s2.tif")[0][-1], count)
    assert read_stack(tmp_path / "s2.tif").channels == S2_10.channels


def test_decibels_become_linear_power(tmp_path):
    scene = radar_scene(tmp_path, {"VH": constant(-20), "VV": constant(-10)}, units={"VH": "dB", "VV": "dB"})
    stack = _radar([scene], make_grid(), tmp_path)
    assert stack.channels == GRD4.channels
    for pixels, expected in zip(stack.pixels, (0.01, 0.1, 0.01, 0.1), strict=True):
        np.testing.assert_allclose(pixels, expected, rtol=1e-5)


def test_intensities_of_complex_scenes_are_their_power(tmp_path):
    parts = {"VH_re": 0.3, "VH_im": 0.4, "VV_re": 0.6, "VV_im": -0.8}
    scene = radar_scene(
        tmp_path,
        {name: constant(value) for name, value in parts.items()},
        units=dict.fromkeys(parts, "amplitude"),
        state=SLC_STATE,
    )
    stack = _radar([scene], make_grid(), tmp_path)
    for pixels, expected in zip(stack.pixels, (0.25, 1.0, 0.25, 1.0), strict=True):
        np.testing.assert_allclose(pixels, expected, rtol=1e-5)


def test_the_filter_smooths_speckle_and_keeps_the_mean(tmp_path):
    speckle = lambda seed, mean: lambda x, _y: np.random.default_rng(seed).gamma(4.4, mean / 4.4, x.shape)  # noqa: E731
    scene = radar_scene(tmp_path, {"VH": speckle(1, 0.02), "VV": speckle(2, 0.1)})
    vh, vv, vh_lee, vv_lee = _radar([scene], make_grid(), tmp_path).pixels
    assert vv_lee.std() < 0.5 * vv.std()
    assert abs(vv_lee.mean() / vv.mean() - 1) < 0.1
    assert abs(vh_lee.mean() / vh.mean() - 1) < 0.1


def test_channels_on_different_pixels_are_refused(tmp_path):
    scene = radar_scene(tmp_path, {"VH": constant(0.02)})
    other = radar_scene(tmp_path, {"VV": constant(0.1)}, id="other", west=WEST - 1200)
    mixed = replace(scene, assets={**scene.assets, **other.assets})
    with pytest.raises(ValueError, match="expected VH, VV on the same pixels"):
        _radar([mixed], make_grid(), tmp_path)


def test_state_says_how_the_pixels_were_made(tmp_path):
    grid = make_grid()
    optical = _optical([optical_scene(tmp_path, fields())], grid, tmp_path)
    assert (optical.state["level"], optical.state["cloud_mask"], optical.state["scenes"]) == ("L1C", "none", "s2")
    radar = _radar([radar_scene(tmp_path, {"VH": constant(0.1), "VV": constant(0.2)})], grid, tmp_path)
    assert radar.state == {
        "product": "grd",
        "calibration": "sigma0",
        "noise_removed": "true",
        "looks": "4.4",
        "scene": "s1",
        "platform": "sentinel-1a",
        "datetime": "2024-06-02T05:00:00Z",
        "orbit_direction": "ascending",
        "relative_orbit": "15",
        "shift_east_m": "0.000",
        "shift_north_m": "0.000",
    }


def test_the_pass_that_shows_most_of_the_city_is_chosen_then_the_first(tmp_path):
    names = {"late": ("2024-06-20", 1.0), "partial": ("2024-06-01", 0.4), "early": ("2024-06-10", 0.9999)}
    first = radar_scene(tmp_path, {"VH": constant(0.1), "VV": constant(0.2)})
    passes = [
        replace(first, id=i, datetime=f"{day}T05:00:00Z", usable_fraction=share) for i, (day, share) in names.items()
    ]
    ranked = rank_passes(passes)
    assert [one.id for one in ranked] == ["early", "late", "partial"]
    assert choose_passes(ranked, "single", 3, 1) == ranked[:1]
    assert choose_passes(ranked, "softmax", 3, 2) == ranked[1:2]
    with pytest.raises(ValueError, match=r"max_dates 4 needs as many passes, the run has 3; lower"):
        choose_passes(ranked, "softmax", 4, 4)
    descending = Overpass((replace(passes[0], id="other", orbit_direction="descending"),))
    gamma0 = Overpass((replace(passes[0], id="gamma0", state={**passes[0].state, "calibration": "gamma0"}),))
    assert choose_passes([ranked[0], descending, gamma0, ranked[2]], "mean", 3, 1) == [ranked[0], ranked[2]]


def test_a_pass_without_measured_shift_is_refused():
    with pytest.raises(ValueError, match="no shift of scene b"):
        applied_shift(_shifts("a"), "b")


def test_scenes_of_two_levels_are_refused(tmp_path):
    scenes = [optical_scene(tmp_path, fields(), id=level, level=level) for level in ("L1C", "L2A")]
    with pytest.raises(ValueError, match=r"one level, got 2 scenes of levels \['L1C', 'L2A'\]"):
        _optical(scenes, make_grid(), tmp_path)


def test_several_scenes_need_their_rank(tmp_path):
    scenes = [optical_scene(tmp_path, fields(), id=name, day=f"2024-06-0{i}") for i, name in enumerate("ab", 1)]
    with pytest.raises(ValueError, match=r"\['a', 'b'\] have no usable_fraction"):
        _optical(scenes, make_grid(), tmp_path)


def test_the_mean_of_several_passes_has_their_looks_together(tmp_path):
    passes = [
        radar_scene(tmp_path, {"VH": constant(0.02 * k), "VV": constant(0.1 * k)}, id=f"p{k}", day=f"2024-06-{k:02d}")
        for k in (1, 2, 3)
    ]
    grid = make_grid()
    passes = measure_usable(passes, grid)
    mean = _radar(passes, grid, tmp_path, dates="mean", max_dates=2)
    np.testing.assert_allclose(mean.pixels[1], 0.15, rtol=1e-5)
    assert (mean.state["looks"], mean.state["scene"]) == ("8.8", "p1 p2")
    second = _radar(passes, grid, tmp_path, dates="softmax", max_dates=3, number=2)
    np.testing.assert_allclose(second.pixels[1], 0.2, rtol=1e-5)
    assert second.state["looks"] == "4.4"


def test_complex_channels_are_never_averaged(tmp_path):
    paints = {name: constant(0.1) for name in SO2SAT8.channels}
    units = dict.fromkeys(SO2SAT8.channels[:4], "amplitude")
    passes = [
        radar_scene(tmp_path, paints, id=day, day=day, units=units, state=SLC_STATE)
        for day in ("2024-06-02", "2024-06-14")
    ]
    with pytest.raises(ValueError, match="are those of one date; use grd4"):
        _radar(measure_usable(passes, make_grid()), make_grid(), tmp_path, channels="so2sat8", dates="mean")


def test_without_radar_the_stack_is_empty_and_says_so(tmp_path):
    stack = _radar([optical_scene(tmp_path, fields())], make_grid(), tmp_path)
    assert np.isnan(stack.pixels).all() and dict(stack.state) == ABSENT


def test_optical_passes_move_by_their_shift(tmp_path):
    eastward = lambda x, _y: 0.2 + EASTWARD * (x - WEST + 600)  # noqa: E731
    scene = optical_scene(tmp_path, dict.fromkeys(VEGETATION, eastward))
    grid = make_grid()
    still = _optical([scene], grid, tmp_path)
    options = OpticalOptions(clouds="none")
    stack_sentinel2([scene], grid, tiles(grid)[0], tmp_path / "moved.tif", options, shifts=_shifts("s2"))
    moved = read_stack(tmp_path / "moved.tif")
    # stored in steps of 1e-4, which are 0.25 m on this slope: 7.3 m becomes 7.25 m in every pixel
    np.testing.assert_allclose((still.pixels - moved.pixels).mean(axis=(1, 2)) / EASTWARD, SHIFT_M[0], atol=0.13)


def test_only_the_months_of_a_season_count(tmp_path):
    bright = {band: constant(value + 0.1) for band, value in VEGETATION.items()}
    scenes = [
        optical_scene(tmp_path, fields(), id="june", day="2024-06-01"),
        optical_scene(tmp_path, bright, id="september", day="2024-09-01"),
    ]
    autumn = _optical(scenes, make_grid(), tmp_path, months=(9, 10, 11))
    np.testing.assert_allclose(autumn.pixels[0], 0.2, atol=1e-4)
    assert autumn.state["scenes"] == "september"
    with pytest.raises(ValueError, match=r"expected Sentinel-2 scenes in the months \(1, 2\)"):
        _optical(scenes, make_grid(), tmp_path, months=(1, 2))
