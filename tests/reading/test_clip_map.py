"""A part of another map: its own cells, unchanged, or those of a map that is given."""

import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner, Result

from lczmap.classes import code_to_wudapt
from lczmap.cli import app
from lczmap.raster import maps, read_class_map, read_classes_onto, read_header, read_tags, write_cells, write_class_map
from lczmap.reading import clip

UTM = "EPSG:32633"
WORLD = GeoBox((300, 400), Affine(0.01, 0, 12, 0, -0.01, 54), "EPSG:4326")  # 12..16 east, 51..54 north


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["clip-map", *map(str, arguments)])


def random_codes(shape: tuple[int, int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 18, shape).astype(np.uint8)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_cells(tmp_path / "world.tif", random_codes(WORLD.shape)[None], WORLD, names=["lcz_filter"], nodata=0)
    return tmp_path / "world.tif"


def test_a_box_takes_the_cells_that_it_touches_as_they_are(world: Path, tmp_path: Path) -> None:
    result = run(world, "13.08,52.34,13.775,52.685", tmp_path / "b.tif")
    assert result.exit_code == 0, result.exception
    codes, geobox = read_class_map(tmp_path / "b.tif")
    np.testing.assert_array_equal(codes, random_codes(WORLD.shape)[131:166, 108:178])
    assert (geobox.crs, geobox.transform.a) == (WORLD.crs, 0.01)
    assert (geobox.transform.c, geobox.transform.f) == pytest.approx((13.08, 52.69))
    header = read_header(tmp_path / "b.tif")
    assert header.is_cog and header.has_colors and header.nodata == 0
    assert header.tags["LCZMAP_CLIPPED_FROM"] == "world.tif band 1 (1..17) to the box"
    assert "LCZMAP_RESAMPLED_FROM" not in header.tags
    assert (tmp_path / "b.tif.aux.xml").is_file()
    assert "35 × 70 cells in EPSG:4326" in result.output and "100.0% of the area has a class" in result.output


def test_the_ground_of_a_part_is_that_part_again(world: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        top, left = rng.integers(0, 250), rng.integers(0, 350)
        box = WORLD[top : top + 40, left : left + 30].boundingbox
        again, part = tmp_path / "again.tif", tmp_path / "part.tif"
        clip.clip_map(world, clip.parse_area(f"{box.left},{box.bottom},{box.right},{box.top}"), part)
        clip.clip_map(world, clip.parse_area(str(part)), again)
        assert read_class_map(part)[1].shape == WORLD[top : top + 40, left : left + 30].shape
        assert read_class_map(again)[1] == read_class_map(part)[1]


def test_a_box_west_of_greenwich_is_no_option(tmp_path: Path) -> None:
    box = GeoBox((100, 100), Affine(0.01, 0, -10, 0, -0.01, 39), "EPSG:4326")
    write_cells(tmp_path / "w.tif", random_codes((100, 100))[None], box, names=[""], nodata=None)
    result = run(tmp_path / "w.tif", "-9.25,38.65,-9.05,38.85", tmp_path / "lisbon.tif", "--palette", "colour_blind")
    assert result.exit_code == 0, result.output
    codes, _ = read_class_map(tmp_path / "lisbon.tif")
    np.testing.assert_array_equal(codes, random_codes((100, 100))[15:35, 75:95])
    assert read_tags(tmp_path / "lisbon.tif")["LCZMAP_PALETTE"] == "colour_blind"


def test_an_outline_leaves_out_the_cells_beyond_it(world: Path, tmp_path: Path) -> None:
    triangle = {"type": "Polygon", "coordinates": [[[13.0, 52.0], [14.0, 52.0], [13.0, 53.0], [13.0, 52.0]]]}
    (tmp_path / "area.geojson").write_text(json.dumps(triangle))
    result = run(world, tmp_path / "area.geojson", tmp_path / "t.tif")
    assert result.exit_code == 0, result.exception
    codes, geobox = read_class_map(tmp_path / "t.tif")
    assert geobox.shape == (100, 100)
    row, col = np.indices((100, 100)) + 0.5
    x, y = col / 100, 1 - row / 100
    sure = abs(x + y - 1) > 1e-6  # no centre on the line itself
    np.testing.assert_array_equal((codes > 0)[sure], (x + y < 1)[sure])
    inside = codes > 0
    np.testing.assert_array_equal(codes[inside], random_codes(WORLD.shape)[100:200, 100:200][inside])
    assert "100.0% of the area" in result.output


def test_older_codes_become_current_ones_and_our_tags_stay(tmp_path: Path) -> None:
    box = GeoBox((20, 20), Affine(100, 0, 390_000, 0, -100, 5_820_000), UTM)
    codes = random_codes((20, 20))
    tags = {"LCZMAP_NETWORK": "gul_s2", "LCZMAP_GAPS": "1.00%", "AREA": "x"}
    write_cells(tmp_path / "old.tif", code_to_wudapt(codes)[None], box, names=["lcz"], nodata=0, tags=tags)
    write_class_map(tmp_path / "ours.tif", codes[5:9, 2:8], box[5:9, 2:8], tags={})
    assert run(tmp_path / "old.tif", tmp_path / "ours.tif", tmp_path / "part.tif").exit_code == 0
    part, geobox = read_class_map(tmp_path / "part.tif")
    kept = read_tags(tmp_path / "part.tif")
    assert kept["LCZMAP_NETWORK"] == "gul_s2" and "LCZMAP_GAPS" not in kept  # of the whole
    top, left = (round(n) for n in ((5_820_000 - geobox.transform.f) / 100, (geobox.transform.c - 390_000) / 100))
    assert geobox.transform == box[top:, left:].transform
    assert (top, left, part.shape) == (5, 2, (4, 6))
    np.testing.assert_array_equal(part, codes[top : top + part.shape[0], left : left + part.shape[1]])


def test_a_given_grid_gets_the_class_at_its_centres_or_the_most_frequent(tmp_path: Path) -> None:
    fine = GeoBox((60, 60), Affine(10, 0, 390_000, 0, -10, 5_820_000), UTM)
    coarse = GeoBox((6, 6), Affine(100, 0, 390_000, 0, -100, 5_820_000), UTM)
    codes = np.random.default_rng(7).choice([2, 6, 11, 0], (60, 60), p=[0.35, 0.2, 0.15, 0.3]).astype(np.uint8)
    write_cells(tmp_path / "fine.tif", codes[None], fine, names=["lcz"], nodata=0)
    write_class_map(tmp_path / "ours.tif", np.full((6, 6), 1, np.uint8), coarse, tags={})
    for name in ("nearest", "majority"):
        arguments = ("--like", tmp_path / "ours.tif", "--resampling", name)
        assert run(tmp_path / "fine.tif", tmp_path / "ours.tif", tmp_path / f"{name}.tif", *arguments).exit_code == 0
    nearest, geobox = read_class_map(tmp_path / "nearest.tif")
    assert geobox == coarse
    assert all(nearest[r, c] in codes[10 * r + 4 : 10 * r + 6, 10 * c + 4 : 10 * c + 6] for r, c in np.ndindex(6, 6))
    majority, _ = read_class_map(tmp_path / "majority.tif")
    for r, c in np.ndindex(6, 6):
        counts = Counter(codes[10 * r : 10 * r + 10, 10 * c : 10 * c + 10].ravel().tolist())
        del counts[0]
        assert counts[int(majority[r, c])] == max(counts.values())
    tags = read_tags(tmp_path / "majority.tif")
    assert tags["LCZMAP_RESAMPLED_FROM"].endswith("by majority onto ours.tif")


def test_cells_of_a_given_grid_outside_the_box_have_no_class(world: Path, tmp_path: Path) -> None:
    box = GeoBox((40, 40), Affine(1000, 0, 380_000, 0, -1000, 5_840_000), UTM)
    write_class_map(tmp_path / "ours.tif", np.full((40, 40), 1, np.uint8), box, tags={})
    result = run(world, "13.3,52.5,13.6,52.6", tmp_path / "part.tif", "--like", tmp_path / "ours.tif")
    assert "100.0% of the area has a class" in result.output
    codes, geobox = read_class_map(tmp_path / "part.tif")
    lon, lat = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(380_500 + 1000 * np.arange(40), 5_839_500 - 1000 * np.arange(40))
    )
    inside = (lon > 13.3) & (lon < 13.6) & (lat > 52.5) & (lat < 52.6)
    assert geobox == box and 150 < inside.sum() < 300
    np.testing.assert_array_equal(codes > 0, inside)


@pytest.mark.parametrize("resampling", ["nearest", "mode"])
def test_the_strips_that_a_map_is_read_in_leave_no_trace(
    world: Path, monkeypatch: pytest.MonkeyPatch, resampling: Literal["nearest", "mode"]
) -> None:
    box = GeoBox((30, 40), Affine(3000, 0, 380_000, 0, -3000, 5_840_000), UTM)
    whole, _ = read_classes_onto(world, box, resampling=resampling)
    monkeypatch.setattr(maps, "MOST_PX", 2000)
    strips, _ = read_classes_onto(world, box, resampling=resampling)
    np.testing.assert_array_equal(strips, whole)
    assert np.count_nonzero(whole) > 900


def test_a_given_grid_of_another_crs_keeps_an_outline(world: Path, tmp_path: Path) -> None:
    box = GeoBox((40, 40), Affine(1000, 0, 380_000, 0, -1000, 5_840_000), UTM)
    write_class_map(tmp_path / "ours.tif", np.full((40, 40), 1, np.uint8), box, tags={})
    square = {
        "type": "Polygon",
        "coordinates": [[[13.4, 52.45], [13.6, 52.45], [13.6, 52.6], [13.4, 52.6], [13.4, 52.45]]],
    }
    (tmp_path / "a.geojson").write_text(json.dumps(square))
    assert run(world, tmp_path / "a.geojson", tmp_path / "o.tif", "--like", tmp_path / "ours.tif").exit_code == 0
    codes, geobox = read_class_map(tmp_path / "o.tif")
    assert geobox == box
    assert (codes > 0).sum() == pytest.approx(13.6 * 16.7, rel=0.1)  # km² of the square


def test_an_area_across_the_antimeridian_is_in_one_piece(tmp_path: Path) -> None:
    globe = GeoBox((100, 3600), Affine(0.1, 0, -180, 0, -0.1, -10), "EPSG:4326")
    codes = random_codes(globe.shape)
    write_cells(tmp_path / "globe.tif", codes[None], globe, names=[""], nodata=0)
    result = run(tmp_path / "globe.tif", "179.5,-18,-179.5,-17", tmp_path / "fiji.tif")
    assert result.exit_code == 0, result.exception
    part, geobox = read_class_map(tmp_path / "fiji.tif")
    np.testing.assert_array_equal(part, np.hstack([codes[70:80, -5:], codes[70:80, :5]]))
    assert geobox.transform.c == pytest.approx(179.5)


def test_an_area_larger_than_the_map_is_cut_at_its_edge(world: Path, tmp_path: Path) -> None:
    assert run(world, "15,53,60,70", tmp_path / "e.tif").exit_code == 0
    codes, _ = read_class_map(tmp_path / "e.tif")
    np.testing.assert_array_equal(codes, random_codes(WORLD.shape)[:100, 300:])


def test_only_the_part_is_held_in_memory(tmp_path: Path) -> None:
    globe = GeoBox((6000, 9000), Affine(0.001, 0, 10, 0, -0.001, 55), "EPSG:4326")
    codes = np.kron(random_codes((60, 90)), np.ones((100, 100), np.uint8))
    write_cells(tmp_path / "globe.tif", codes[None], globe, names=[""], nodata=0)
    del codes
    tracemalloc.start()
    assert run(tmp_path / "globe.tif", "13,52,13.4,52.4", tmp_path / "p.tif").exit_code == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # the file holds 54 MB of cells, the part 0.16 MB


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("20,52,21,53", "out.tif"), "world.tif: does not reach the box (20.000 to 21.000° E"),
        (("13,52,14,53", "world.tif"), "world.tif: is read here; give the part another name"),
        (("none.geojson", "out.tif"), "area of interest none.geojson: no such file"),
        (("none.tif", "out.tif"), "none.tif: no such file"),
        (("14,52,13.5,53", "out.tif", "--like", "none.tif"), "none.tif: no such file"),
        (("13,52,14,53", "out.tif", "--resampling", "majority"), "--resampling majority needs --like"),
        (("13,52,14,53", "out.tif", "--band", "3"), "expected band 3, the file has 1"),
        (("13,52,14,53", "out.tif", "--like", "far.tif"), "far.tif: no centre of a cell lies in the box"),
        (("13.9,16.3,14.1,16.6", "out.tif", "--like", "far.tif"), "world.tif: has no class in the box"),
        (("far.tif", "far.tif"), "far.tif: is read here; give the part another name"),
    ],
)
def test_what_cannot_be_cut_is_refused_and_writes_nothing(
    world: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    far = GeoBox((10, 10), Affine(100, 0, 390_000, 0, -100, 1_820_000), UTM)
    write_class_map(Path("far.tif"), np.full((10, 10), 1, np.uint8), far, tags={})
    before, content = sorted(tmp_path.iterdir()), world.read_bytes()
    result = run("world.tif", *arguments)
    assert message in str(result.exception), result.output
    assert sorted(tmp_path.iterdir()) == before and world.read_bytes() == content


def test_too_large_an_area_is_refused(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "MOST_CELLS", 1000)
    result = run(world, "13,52,14,53", tmp_path / "out.tif")
    assert "at most 1,000 cells, the box has 10,000" in str(result.exception)


def test_a_raster_of_other_numbers_is_refused(tmp_path: Path) -> None:
    write_cells(tmp_path / "p.tif", np.full((1, *WORLD.shape), 42, np.uint8), WORLD, names=[""], nodata=0)
    result = run(tmp_path / "p.tif", "13,52,14,53", tmp_path / "out.tif")
    assert "expected LCZ classes 1..17" in str(result.exception)
