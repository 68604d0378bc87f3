import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from made_heat import GEOBOX, write_city, zones_of
from odc.geo.geobox import GeoBox
from scipy.spatial.distance import pdist
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.heat.sensors import REACH_M, propose
from lczmap.heat.zones import Zones
from lczmap.shares import apportion


def zones_from(codes: np.ndarray) -> Zones:
    codes = codes.astype(np.uint8)
    return Zones(codes, GEOBOX[: codes.shape[0], : codes.shape[1]], 100.0)


def test_sensors_stand_inside_their_zone_and_apart() -> None:
    zones = zones_from(zones_of())
    sensors = propose(zones, 16)
    assert len(sensors.code) == 16
    assert (zones.codes[sensors.row, sensors.col] == sensors.code).all()
    clearance = zones.clearance_m(reach_m=1000)[sensors.row, sensors.col]
    assert clearance.min() >= 200 and (sensors.clearance_m == clearance).all()
    assert 100 * pdist(np.column_stack([sensors.row, sensors.col])).min() >= 500


def test_the_same_map_gives_the_same_places() -> None:
    one, two = (propose(zones_from(zones_of()), 12) for _ in range(2))
    assert (one.row == two.row).all() and (one.col == two.col).all()


def test_first_sensor_stands_in_the_middle_and_the_second_far_away() -> None:
    codes = np.full((11, 31), 14)
    codes[:, 15] = 2  # two squares of 11 × 15 cells
    sensors = propose(zones_from(codes), 2)
    assert sensors.code.tolist() == [14, 14]
    assert (sensors.row == 5).all() and sensors.col[0] < 15 < sensors.col[1]


def test_depths_beyond_the_reach_count_as_equal_and_larger_clearances_are_kept() -> None:
    geobox = GeoBox((9, 30), Affine(1000, 0, 400_000, 0, -1000, 5_800_000), "EPSG:32633")
    zones = Zones(np.full((9, 30), 14, np.uint8), geobox, 1000.0)  # at most 4.5 km deep
    first = propose(zones, 1)
    assert (first.row[0], first.col[0], first.clearance_m[0]) == (3, 3, REACH_M)  # the northernmost, westernmost
    deep = propose(zones, 1, clearance_m=4000)
    assert (deep.row[0], deep.col[0], deep.clearance_m[0]) == (4, 4, 4000)


def test_numbers_follow_the_area() -> None:
    codes = np.full((40, 40), 14)
    codes[:, :10] = 2
    counts = np.bincount(propose(zones_from(codes), 8).code, minlength=18)
    assert (counts[2], counts[14]) == (2, 6)


def test_classes_without_room_are_explained() -> None:
    codes = np.full((30, 30), 14)
    codes[:8, :8] = 17
    codes[20, 20:25] = 6  # one cell wide
    codes[12:17, 12:17] = 2  # too small a share
    sensors = propose(zones_from(codes), 4)
    assert set(sensors.code.tolist()) == {14}
    assert "water gets none" in sensors.reasons[17]
    assert sensors.reasons[6] == "no cell is 100 m or more from the border of its zone; the innermost is 50 m"
    assert "too small a share for one of 4" in sensors.reasons[2]


def test_number_of_sensors_that_would_give_a_class_one_is_the_least_that_does() -> None:
    codes = np.full((40, 40), 14)
    codes[0:10, 0:10] = 2
    codes[0:6, 20:26] = 5
    codes[20:40, 0:20] = 17  # gets none, and takes no part
    sensors = propose(zones_from(codes), 3)
    areas = np.array([36, 100, 1600 - 36 - 100 - 400])
    enough = next(n for n in range(4, 99) if apportion(areas, n)[0])
    assert sensors.reasons[5] == f"its area is too small a share for one of 3; {enough} would give it one"
    assert propose(zones_from(codes), enough).wanted[4] == 1 and propose(zones_from(codes), enough - 1).wanted[4] == 0


def test_more_sensors_than_room_are_not_squeezed_in() -> None:
    codes = np.full((10, 10), 14)
    sensors = propose(zones_from(codes), 50)
    assert len(sensors.code) < 50
    assert sensors.reasons[14] == f"room for {len(sensors.code)} of 50: sensors stand 500 m or more apart"


def test_narrow_zones_get_flagged_places_and_a_map_without_room_is_refused() -> None:
    narrow = np.full((12, 12), 14)
    narrow[:, ::4] = 2  # zones three cells wide
    assert len(propose(zones_from(narrow), 2).code) == 2
    with pytest.raises(ValueError, match="no zone of the map has a place 100 m from its border"):
        propose(zones_from(np.indices((12, 12)).sum(axis=0) % 2 + 2), 2)


def test_the_remedy_for_a_map_without_room_gives_places() -> None:
    codes = np.indices((12, 12)).sum(axis=0) % 2 + 2  # cells in turn, beside a lake
    codes[:, 6:] = 17
    message = r"the best has 50 m.*`--clearance` \(`temperature.clearance_m`\) with that or less"
    with pytest.raises(ValueError, match=message):
        propose(zones_from(codes), 2)
    assert len(propose(zones_from(codes), 2, clearance_m=50).code) == 2


def test_a_map_of_water_has_no_place_for_a_thermometer() -> None:
    with pytest.raises(ValueError, match="it has water only"):
        propose(zones_from(np.full((12, 12), 17)), 2, clearance_m=0)


def test_verb_writes_points_decisions_and_picture(tmp_path: Path) -> None:
    lcz = write_city(tmp_path / "lcz.tif", zones_of())
    outputs = [tmp_path / name for name in ("sensors.gpkg", "sensors.json", "sensors.png")]
    result = CliRunner().invoke(app, ["propose-sensors", *map(str, [lcz, *outputs]), "--sensors", "8"])
    assert result.exit_code == 0, result.output
    points = gpd.read_file(outputs[0])
    assert list(points.columns[:-1]) == [
        *("sensor", "code", "label", "class", "rank", "clearance_m", "near_border", "lon", "lat")
    ]
    assert len(points) == 8 and str(points.crs) == "EPSG:32633"
    there = gpd.GeoSeries(gpd.points_from_xy(points["lon"], points["lat"]), crs="EPSG:4326").to_crs(points.crs)
    assert there.distance(points.geometry).max() < 0.01
    report = json.loads(outputs[1].read_text())
    assert report["placed"] == sum(row["placed"] for row in report["classes"]) == 8
