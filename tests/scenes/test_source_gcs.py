import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_gcs import BUCKET, item, place, serve_holdings
from loopback import Loopback
from tiny_archive import make_grid, pixel_centres
from tiny_safe import Safe, gradient, write_safe

from lczmap.channels import S2_BANDS_L1C
from lczmap.raster import read_cells
from lczmap.scenes.clouds import read_asset
from lczmap.scenes.sources import http
from lczmap.scenes.sources.gcs import bucket as gcs_bucket
from lczmap.scenes.sources.gcs.bucket import Wanted, best_of, held_products, wanted_of
from lczmap.scenes.sources.gcs.source import GcsSource
from lczmap.scenes.sources.source import ArchiveError, Found, Request

pytestmark = pytest.mark.server

HELD = Safe(width_m=9600, west=394_800, north=5_805_000)  # the catalogue lists it as N0511
EARLY = Safe(
    satellite="A", baseline="02.09", datatake="20200604T054639", strip="20200604T055000", processed="20200604T090000",
    width_m=9600, west=394_800, north=5_805_000,
)  # fmt: skip
GRID = make_grid(size_px=60, tile_px=60)
IMAGE = rf"/{BUCKET}/tiles/.*\.jp2"
FEW = ("B1", "B2", "B8A")


def request(bands: tuple[str, ...] = S2_BANDS_L1C, **other) -> Request:
    return Request(GRID, "sentinel-2", "2020-01-01", "2024-12-31", bands, **other)


GONE = Safe(satellite="C", baseline="05.00", datatake="20241101T131259", strip="20241101T131400")
CATALOGUE = [
    item(HELD, "2024-02-06", baseline="05.11"),
    item(EARLY, "2020-06-04", baseline="05.00"),
    item(HELD, "2024-02-06", baseline="05.10", processed=HELD.processed),  # the same granule once more
    item(GONE, "2024-11-01"),
]


@pytest.fixture(scope="module")
def holdings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for safe in (HELD, EARLY):
        write_safe(place(folder, safe), safe)
    old = Safe(**{**HELD.__dict__, "baseline": "05.09", "processed": "20240206T150000"})
    shutil.copytree(
        place(folder, HELD) / f"{HELD.name}.SAFE", place(folder, HELD) / f"{old.name}.SAFE"
    )  # an older baseline is held as well
    return folder


@pytest.fixture
def server(holdings, monkeypatch) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.02)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.6)
    with Loopback() as server:
        serve_holdings(server, holdings, CATALOGUE)
        yield server


@pytest.fixture
def source(server) -> GcsSource:
    return GcsSource(f"{server.url}/stac", f"{server.url}/{BUCKET}")


@pytest.fixture
def found(source) -> Found:
    return next(one for one in source.search(request()) if one.id == HELD.name)


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*") if p.is_file()}


def test_catalogued_names_become_held_ones_and_what_is_not_held_is_reported(source, server, capsys):
    scenes = source.search(request())
    assert [one.id for one in scenes] == [EARLY.name, HELD.name]  # newest baseline that is held, each once
    assert [one.platform for one in scenes] == ["sentinel-2a", "sentinel-2b"]
    assert (scenes[1].datetime, scenes[1].cloud_cover) == ("2024-02-06T13:14:11Z", 9.9)
    warning = capsys.readouterr().out
    assert "1 of 4 scenes of the catalogue are not in the bucket" in warning
    assert "S2C_31UCT_20241101_0_L1C" in warning
    asked = next(r for r in server.requests if r.path == "/stac/search").json
    assert asked["collections"] == ["sentinel-2-l1c"] and asked["datetime"].startswith(
        "2020-01-01T00:00:00Z/2024-12-31"
    )
    assert server.count("/stac/search") == 2 and server.count("/storage/.*") > 4  # both come in pages
    assert json.loads(json.dumps(scenes[1].item)) == scenes[1].item  # can be written down


def test_scenes_that_the_run_cannot_use_are_not_looked_for(source, server):
    assert source.search(request(max_cloud=5.0)) == []
    assert [one.id for one in source.search(request(months=(6,)))] == [EARLY.name]
    assert [one.id for one in source.search(request(platform="sentinel-2b"))] == [HELD.name]


def test_only_sentinel_2_l1c_is_offered(source):
    with pytest.raises(ArchiveError, match="expected sentinel-2 at level L1C, got sentinel-2 at level L2A"):
        source.search(request(level="L2A"))


def test_fetched_window_has_the_products_pixels_and_its_own_offset(source, tmp_path):
    early, late = source.search(request())
    scenes = [source.fetch(one, request(), tmp_path / one.id) for one in (early, late)]
    for scene, safe in zip(scenes, (EARLY, HELD), strict=True):
        assert scene.id == safe.name and scene.sun == (175.2, pytest.approx(11.6))
        assert (scene.relative_orbit, scene.orbit_direction, scene.cloud) == (81, "descending", None)
        assert tuple(scene.assets) == S2_BANDS_L1C
        for band in S2_BANDS_L1C:
            pixels, geobox = read_cells(Path(scene.assets[band].path))
            assert pixels.dtype == np.uint16 and geobox.shape[0] < 9600 / geobox.resolution.x
            painted = np.rint(gradient(*pixel_centres(geobox)) * 10_000 + 1000 * safe.has_offset)
            assert np.array_equal(pixels[0], painted)
        assert scene.assets["B2"].offset == (-0.1 if safe.has_offset else 0.0)
    one, other = (read_asset(scene.assets["B8A"], GRID.geobox, "nearest") for scene in scenes)
    assert one == pytest.approx(other, abs=1e-6)


