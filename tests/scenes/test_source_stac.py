import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loopback import Answer, Loopback
from stac_archive import optical_item, radar_item, save_catalogue, save_items, serve
from tiny_archive import NORTH, WEST, make_grid

from lczmap.raster import read_onto, read_part, write_cells
from lczmap.scenes.local import read_archive
from lczmap.scenes.sources import http
from lczmap.scenes.sources.fetch import fetch_scenes, read_found, search_archive
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError, Found, Request, Source
from lczmap.scenes.sources.stac import read as stac_read
from lczmap.scenes.sources.stac.sign import sign_planetary_computer
from lczmap.scenes.sources.stac.source import StacSource

pytestmark = pytest.mark.server

BANDS = ("B2", "B3", "B11")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RETRIES": 2, "BACKOFF_S": 0.01, "READ_TIMEOUT_S": 0.2, "CONNECT_TIMEOUT_S": 0.3}.items():
        monkeypatch.setattr(http, name, value)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def request(**changes: object) -> Request:
    wanted = Request(make_grid(60), "sentinel-2", "2024-06-01", "2024-06-30", BANDS, level="L2A")
    return replace(wanted, **changes)


def radar_request(**changes: object) -> Request:
    return replace(request(), sensor="sentinel-1", bands=("VH", "VV"), calibration="gamma0", **changes)


def only(found: list[Found]) -> Found:
    assert len(found) == 1
    return found[0]


def test_all_pages_are_read_and_the_last_day_belongs_to_the_period(server: Loopback, tmp_path: Path) -> None:
    days = ["2024-06-30", "2024-06-01", "2024-06-12", "2024-06-15", "2024-06-03"]
    items = [optical_item(tmp_path, f"S2C_{day}", day=day, bands=BANDS) for day in days]
    found = StacSource(serve(server, tmp_path, items)).search(request())
    assert [scene.datetime[:10] for scene in found] == sorted(days)
    posted = [r.json for r in server.requests if r.method == "POST"]
    assert len(posted) == 3
    assert posted[0]["datetime"] == "2024-06-01T00:00:00Z/2024-06-30T23:59:59Z"
    west, south, east, north = posted[0]["bbox"]
    assert west < east
    assert south < north
    assert posted[0]["collections"] == ["sentinel-2-l2a"]


def test_only_the_period_around_the_city_is_found(server: Loopback, tmp_path: Path) -> None:
    items = [
        optical_item(tmp_path, "good", bands=BANDS),
        optical_item(tmp_path, "late", day="2024-07-01", bands=BANDS),
        optical_item(tmp_path, "elsewhere", west=WEST + 90_000, bands=BANDS),
    ]
    found = only(StacSource(serve(server, tmp_path, items)).search(request()))
    assert (found.id, found.cloud_cover, found.platform) == ("good", 12.5, "sentinel-2c")


def test_pixels_are_copied_and_the_scene_is_described(server: Loopback, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "fetched"
    west, north = WEST - MARGIN_M - 1200, NORTH + MARGIN_M + 1200
    source = StacSource(serve(server, archive, [optical_item(archive, west=west, north=north)]))
    wanted = request(bands=("B2", "B5", "B1", "B10"))  # L2A has no B10
    scene = source.fetch(only(source.search(wanted)), wanted, folder)
    assert scene is not None
    assert set(scene.assets) == {"B2", "B5", "B1"}
    assert (scene.platform, scene.state, scene.sun) == ("sentinel-2c", {"level": "L2A"}, (150.0, 50.0))
    assert (scene.orbit_direction, scene.relative_orbit) == ("descending", 8)
    for name, key in (("B2", "B02"), ("B5", "B05"), ("B1", "B01")):
        asset = scene.assets[name]
        assert (asset.scale, asset.offset, asset.nodata, asset.unit) == (1e-4, -0.1, 0, "reflectance")
        pixels, window = read_part(asset.path)
        original, _ = read_part(archive / "S2C_one" / f"{key}.tif", window)
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, original)
        box = window.boundingbox  # only what lies around the city
        assert 0 <= WEST - MARGIN_M - box.left < 120
        assert 0 <= box.top - (NORTH + MARGIN_M) < 120
    assert scene.cloud is not None
    assert scene.cloud.values == (0, 1, 3, 8, 9, 10, 11)
    assert read_part(scene.cloud.path)[0].dtype == np.uint8


