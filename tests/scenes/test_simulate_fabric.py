"""Plan, districts and rendered ground of the simulated city."""

import numpy as np
import pytest
from pydantic import ValidationError

from lczmap.classes import NUM_CLASSES
from lczmap.scenes.simulation.areas import draw_areas
from lczmap.scenes.simulation.districts import crown_density, draw_districts, ring_depth
from lczmap.scenes.simulation.ground import BUILDING, PLANT, Ground, render_ground
from lczmap.scenes.simulation.layout import make_plan, map_districts
from lczmap.scenes.simulation.light import cast_shadows
from lczmap.scenes.simulation.physics import Physics, load_physics

SIDE_M = 600.0


def render_district(code: int, seed: int) -> Ground:
    """Render 600 m × 600 m of one class, far from any border."""
    physics = load_physics()
    districts = draw_districts(np.array([code, 17], np.uint8), physics, river_sections=1, seed=seed)
    size = round(SIDE_M / 2.5)
    return render_ground(
        np.zeros((size, size), np.uint16),
        np.full((size, size), 255, np.uint8),
        districts,
        physics.figures("object_spread"),
        wall_spread=0.9,
        half_m=SIDE_M / 2,
        seed=seed,
    )


@pytest.mark.parametrize("code", range(1, 11))
def test_built_share_of_a_class_is_that_of_stewart_and_oke(code: int) -> None:
    low, high = load_physics().classes[code].building
    shares = [(render_district(code, seed).kind == BUILDING).mean() for seed in range(4)]
    assert low - 0.05 < np.mean(shares) < high + 0.05


def test_heights_order_the_compact_and_the_open_classes() -> None:
    means = {}
    for code in (1, 2, 3, 4, 5, 6):
        grounds = [render_district(code, seed) for seed in range(3)]
        means[code] = np.mean([g.height[g.kind == BUILDING].mean() / 2 for g in grounds])
    assert means[1] > 25 > means[2] > 10 > means[3] > 3
    assert means[4] > 25 > means[5] > 10 > means[6] > 3


def test_crowns_close_over_forest_and_stand_apart_in_parkland() -> None:
    dense = np.mean([(render_district(11, seed).kind == PLANT).mean() for seed in range(4)])
    scattered = np.mean([(render_district(12, seed).kind == PLANT).mean() for seed in range(4)])
    assert dense > 0.75
    assert 0.15 < scattered < 0.55


def test_the_same_seed_renders_the_same_ground() -> None:
    first, second, other = render_district(6, 1), render_district(6, 1), render_district(6, 2)
    assert np.array_equal(first.material, second.material)
    assert np.array_equal(first.gain, second.gain)
    assert not np.array_equal(first.material, other.material)


def test_every_class_has_its_districts_and_the_river_runs_through() -> None:
    plan = make_plan(4000, 2520, load_physics().layout, minimum=12, seed=3)
    district, border_m = map_districts(plan, 2520, 10)
    codes = plan.district_class[district]
    assert set(np.unique(codes)) == set(range(1, NUM_CLASSES + 1))
    assert (codes == 17).any(axis=0).all()  # the river crosses every column
    # a pixel beside another district is within two pixels of the border
    beside = district[:, 1:] != district[:, :-1]
    assert np.quantile(border_m[:, 1:][beside], 0.95) <= 20


def test_a_tower_throws_a_shadow_as_long_as_the_sun_is_low() -> None:
    height = np.zeros((64, 64), np.uint8)
    height[30:34, 30:34] = 39  # 19.5 m
    shadow = cast_shadows(height, azimuth_deg=90, elevation_deg=45)  # sun in the east: shadow to the west
    assert np.flatnonzero(shadow[31]).tolist() == list(range(23, 30))  # 7 whole pixels of 2.5 m
    assert not shadow[:30].any()
    assert not shadow[34:].any()


def test_shadow_falls_north_of_a_wall_under_a_southern_sun() -> None:
    height = np.zeros((64, 64), np.uint8)
    height[30, :] = 20
    shadow = cast_shadows(height, azimuth_deg=180, elevation_deg=45)
    assert shadow[27:30].all()
    assert not shadow[31:].any()


def test_ring_of_buildings_covers_the_wanted_share() -> None:
    depth = ring_depth(100, 60, 0.6)
    assert (100 - 2 * depth) * (60 - 2 * depth) == pytest.approx(0.4 * 100 * 60)


def test_crown_density_grows_to_every_place_taken() -> None:
    assert crown_density(0) == 0
    assert 0.2 < crown_density(0.4) < 0.4
    assert crown_density(0.99) == 1


def test_area_keeps_inside_its_class_and_narrow_districts_get_none() -> None:
    district = np.zeros((200, 200), np.uint16)  # 2 km at 10 m
    district[:, 90:] = 1
    district[:, 90:105] = 2  # 150 m: too narrow
    border = np.full(district.shape, 100, np.uint8)
    areas = draw_areas(
        district,
        border,
        np.array([6, 11, 17], np.uint8),
        pixel_m=10,
        half_m=1000,
        city_half_m=900,
        max_half_width_m=190,
        per_class=3,
        seed=0,
    )
    assert [a.code for a in areas] == [6, 11]
    assert areas[0].corners[:, 0].max() < -100 < 50 < areas[1].corners[:, 0].min()
    assert max(np.abs(a.corners).max() for a in areas) < 900


def test_physics_names_an_unknown_material() -> None:
    content = load_physics().model_dump()
    content["classes"][3]["roofs"] = {"gold": 1.0}
    with pytest.raises(ValidationError, match=r"class 3: unknown materials \['gold'\]"):
        Physics.model_validate(content)