def test_only_the_window_is_read_and_asked_bands_are_written(source, found, tmp_path):
    asked = request(("B2", "B8A"))
    scene = source.fetch(found, asked, tmp_path)
    assert set(scene.assets) == {"B2", "B8A"}
    assert files(tmp_path) == {"B2.tif", "B8A.tif", "MTD_MSIL1C.xml", "MTD_TL.xml"}
    assert source.cost([found], asked).startswith("about 1 MB from Google's public bucket")


def test_second_run_fetches_only_what_is_missing(source, server, found, tmp_path):
    source.fetch(found, request(), tmp_path)
    before = len(server.requests)
    source.fetch(found, request(), tmp_path)
    assert len(server.requests) == before
    (tmp_path / "B5.tif").unlink()
    source.fetch(found, request(), tmp_path)
    assert {r.path.rpartition("_")[2] for r in server.requests[before:]} == {"B05.jp2"}


def test_city_beside_the_tile_or_the_swath_gets_no_scene(source, server, found, tmp_path, holdings, monkeypatch):
    far = Request(make_grid(60, 60, west=460_000), "sentinel-2", "2020-01-01", "2024-12-31", S2_BANDS_L1C)
    assert source.fetch(found, far, tmp_path / "far") is None
    assert server.count(IMAGE) == 0
    empty = Safe(satellite="A", datatake="20240301T131259", width_m=9600, west=394_800, north=5_805_000)
    write_safe(tmp_path / "empty", empty, lambda x, _y: np.full(x.shape, np.nan))
    server.files("/empty/e", tmp_path / "empty")
    elsewhere = GcsSource(bucket=f"{server.url}/empty/e")
    root = f"{empty.name}.SAFE/"
    images = {b: {"name": root + empty.image(b, 0), "bytes": 1} for b in S2_BANDS_L1C}
    names = {"product_xml": root + "MTD_MSIL1C.xml", "tile_xml": f"{root}{empty.granule}/MTD_TL.xml", "images": images}
    one = Found(**{**found.__dict__, "id": empty.name, "item": names})
    assert elsewhere.fetch(one, request(), tmp_path / "out") is None
    assert files(tmp_path / "out") == {"MTD_MSIL1C.xml", "MTD_TL.xml", "B1.tif"}


def test_image_on_other_pixels_than_its_metadata_is_refused(source, found, tmp_path, server, holdings):
    text = (place(holdings, HELD) / f"{HELD.name}.SAFE" / HELD.granule / "MTD_TL.xml").read_text()
    server.misbehave(r".*MTD_TL\.xml", "body", body=text.replace("<ULX>394800", "<ULX>394820").encode())
    with pytest.raises(ArchiveError, match=r"expected the pixels .*394820.* of MTD_TL.xml, the image has .*394800"):
        source.fetch(found, request(), tmp_path)


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("status", {"status": 403}, "_B02.jp2: HTTP 403; access is refused"),
        ("status", {"status": 404}, "_B02.jp2: HTTP 404; nothing is there"),
        ("status", {"status": 503}, "B02.jp2.*run the same command again"),
        ("hang", {"seconds": 1.5}, "B02.jp2.*run the same command again"),
        ("truncate", {}, "B02.jp2.*run the same command again"),
        ("close", {}, "B02.jp2.*run the same command again"),
        ("trickle", {"seconds": 1.0}, "B02.jp2.*run the same command again"),
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}, "B02.jp2.*"),
    ],
)
def test_image_that_does_not_come_is_a_clear_error_and_the_next_run_goes_on(
    source, server, found, tmp_path, monkeypatch, kind, how, message
):
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave(r".*_B02\.jp2", kind, times=1000, **how)
    start = time.monotonic()
    with pytest.raises(ArchiveError, match=message):
        source.fetch(found, request(FEW), tmp_path)
    assert time.monotonic() - start < 10
    assert "B2.tif" not in files(tmp_path) and not any(name.endswith(".part") for name in files(tmp_path))
    server._faults.clear()
    there, before = files(tmp_path), len(server.requests)
    assert source.fetch(found, request(FEW), tmp_path) is not None
    missing = {f"B{int(b[1:]):02d}" if b[1:].isdigit() else b for b in FEW if f"{b}.tif" not in there}
    assert {r.path.rpartition("_")[2].removesuffix(".jp2") for r in server.requests[before:]} == missing


