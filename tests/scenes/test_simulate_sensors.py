"""How the simulated sensors see the ground: statistics and geometry worked out by hand."""

import numpy as np
import pytest

from lczmap.scenes.simulation.districts import draw_districts
from lczmap.scenes.simulation.optics import draw_weather, reflectance_table, to_native_pixels
from lczmap.scenes.simulation.physics import load_physics
from lczmap.scenes.simulation.radar import draw_speckle, sample_displaced, wall_response


def test_speckle_has_the_covariance_it_is_drawn_from() -> None:
    mean = np.empty((4, 500, 500), np.float32)
    mean[:] = np.array([0.05, 0.03, -0.02, 0.25], np.float32)[:, None, None]
    vh, vv = draw_speckle(mean, np.random.default_rng(1))
    cross = (vh * vv.conj()).mean()
    assert (np.abs(vh) ** 2).mean() == pytest.approx(0.05, rel=0.02)
    assert (np.abs(vv) ** 2).mean() == pytest.approx(0.25, rel=0.02)
    assert cross.real == pytest.approx(0.03, abs=0.001)
    assert cross.imag == pytest.approx(-0.02, abs=0.001)


def test_single_look_intensity_is_exponential() -> None:
    mean = np.zeros((4, 500, 500), np.float32)
    mean[0], mean[3] = 0.05, 0.25
    vh, vv = draw_speckle(mean, np.random.default_rng(2))
    for amplitude in (vh, vv):
        power = np.abs(amplitude) ** 2
        assert power.std() / power.mean() == pytest.approx(1, rel=0.02)
        assert (power > power.mean()).mean() == pytest.approx(np.exp(-1), rel=0.02)
        assert np.abs(amplitude.mean()) < 0.01 * np.sqrt(power.mean()) * 2


def test_picture_is_displaced_by_what_the_truth_says() -> None:
    half, size = 500.0, 60
    east = np.arange(-half + 2.5, half, 5, dtype=np.float32)
    field = np.stack([np.tile(east, (200, 1)), np.tile(-east[:, None], (1, 200))] * 2)  # layers: east, north
    shown = sample_displaced(field, 14.0, (13.7, -8.2), half, -303.0, 297.0, size)
    pixel_east = -303 + 10 * (np.arange(size) + 0.5)
    pixel_north = 297 - 10 * (np.arange(size) + 0.5)
    # what lies at x on the ground is shown at x + displacement
    assert shown[0] == pytest.approx(np.tile(pixel_east - 13.7, (size, 1)), abs=0.01)
    assert shown[1] == pytest.approx(np.tile((pixel_north + 8.2)[:, None], (1, size)), abs=0.01)


def test_walls_along_the_flight_path_shine_in_vv_and_turned_ones_in_vh() -> None:
    radar = load_physics().radar
    look = 78.0  # degrees from north: a street in this direction runs straight away from the radar
    bearing = np.radians(90 - look + np.array([0.0, 90.0, 45.0]))
    along, across, turned = wall_response(bearing, look, radar)
    assert along[:2] == pytest.approx(across[:2])
    assert along[0] == pytest.approx(radar.wall_gain)
    assert turned[0] == pytest.approx(radar.wall_gain * radar.wall_floor, rel=0.01)
    assert along[1] == pytest.approx(radar.wall_cross[0])
    assert turned[1] == pytest.approx(radar.wall_cross[1])


@pytest.mark.parametrize("native_m", [10, 20, 60])
def test_native_pixels_keep_a_constant_and_the_place_of_a_gradient(native_m: int) -> None:
    size = 240
    assert to_native_pixels(np.full((size, size), 0.3, np.float32), 5.0, native_m) == pytest.approx(0.3, abs=1e-6)
    east = np.tile(5 * (np.arange(size, dtype=np.float32) + 0.5), (size, 1))
    seen = to_native_pixels(east, 5.0, native_m)
    centres = native_m * (np.arange(seen.shape[1]) + 0.5)
    inner = slice(2, -2)
    assert seen[3, inner] == pytest.approx(centres[inner], abs=0.01 * native_m)


def test_dry_season_takes_the_green_from_grass_and_nothing_from_asphalt() -> None:
    physics = load_physics()
    districts = draw_districts(np.array([14, 17], np.uint8), physics, river_sections=1, seed=1)
    names = physics.material_names
    green, dry = (reflectance_table(districts, physics, dryness) for dryness in (0.0, 1.0))
    red = physics.bands.order.index("B4")
    assert dry[0, names.index("grass"), red] > 1.5 * green[0, names.index("grass"), red]
    assert dry[0, names.index("asphalt")] == pytest.approx(green[0, names.index("asphalt")])


def test_cloud_covers_its_share_and_its_shadow_lies_away_from_the_sun() -> None:
    date = max(load_physics().sentinel2, key=lambda d: d.clouds)
    weather = draw_weather(date, 6540, seed=4)
    assert (weather.opacity > 0).mean() == pytest.approx(date.clouds, abs=0.03)
    # the sun stands in the south-east: the shadow is the cloud moved to the north-west
    reach = 900 / np.tan(np.radians(date.sun_elevation)) / 20
    rows, cols = (round(reach * f(np.radians(date.sun_azimuth))) for f in (np.cos, np.sin))
    inner = weather.opacity[100:-100, 100:-100]
    moved = weather.shade[100 + rows : -100 + rows, 100 - cols : -100 - cols]
    assert rows < 0 < cols
    assert np.corrcoef(inner.ravel(), moved.ravel())[0, 1] > 0.95
