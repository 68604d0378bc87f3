"""The shift of whole passes, read from files, against what was painted into them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox
from scipy import ndimage
from test_coregister import SIZE_PX, Image, landscape, optical, radar, to_pixels
from tiny_archive import CRS, GRD_STATE, NORTH, WEST, lattice, write_picture

from lczmap.grid import Grid
from lczmap.scenes import shift as shift_module
from lczmap.scenes import verdict as verdict_module
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.local import read_archive
from lczmap.scenes.shift import WINDOWS_PER_SIDE, estimate_city_shifts, reference_passes
from lczmap.scenes.windows import spread_windows

pytestmark = pytest.mark.slow
CITY_PX = 264
MARGIN_PX = (SIZE_PX - CITY_PX) // 2  # the scenes reach beyond the city
GRID = Grid(
    CRS, WEST, NORTH, CITY_PX, CITY_PX, 10, 130, shapely.box(WEST, NORTH - CITY_PX * 10, WEST + CITY_PX * 10, NORTH)
)


def scene_lattice(east_m: float = 0, north_m: float = 0, *, pixel_m: float = 10) -> GeoBox:
    west, north = WEST - MARGIN_PX * 10 + east_m, NORTH + MARGIN_PX * 10 + north_m
    return lattice(pixel_m, SIZE_PX * 10, west=west, north=north)


def make_scene(id: str, sensor: str, state: Mapping[str, str], assets: Mapping[str, Asset], **more: object) -> Scene:
    # another platform each, so that none is taken for a part of another's pass
    return Scene(id, sensor, id, "2024-06-01T00:00:00Z", state, "ascending", 1, assets, **more)  # type: ignore[arg-type]


def write_optical(folder: Path, bands: Image, cloud: Asset | None = None, *, id: str = "s2") -> Scene:
    scale = {"unit": "reflectance", "scale": 1e-4}
    named = zip(("B2", "B4", "B8"), bands, strict=False)
    assets = {
        name: write_picture(folder / id / f"{name}.tif", scene_lattice(), band * 1e4, "uint16", **scale)
        for name, band in named
    }
    coarse = bands[3].reshape(SIZE_PX // 2, 2, SIZE_PX // 2, 2).mean(axis=(1, 3)) * 1e4
    assets["B11"] = write_picture(folder / id / "B11.tif", scene_lattice(pixel_m=20), coarse, "uint16", **scale)
    return make_scene(id, "sentinel-2", {"level": "L1C"}, assets, cloud=cloud)


def write_grd(folder: Path, power: Image, *, id: str = "grd") -> Scene:
    decibel = 10 * np.log10(power)
    assets = {
        name: write_picture(folder / id / f"{name}.tif", scene_lattice(), values, unit="dB")
        for name, values in zip(("VH", "VV"), decibel, strict=True)
    }
    return make_scene(id, "sentinel-1", GRD_STATE, assets)


def write_slc(folder: Path, power: Image, on: GeoBox, *, id: str = "slc") -> Scene:
    phase = np.random.default_rng(7).uniform(0, 2 * np.pi, power.shape)
    assets = {}
    for name, amplitude in zip(("VH", "VV"), np.sqrt(power) * np.exp(1j * phase), strict=True):
        for part, values in (("re", amplitude.real), ("im", amplitude.imag)):
            path = folder / id / f"{name}_{part}.tif"
            assets[f"{name}_{part}"] = write_picture(path, on, values, unit="amplitude")
    return make_scene(id, "sentinel-1", {"product": "slc", "calibration": "sigma0", "looks": "1"}, assets)


def test_every_pass_gets_its_own_shift_in_metres_east_and_north(tmp_path: Path) -> None:
    scenes = [
        write_optical(tmp_path, optical(0)),
        # the pictures lie 13 m east, 8 m north and 20 m west, 11 m south; the second on a lattice 3 m east, 6 m south
        write_grd(tmp_path, radar(0, right=1.3, down=-0.8)),
        write_slc(tmp_path, radar(0, right=-2.3, down=0.5, draw=1), scene_lattice(3, -6)),
    ]
    out = tmp_path / "coregistration.json"
    content = estimate_city_shifts(scenes, GRID, out, cloud_method="none")
    assert json.loads(out.read_text()) == content
    assert content["reference"] == ["s2"]
    for id, correction in (("grd", (-13, -8)), ("slc", (20, 11))):
        entry = content["scenes"][id]
        assert entry["applied"]
        assert entry["significant"]
        assert (entry["shift_east_m"], entry["shift_north_m"]) == pytest.approx(correction, abs=1.5)
        assert entry["windows_used"] == entry["windows_total"] == 9
        assert 0 < entry["sigma_m"] < 2
        assert entry["consistent_georeference"]
        assert entry["mutual_information"]["agrees"]
        residual = entry["residual"]
        assert (residual["measured_east_m"], residual["measured_north_m"]) == pytest.approx((0, 0), abs=1)
        assert entry["windows"][0]["x"] == pytest.approx(WEST + 440)
        assert entry["windows"][0]["y"] == pytest.approx(NORTH - 440)


def test_a_further_date_is_moved_onto_the_clearest_one(tmp_path: Path) -> None:
    moved = np.stack([ndimage.shift(band, (0.4, -0.7), order=3, mode="nearest") for band in optical(0)])
    scenes = [
        replace(write_optical(tmp_path, optical(0), id="clear"), usable_fraction=1.0),
        replace(write_optical(tmp_path, moved, id="moved"), usable_fraction=0.9),
        replace(write_optical(tmp_path, optical(0) * 0.9, id="still"), usable_fraction=0.8),
    ]
    content = estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="none")
    # the picture lies 0.7 px west and 0.4 px south
    entry = content["scenes"]["moved"]
    assert (entry["shift_east_m"], entry["shift_north_m"]) == pytest.approx((7, 4), abs=0.5)
    assert entry["sensor"] == "sentinel-2"
    assert np.hypot(entry["residual"]["measured_east_m"], entry["residual"]["measured_north_m"]) < 0.5
    still = content["scenes"]["still"]
    assert not still["applied"]
    assert "0.1 px" in still["reason"] or "standard deviations" in still["reason"]
    assert not content["scenes"]["clear"]["applied"]
    assert content["reference"] == ["clear", "moved"]


def test_no_more_than_the_clearest_dates_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shift_module, "MEASURED_DATES", 1)
    scenes = [make_scene(id, "sentinel-2", {"level": "L1C"}, {}) for id in ("a", "b")]
    entries = estimate_city_shifts(scenes, GRID, tmp_path / "c.json")["scenes"]
    assert "not measured: only the 1 clearest" in entries["b"]["reason"]


def test_a_pass_of_other_pixel_sizes_is_named_and_not_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tagged = write_grd(tmp_path, radar(0, right=1.3, down=-0.8))
    # the tags say 9.9 m where the pixels have 10 m
    small = {n: replace(a, transform=(9.9, 0, WEST - 277.2, 0, -9.9, NORTH + 277.2)) for n, a in tagged.assets.items()}
    scenes = [
        write_optical(tmp_path, optical(0)),
        replace(tagged, assets={n: replace(a, crs=CRS) for n, a in small.items()}),
    ]
    entry = estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="none")["scenes"]["grd"]
    assert entry["consistent_georeference"] is False
    assert entry["scale_east"] == pytest.approx(10 / 9.9, abs=0.002)
    assert not entry["applied"]
    assert "warning: grd is left where it is: inconsistent georeference" in capsys.readouterr().out


def test_slices_of_one_pass_have_one_shift(tmp_path: Path) -> None:
    north, south = radar(0, right=1.3, down=-0.8), radar(0, right=1.3, down=-0.8)
    north[:, SIZE_PX // 2 + 8 :] = np.nan
    south[:, : SIZE_PX // 2 - 8] = np.nan
    scenes = [write_grd(tmp_path, half, id=id) for id, half in (("first", north), ("second", south))]
    scenes = [replace(scene, platform="one") for scene in scenes]
    content = estimate_city_shifts(
        [write_optical(tmp_path, optical(0)), *scenes], GRID, tmp_path / "c.json", cloud_method="none"
    )
    assert set(content["scenes"]) == {"s2", "first"}
    assert content["scenes"]["first"]["windows_used"] == 9
    assert content["scenes"]["first"]["shift_east_m"] == pytest.approx(-13, abs=1.5)


def test_a_pass_of_another_place_is_left_where_it_is_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = [write_optical(tmp_path, optical(0)), write_grd(tmp_path, radar(1, right=0, down=0), id="elsewhere")]
    entry = estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="none")["scenes"]["elsewhere"]
    assert not entry["applied"]
    assert (entry["shift_east_m"], entry["shift_north_m"]) == (0, 0)
    assert entry["reason"]
    assert entry["residual"] is None
    assert "warning: elsewhere is left where it is" in capsys.readouterr().out


def test_a_pass_without_data_in_the_city_is_flagged_and_the_file_is_valid_json(tmp_path: Path) -> None:
    empty = np.full((2, SIZE_PX, SIZE_PX), np.nan, np.float32)
    scenes = [write_optical(tmp_path, optical(0)), write_grd(tmp_path, empty)]
    estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="none")
    entry = json.loads((tmp_path / "c.json").read_text(), parse_constant=pytest.fail)["scenes"]["grd"]
    assert not entry["applied"]
    assert entry["sigma_m"] is None
    assert entry["windows"][0]["shift_east_m"] is None


def test_a_shift_within_its_uncertainty_is_not_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_module, "SIGNIFICANT_SIGMA", 1000.0)
    scenes = [write_optical(tmp_path, optical(0)), write_grd(tmp_path, radar(0, right=0.5, down=0))]
    entry = estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="none")["scenes"]["grd"]
    assert entry["reliable"]
    assert not entry["applied"]
    assert entry["shift_east_m"] == 0
    assert entry["measured_east_m"] == pytest.approx(-5, abs=1.5)
    assert "standard deviations" in entry["reason"]


def test_clouds_of_the_reference_are_left_out(tmp_path: Path) -> None:
    bands, cloudy = optical(0), np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    cloudy[60:260, 60:260] = 1
    # a cloud that looks like the ground to the radar, three pixels away: believed, it would draw the estimate
    pattern = np.roll(to_pixels(landscape(0)[1])[0], 3, axis=1)
    bands[:, cloudy > 0] = (0.6 * pattern / pattern.max())[cloudy > 0]
    cloud = write_picture(tmp_path / "cloud.tif", scene_lattice(), cloudy, "uint8")
    scenes = [write_optical(tmp_path, bands, cloud), write_grd(tmp_path, radar(0, right=1, down=0))]
    entry = estimate_city_shifts(scenes, GRID, tmp_path / "c.json", cloud_method="source")["scenes"]["grd"]
    assert (entry["measured_east_m"], entry["measured_north_m"]) == pytest.approx((-10, 0), abs=1.5)


def test_the_clearest_dates_are_the_reference(tmp_path: Path) -> None:
    usable = {"hazy": 0.4, "clear": 1.0, "fair": 0.8}
    scenes = [make_scene(id, "sentinel-2", {"level": "L1C"}, {}, usable_fraction=share) for id, share in usable.items()]
    assert [scene.id for scene in reference_passes(scenes)] == ["clear", "fair"]


def test_without_sentinel_2_there_is_nothing_to_measure_against(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a Sentinel-2 scene"):
        estimate_city_shifts([make_scene("s1", "sentinel-1", GRD_STATE, {})], GRID, tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_a_single_date_is_the_reference_and_stays(tmp_path: Path) -> None:
    scene = make_scene("s2", "sentinel-2", {"level": "L1C"}, {})
    entry = estimate_city_shifts([scene], GRID, tmp_path / "c.json")["scenes"]["s2"]
    assert (entry["shift_east_m"], entry["shift_north_m"], entry["applied"]) == (0, 0, False)
    assert entry["measured_east_m"] is None
    assert "others are measured against" in entry["reason"]


@pytest.mark.parametrize(("width", "height", "count"), [(260, 260, 9), (1200, 1200, 25), (5000, 300, 18)])
def test_windows_are_bounded_in_number_and_size_and_span_the_city(width: int, height: int, count: int) -> None:
    area = shapely.box(WEST, NORTH - height * 10, WEST + width * 10, NORTH)
    grid = Grid(CRS, WEST, NORTH, width, height, 10, 500, area)
    windows = spread_windows(grid, WINDOWS_PER_SIDE).windows
    assert len(windows) == count
    assert max(max(window.shape) for window in windows) <= 256 + 32
    # the first core starts at the city's corner, the last ends at the opposite one
    assert windows[0].transform @ (16, 16) == (WEST, NORTH)
    rows, cols = windows[-1].shape
    assert windows[-1].transform @ (cols - 16, rows - 16) == (WEST + width * 10, NORTH - height * 10)


def test_a_known_extra_shift_of_a_real_pass_is_recovered(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LCZMAP_REAL_DATA", str(real_data))
    scenes = read_archive(Path(__file__).parent.parent / "configs" / "punjab_archive.yaml")
    clear = next(s for s in scenes if s.state.get("level") == "L1C" and s.datetime.startswith("2020-06-04"))
    tagged = next(s for s in scenes if s.orbit_direction == "descending" and s.sensor == "sentinel-1")
    moved = replace(
        tagged,
        id="moved",
        platform="moved",
        assets={name: move(asset, 17, -8) for name, asset in tagged.assets.items()},
    )
    grid = Grid("EPSG:32643", 336050, 3372750, 260, 260, 5, 200, shapely.box(336050, 3370150, 338650, 3372750))
    content = estimate_city_shifts([clear, tagged, moved], grid, tmp_path / "c.json", cloud_method="none")
    before, after = (content["scenes"][id] for id in (tagged.id, "moved"))
    assert before["applied"]
    assert before["consistent_georeference"]
    assert before["mutual_information"]["agrees"]
    assert after["measured_east_m"] - before["measured_east_m"] == pytest.approx(-17, abs=1.5)
    assert after["measured_north_m"] - before["measured_north_m"] == pytest.approx(8, abs=1.5)


def move(asset: Asset, east_m: float, north_m: float) -> Asset:
    assert asset.transform is not None
    a, b, west, d, e, north = asset.transform
    return replace(asset, transform=(a, b, west + east_m, d, e, north + north_m))


def test_the_tags_of_the_real_place_are_called_inconsistent(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LCZMAP_REAL_DATA", str(real_data))
    scenes = read_archive(Path(__file__).parent.parent / "configs" / "punjab_archive.yaml")
    chosen = [s for s in scenes if s.datetime.startswith("2020-06-04") and s.state.get("level") == "L1C"]
    chosen += [s for s in scenes if s.sensor == "sentinel-1" and s.orbit_direction == "descending"]
    tagged = [replace(s, assets={n: replace(a, crs=None, transform=None) for n, a in s.assets.items()}) for s in chosen]
    grid = Grid("EPSG:32643", 336050, 3372750, 260, 260, 5, 200, shapely.box(336050, 3370150, 338650, 3372750))
    entry = estimate_city_shifts(tagged, grid, tmp_path / "c.json", cloud_method="none")["scenes"][chosen[1].id]
    assert entry["consistent_georeference"] is False
    assert not entry["applied"]
    # tagged pixel sizes: 9.7344 m and 9.8071 m east
    assert entry["scale_east"] == pytest.approx(0.0001014113 / 0.0001021681, abs=0.003)
    assert entry["mutual_information"]["agrees"]