@pytest.mark.parametrize(
    ("kind", "how"),
    [("status", {"status": 503}), ("status", {"status": 429, "headers": {"Retry-After": "1"}}), ("truncate", {})],
)
def test_short_trouble_is_waited_out(source, server, tmp_path, kind, how):
    for path in ("/storage/.*", "/stac/search"):
        server.misbehave(path, "status", status=429, headers={"Retry-After": "0"})
    found = source.search(request())
    if kind == "status":  # a broken body is not asked for again
        server.misbehave(r".*MTD_TL\.xml", kind, **how)
    server.misbehave(r".*_B02\.jp2", kind, times=2, **how)
    start = time.monotonic()
    assert source.fetch(found[1], request(FEW), tmp_path) is not None
    assert "headers" not in how or time.monotonic() - start >= 1  # as the server asked
    pixels, geobox = read_cells(tmp_path / "B2.tif")
    assert np.array_equal(pixels[0], np.rint(gradient(*pixel_centres(geobox)) * 10_000 + 1000))


@pytest.mark.parametrize(
    ("path", "kind", "how", "message"),
    [
        ("/stac", "status", {"status": 403}, r"/stac: HTTP 403; access is refused"),
        ("/stac/search", "status", {"status": 503}, "/stac: .*run the same command again"),
        ("/stac/search", "hang", {"seconds": 1.5}, "/stac: no answer in time"),
        ("/stac", "body", {"body": b"<html>welcome"}, "expected a STAC API"),
        ("/stac", "body", {"body": b'{"hello": 1}'}, "expected a STAC API"),
        (
            "/stac/search",
            "body",
            {"body": b'{"features": [{"id": "x", "properties": {}}]}'},
            "item x: expected a STAC item",
        ),
        ("/storage/.*", "status", {"status": 404}, "HTTP 404; nothing is there"),
        ("/storage/.*", "truncate", {}, "/storage/v1/b/sentinel-2/o: "),
        ("/storage/.*", "body", {"body": b'{"items": [1]}'}, "expected a listing of objects"),
        ("/storage/.*", "body", {"body": b'{"nextPageToken": "a"}'}, "pages do not end"),
    ],
)
def test_search_that_fails_is_a_clear_error(source, server, monkeypatch, path, kind, how, message):
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave(path, kind, times=1000, **how)
    start = time.monotonic()
    with pytest.raises(ArchiveError, match=message):
        source.search(request())
    assert time.monotonic() - start < 10


def test_catalogue_without_scenes_is_an_empty_result(source, server):
    server.misbehave("/stac/search", "body", body=b'{"type": "FeatureCollection", "features": [], "links": []}')
    assert source.search(request()) == []


def test_item_of_the_data_space_is_understood_by_its_name():
    name = "S2C_MSIL1C_20250625T095051_N0511_R079_T33TWE_20250625T132854"
    assert wanted_of({"id": name, "properties": {}}) == Wanted("S2C", "33TWE", "20250625T095051", None)
    assert wanted_of({"id": name, "properties": {}}).prefix == "tiles/33/T/WE/S2C_MSIL1C_20250625T095051_"
    told = {"platform": "Sentinel-2A", "grid:code": "MGRS-1CCV", "s2:datatake_id": "GS2A_20151221T205522_002599_N02.01"}
    assert wanted_of({"id": "x", "properties": told}).prefix == "tiles/01/C/CV/S2A_MSIL1C_20151221T205522_"
    with pytest.raises(ArchiveError, match="expected `platform`, `grid:code`"):
        wanted_of({"id": "x", "properties": {}})


def test_recorded_item_of_earth_search_is_understood(real_data):
    one = json.loads((real_data / "stac" / "earth_search_search.json").read_text())["features"][0]
    assert wanted_of(one) == Wanted("S2B", "27VWK", "20240206T131259", "20240206T131359")


def test_products_that_are_not_whole_are_not_held():
    root = f"tiles/31/U/CT/{HELD.name}.SAFE/"
    whole = {root + HELD.image(band, 0): 9 for band in S2_BANDS_L1C}
    whole |= {root + "MTD_MSIL1C.xml": 1, f"{root}{HELD.granule}/MTD_TL.xml": 1, root + "_$folder$": 0}
    (held,) = held_products(whole)
    assert held.images["B8A"] == (root + HELD.image("B8A", 0), 9) and held.baseline == "0510"
    for name in whole:
        rest = {other: size for other, size in whole.items() if other != name}
        assert bool(held_products(rest)) == name.endswith("$")


def test_of_two_datastrips_the_items_own_is_taken():
    two = [
        gcs_bucket.Held("a", "0510", "20240206T140000", "20240206T131359", "", "", {}),
        gcs_bucket.Held("b", "0510", "20240206T150000", "20240206T131500", "", "", {}),
        gcs_bucket.Held("c", "0509", "20240207T150000", "20240206T131359", "", "", {}),
    ]
    wanted = Wanted("S2B", "31UCT", "20240206T131259", "20240206T131359")
    assert best_of(two, wanted).id == "a"
    assert best_of(two[1:], Wanted("S2B", "31UCT", "20240206T131259", None)).id == "b"
    assert best_of([], wanted) is None