def test_mixed_baselines_give_the_same_reflectance(server: Loopback, tmp_path: Path) -> None:
    applied = {"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": True}
    items = [
        optical_item(tmp_path, "new", bands=("B2",), carried=1000),
        optical_item(tmp_path, "old", day="2024-06-02", bands=("B2",), carried=0),
        optical_item(tmp_path, "shifted", day="2024-06-03", bands=("B2",), carried=0, **applied),
    ]
    source: Source = StacSource(serve(server, tmp_path, items))
    wanted = request(bands=("B2",))
    scenes = [source.fetch(found, wanted, tmp_path / "out" / found.id) for found in source.search(wanted)]
    pictures = []
    for scene in scenes:
        assert scene is not None
        asset = scene.assets["B2"]
        pictures.append(read_onto(asset.path, wanted.grid.geobox) * asset.scale + asset.offset)
    assert pictures[0].min() > 0
    np.testing.assert_allclose(pictures[1], pictures[0], atol=1e-6)
    np.testing.assert_allclose(pictures[2], pictures[0], atol=1e-6)


def test_an_item_that_is_wrong_about_its_offset_is_left_out_and_named(
    server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lying = {"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}
    source = StacSource(serve(server, tmp_path, [optical_item(tmp_path, bands=BANDS, carried=0, **lying)]))
    assert source.fetch(only(source.search(request())), request(), tmp_path / "out") is None
    said = capsys.readouterr().out
    assert "S2C_one is left out" in said and "would have a reflectance below 0" in said and "sentinel-2-c1-l2a" in said


def test_an_odd_item_does_not_hide_the_others(
    server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = optical_item(tmp_path, "odd", bands=BANDS)
    del odd["properties"]["s2:processing_baseline"]
    good = optical_item(tmp_path, "good", bands=BANDS)
    assert [f.id for f in StacSource(serve(server, tmp_path, [odd, good])).search(request())] == ["good"]
    assert "1 of 2 items are left out; the first: STAC item odd" in capsys.readouterr().out
    with pytest.raises(ArchiveError, match="STAC item odd"):
        StacSource(serve(server, tmp_path, [odd])).search(request())


def test_a_catalogue_on_disk_gives_the_same_scene_as_the_api(server: Loopback, tmp_path: Path) -> None:
    items = [optical_item(tmp_path, bands=BANDS), radar_item(tmp_path)]
    saved = save_items(tmp_path / "items.geojson", items)
    places = [serve(server, tmp_path, items), str(save_catalogue(tmp_path, items)), str(tmp_path), str(saved)]
    scenes = []
    for i, place in enumerate(places):
        source = StacSource(place)
        for wanted in (request(), radar_request()):
            scenes.append(source.fetch(only(source.search(wanted)), wanted, tmp_path / f"out{i}" / wanted.sensor))
    optical, radar = scenes[0], scenes[1]
    assert optical is not None
    assert radar is not None
    for i, scene in enumerate(scenes):
        assert scene is not None
        expected = (optical, radar)[i % 2]
        assert {k: v for k, v in scene.state.items() if k != "provider"} == {
            k: v for k, v in expected.state.items() if k != "provider"
        }
        same = replace(scene, state=expected.state, assets=expected.assets, cloud=expected.cloud)
        assert same == expected
        for name, asset in scene.assets.items():
            assert replace(asset, path="") == replace(expected.assets[name], path="")
            pixels, window = read_part(asset.path)
            original, place = read_part(expected.assets[name].path)
            assert window == place
            np.testing.assert_array_equal(pixels, original)


def test_radar_is_linear_gamma0_with_its_nodata_as_nan(server: Loopback, tmp_path: Path) -> None:
    items = [radar_item(tmp_path), radar_item(tmp_path, "single")]
    del items[1]["assets"]["vh"]  # one polarisation is not enough
    source = StacSource(serve(server, tmp_path, items))
    wanted = radar_request()
    scene = source.fetch(only(source.search(wanted)), wanted, tmp_path / "out")
    assert scene is not None
    assert scene.state == {
        "product": "grd",
        "calibration": "gamma0",
        "noise_removed": "unknown",
        "looks": "4.4",
        "provider": "127.0.0.1",
    }
    assert {name: asset.unit for name, asset in scene.assets.items()} == {"VH": "linear", "VV": "linear"}
    pixels, window = read_part(scene.assets["VV"].path)
    column = round((WEST - 2403.3 + 1000 - window.boundingbox.left) / 10)
    assert np.isnan(pixels[:, column]).all()
    np.testing.assert_allclose(np.delete(pixels, column, axis=1), 0.1)


def test_a_scene_in_another_zone_keeps_its_own_pixels(server: Loopback, tmp_path: Path) -> None:
    grid = make_grid(60)
    corner = grid.geobox.to_crs("EPSG:32632").boundingbox
    west, north = round(corner.left, -1) - 2400, round(corner.top, -1) + 2400
    item = optical_item(tmp_path, bands=BANDS, crs="EPSG:32632", west=west, north=north)
    source = StacSource(serve(server, tmp_path, [item]))
    scene = source.fetch(only(source.search(request())), request(), tmp_path / "out")
    assert scene is not None
    pixels, window = read_part(scene.assets["B2"].path)
    assert window.crs == "EPSG:32632"
    original, _ = read_part(tmp_path / "S2C_one" / "B02.tif", window)
    np.testing.assert_array_equal(pixels, original)
    assert not np.isnan(read_onto(scene.assets["B2"].path, grid.geobox)).any()


def test_a_scene_that_touches_a_corner_is_clipped_and_one_outside_is_none(server: Loopback, tmp_path: Path) -> None:
    corner = optical_item(tmp_path, "corner", bands=BANDS, west=WEST + 400, north=NORTH + 4600)
    source = StacSource(serve(server, tmp_path, [corner]))
    found = only(source.search(request()))
    scene = source.fetch(found, request(), tmp_path / "out")
    assert scene is not None
    box = read_part(scene.assets["B2"].path)[1].boundingbox
    assert (box.left, box.bottom) == (WEST + 400, NORTH - 200)
    elsewhere = request(grid=make_grid(60, west=WEST - 50_000))
    assert source.fetch(found, elsewhere, tmp_path / "none") is None


def test_a_window_without_a_valid_pixel_is_none(server: Loopback, tmp_path: Path) -> None:
    item = optical_item(tmp_path, bands=BANDS)
    for path in (tmp_path / "S2C_one").glob("B*.tif"):
        pixels, box = read_part(path)
        write_cells(path, np.zeros_like(pixels)[None], box, names=["x"], nodata=0)
    source = StacSource(serve(server, tmp_path, [item]))
    assert source.fetch(only(source.search(request())), request(), tmp_path / "out") is None


def test_items_without_projection_are_read_by_their_headers(server: Loopback, tmp_path: Path) -> None:
    items = [optical_item(tmp_path, bands=BANDS, described=False)]
    source = StacSource(serve(server, tmp_path, items))
    scene = source.fetch(only(source.search(request())), request(), tmp_path / "out")
    assert scene is not None
    pixels, window = read_part(scene.assets["B11"].path)
    np.testing.assert_array_equal(pixels, read_part(tmp_path / "S2C_one" / "B11.tif", window)[0])


def test_a_rerun_fetches_only_what_is_missing(server: Loopback, tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "out"
    source = StacSource(serve(server, archive, [optical_item(archive, bands=BANDS)]))
    found = only(source.search(request()))
    server.misbehave("/files/.*B11.tif", "status", status=403, times=2)
    with pytest.raises(ArchiveError, match="403"):
        source.fetch(found, request(), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["B2.tif", "B3.tif"]
    server.requests.clear()
    scene = source.fetch(found, request(), folder)
    assert scene is not None
    assert server.count("/files/.*B0[23].tif") == 0
    assert server.count("/files/.*B11.tif") > 0
    server.requests.clear()
    assert source.fetch(found, request(), folder) == scene
    assert server.requests == []


def test_another_window_replaces_a_file(server: Loopback, tmp_path: Path) -> None:
    source = StacSource(serve(server, tmp_path, [optical_item(tmp_path, bands=BANDS)]))
    found = only(source.search(request()))
    west, east = (request(grid=make_grid(60, west=WEST + shift)) for shift in (-2300, 1500))
    source.fetch(found, west, tmp_path / "out")
    assert np.isnan(read_onto(tmp_path / "out" / "B2.tif", east.grid.geobox)).any()
    scene = source.fetch(found, east, tmp_path / "out")
    assert scene is not None
    assert not np.isnan(read_onto(scene.assets["B2"].path, east.grid.geobox)).any()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("status", {"status": 401}, r"HTTP 401; the archive asks for credentials"),
        ("status", {"status": 403}, r"HTTP 403; access is refused"),
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}, r"HTTP 429; too many requests"),
        ("status", {"status": 500}, r"HTTP 500; your connection or the archive has trouble"),
        ("status", {"status": 503}, r"HTTP 503; your connection or the archive has trouble"),
        ("hang", {"seconds": 0.4}, r"no answer in time; your connection or the archive has trouble"),
        ("close", {}, r"no connection, or it broke; your connection or the archive has trouble"),
        ("truncate", {}, r"your connection or the archive has trouble"),
        ("trickle", {"seconds": 0.4}, r"your connection or the archive has trouble"),
        ("body", {"body": b"<html>"}, r"expected a STAC API, got something else"),
    ],
)
def test_a_search_that_fails_ends_with_a_remedy(
    server: Loopback, tmp_path: Path, kind: str, options: dict, message: str
) -> None:
    url = serve(server, tmp_path, [])
    server.misbehave("/v1/search", kind, times=99, **options)
    with pytest.raises(ArchiveError, match=message):
        StacSource(url).search(request())
    assert server.count("/v1/search") <= http.RETRIES + 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}),
        ("status", {"status": 500}),
        ("close", {}),
        ("hang", {"seconds": 0.5}),
    ],
)
def test_passing_trouble_is_waited_out(server: Loopback, tmp_path: Path, kind: str, options: dict) -> None:
    source = StacSource(serve(server, tmp_path, [optical_item(tmp_path, bands=("B3",))]))
    wanted = request(bands=("B3",))
    server.misbehave("/v1/search", kind, **options)
    found = only(source.search(wanted))
    server.misbehave("/files/.*B03.tif", kind, **options)
    assert source.fetch(found, wanted, tmp_path / "out") is not None


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("status", {"status": 401}, r"HTTP 401; the archive asks for credentials"),
        ("status", {"status": 403}, r"HTTP 403; access is refused"),
        ("status", {"status": 404}, r"HTTP 404; nothing is there"),
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}, r"HTTP 429; too many requests"),
        ("status", {"status": 503}, r"HTTP 503; your connection or the archive has trouble"),
        ("hang", {"seconds": 0.4}, r"no answer in time"),
        ("truncate", {}, r"your connection or the archive has trouble"),
        ("trickle", {"seconds": 0.6}, r"your connection or the archive has trouble"),
        ("body", {"body": b"<html>"}, r"expected a raster, got something else"),
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_a_fetch_that_fails_leaves_no_file_and_no_secret(
    server: Loopback,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    options: dict,
    message: str,
    described: bool,
) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "out"
    item = optical_item(archive, bands=("B3",), described=described)
    source = StacSource(serve(server, archive, [item]), signer=lambda href: f"{href}?sig=SECRET")
    wanted = request(bands=("B3",))
    found = only(source.search(wanted))
    server.misbehave("/files/.*", kind, times=99, **options)
    with caplog.at_level(logging.DEBUG), pytest.raises(ArchiveError, match=message) as caught:
        source.fetch(found, wanted, folder)
    assert {r.query.get("sig") for r in server.requests if r.path.startswith("/files")} == {"SECRET"}
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(error)
        error = error.__cause__ or error.__context__
    assert "SECRET" not in caplog.text
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_file_that_is_cut_short_is_an_error(server: Loopback, tmp_path: Path) -> None:
    item = optical_item(tmp_path, bands=("B3",))
    path = tmp_path / "S2C_one" / "B03.tif"
    rng = np.random.default_rng(1)
    pixels, box = read_part(path)
    write_cells(path, rng.integers(1000, 9000, (1, *pixels.shape)).astype("uint16"), box, names=["x"], nodata=0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    source = StacSource(serve(server, tmp_path, [item]))
    with pytest.raises(ArchiveError, match="broken or truncated"):
        source.fetch(only(source.search(request(bands=("B3",)))), request(bands=("B3",)), tmp_path / "out")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_signatures_are_written_nowhere(server: Loopback, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "out"
    item = optical_item(archive, bands=BANDS)
    for asset in item["assets"].values():
        asset["href"] += "?se=2024&sig=SECRET"
    source = StacSource(serve(server, archive, [item]), signer=lambda href: f"{href}?sig=SECRET")
    with caplog.at_level(logging.DEBUG):
        found = only(source.search(request()))
        scene = source.fetch(found, request(), folder)
    assert "SECRET" not in caplog.text
    assert "SECRET" not in json.dumps(found.item)
    assert "SECRET" not in repr(scene)
    assert all(b"SECRET" not in path.read_bytes() for path in folder.iterdir())


def test_s3_addresses_are_read_with_the_keys_of_the_environment(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "PUBLIC")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    address = {"AWS_S3_ENDPOINT": server.url.removeprefix("http://"), "AWS_HTTPS": "NO"}
    monkeypatch.setattr(stac_read, "COPERNICUS_OPTIONS", stac_read.COPERNICUS_OPTIONS | address)
    item = optical_item(tmp_path, bands=("B3",))
    for asset in item["assets"].values():
        asset["href"] = "s3://eodata/" + asset["href"]
    saved = save_items(tmp_path / "items.json", [item])
    server.files("/eodata", tmp_path)
    source, wanted = StacSource(str(saved)), request(bands=("B3",))
    scene = source.fetch(only(source.search(wanted)), wanted, tmp_path / "out")
    assert scene is not None
    pixels, window = read_part(scene.assets["B3"].path)
    np.testing.assert_array_equal(pixels, read_part(tmp_path / "S2C_one" / "B03.tif", window)[0])
    assert "PUBLIC" in server.requests[0].headers["Authorization"]
    server.misbehave("/eodata/.*", "status", status=403, times=99)
    with pytest.raises(ArchiveError, match=r"s3://eodata/S2C_one/B03.tif: HTTP 403") as caught:
        source.fetch(only(source.search(wanted)), wanted, tmp_path / "again")
    assert "SECRET" not in str(caught.value)


def test_an_area_across_the_antimeridian_is_found_and_read_whole(server: Loopback, tmp_path: Path) -> None:
    east_of_180 = 833_978.0  # metres in zone 60 at the equator
    grid = replace(make_grid(60, west=east_of_180 - 300, north=20_000), crs="EPSG:32660")
    item = optical_item(tmp_path, bands=("B3",), crs="EPSG:32660", west=east_of_180 - 2400, north=22_000)
    item["geometry"] = None
    source, wanted = StacSource(serve(server, tmp_path, [item])), request(grid=grid, bands=("B3",))
    assert item["bbox"][0] > 179
    assert item["bbox"][2] < -179
    scene = source.fetch(only(source.search(wanted)), wanted, tmp_path / "out")
    assert scene is not None
    assert not np.isnan(read_onto(scene.assets["B3"].path, grid.geobox, nodata=0)).any()


def test_workers_of_a_cluster_read_the_same_and_sign_themselves(server: Loopback, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    archive = tmp_path / "archive"
    source = StacSource(serve(server, archive, [optical_item(archive, bands=("B3",))]), signer=signed)
    wanted = request(bands=("B3",))
    found = only(source.search(wanted))
    plain = source.fetch(found, wanted, tmp_path / "plain")
    assert plain is not None
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        scene = source.fetch(found, wanted, tmp_path / "out")
        assert scene is not None
        np.testing.assert_array_equal(read_part(scene.assets["B3"].path)[0], read_part(plain.assets["B3"].path)[0])
        server.misbehave("/files/.*", "status", status=403, times=99)
        with pytest.raises(ArchiveError, match="HTTP 403") as caught:
            source.fetch(found, wanted, tmp_path / "refused")
        assert "SECRET" not in repr(caught.value)


def signed(href: str) -> str:
    return f"{href}?sig=SECRET"


def test_an_empty_search_finds_nothing(server: Loopback, tmp_path: Path) -> None:
    assert StacSource(serve(server, tmp_path, [])).search(request()) == []


def test_what_an_endpoint_does_not_have_is_said_before_asking(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"earth_search: expected L1C of sentinel-2, it has L2A"):
        StacSource().search(request(level="L1C"))
    with pytest.raises(ArchiveError, match=r"copernicus: expected gamma0 of sentinel-1"):
        StacSource("copernicus").search(radar_request())
    with pytest.raises(ArchiveError, match=r"calibrated to sigma0.*deliver gamma0"):
        StacSource().search(replace(radar_request(), calibration="sigma0"))
    with pytest.raises(ArchiveError, match=r"sentinel-1-grd: Sentinel-1 that is not terrain-corrected"):
        StacSource("earth_search", "sentinel-1-grd").search(radar_request())
    url = serve(server, tmp_path, [])
    with pytest.raises(ArchiveError, match="no collection 'landsat'"):
        StacSource(url, "landsat").search(request())


def test_another_level_is_refused_by_name(server: Loopback, tmp_path: Path) -> None:
    item = optical_item(tmp_path, bands=BANDS, **{"s2:product_type": "S2MSI1C"})
    with pytest.raises(ArchiveError, match=r"expected Sentinel-2 L2A, collection sentinel-2-l2a delivers L1C"):
        StacSource(serve(server, tmp_path, [item])).search(request())


def test_items_of_other_satellites_are_refused_by_name(server: Loopback, tmp_path: Path) -> None:
    item = optical_item(tmp_path, bands=BANDS, platform="landsat-8")
    with pytest.raises(ArchiveError, match=r"expected items of sentinel-2, got 1 of others, .* 'landsat-8'"):
        StacSource(serve(server, tmp_path, [item])).search(request())


def test_missing_bands_are_refused_by_name(server: Loopback, tmp_path: Path) -> None:
    source = StacSource(serve(server, tmp_path, [optical_item(tmp_path, bands=("B2", "B3"))]))
    with pytest.raises(ArchiveError, match=r"expected bands B2, B3, B11, B11 not found in S2C_one"):
        source.search(request())


def test_a_path_without_a_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file; expected a STAC catalogue"):
        StacSource(str(tmp_path / "nowhere")).search(request())
    with pytest.raises(ValueError, match=r"expected catalog.json or collection.json or one other JSON file, got 0"):
        StacSource(str(tmp_path)).search(request())
    (tmp_path / "catalog.json").write_text("[]")
    with pytest.raises(ValueError, match="expected a STAC catalogue, collection or item collection"):
        StacSource(str(tmp_path)).search(request())


def test_the_cost_is_a_sentence(server: Loopback, tmp_path: Path) -> None:
    source = StacSource(serve(server, tmp_path, [optical_item(tmp_path, bands=BANDS)]))
    text = source.cost(source.search(request()), request())
    assert re.match(r"1 scenes of sentinel-2, 3 bands each: about \d MB before compression from http://127", text)


def test_planetary_computer_hands_out_tokens(server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from planetary_computer import sas
    from planetary_computer.settings import Settings

    monkeypatch.setattr(sas, "TOKEN_CACHE", {})
    settings = Settings(subscription_key="KEY", sas_url=f"{server.url}/token")
    monkeypatch.setattr(Settings, "get", staticmethod(lambda: settings))
    token = {"msft:expiry": "2999-01-01T00:00:00Z", "token": "st=1&se=2&sp=r&sig=SECRET"}
    server.route("GET", "/token/account/container", lambda _: Answer.of(token))
    href = "https://account.blob.core.windows.net/container/a/B02.tif"
    assert sign_planetary_computer(href) == f"{href}?st=1&se=2&sp=r&sig=SECRET"
    assert sign_planetary_computer(href).endswith("SECRET")
    assert len(server.requests) == 1  # a token is used again
    assert server.requests[0].headers["Ocp-Apim-Subscription-Key"] == "KEY"
    assert sign_planetary_computer("https://x.org/B02.tif") == "https://x.org/B02.tif"
    sas.TOKEN_CACHE.clear()
    server.misbehave("/token/.*", "status", status=403)
    with pytest.raises(ArchiveError, match="HTTP 403") as caught:
        sign_planetary_computer(href)
    assert "KEY" not in str(caught.value)
    server.misbehave("/token/.*", "body", body=b"[]")
    with pytest.raises(ArchiveError, match="expected a token"):
        sign_planetary_computer(href)


def test_a_search_is_frozen_fetched_and_read_back(server: Loopback, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    items = [optical_item(archive, f"S2C_{day}", day=f"2024-06-0{day}", bands=BANDS) for day in (1, 2, 3)]
    items.append(radar_item(archive))
    source = StacSource(serve(server, archive, items))
    for wanted in (request(), radar_request()):
        frozen = tmp_path / f"{wanted.sensor}.json"
        search_archive(source, wanted, frozen, max_dates=2)
        scenes = fetch_scenes(source, read_found(frozen), wanted, tmp_path / wanted.sensor / "archive.yaml")
        assert read_archive(tmp_path / wanted.sensor / "archive.yaml") == scenes
        assert len(scenes) == (2 if wanted.sensor == "sentinel-2" else 1)
