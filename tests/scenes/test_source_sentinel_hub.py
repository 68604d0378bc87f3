"""Sentinel Hub: what is asked for, where its pixels land, what it costs, how it fails, and that it keeps secrets."""

import logging
import math
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_sentinel_hub import (
    CLIENT_ID,
    CLIENT_SECRET,
    GRID,
    OPTICAL,
    PROCESS_PATH,
    RADAR,
    SEARCH_PATH,
    TOKEN,
    TOKEN_PATH,
    FakeSentinelHub,
    optical_item,
    radar_item,
)
from loopback import Answer, Loopback
from tiny_archive import CRS, NORTH, WEST, pixel_centres

from lczmap.raster import lattice as file_lattice
from lczmap.raster import read_cells
from lczmap.scenes.local import read_archive, write_archive
from lczmap.scenes.sources import http
from lczmap.scenes.sources.fetch import fetch_scenes, read_found, search_archive
from lczmap.scenes.sources.sentinel_hub import client as sentinel_hub_client
from lczmap.scenes.sources.sentinel_hub import requests as sentinel_hub_requests
from lczmap.scenes.sources.sentinel_hub import source as sentinel_hub
from lczmap.scenes.sources.sentinel_hub.account import addresses, service
from lczmap.scenes.sources.sentinel_hub.items import passes
from lczmap.scenes.sources.sentinel_hub.requests import lattice, reflectance_script
from lczmap.scenes.sources.sentinel_hub.source import SentinelHubSource
from lczmap.scenes.sources.source import ArchiveError, Found, Request

pytestmark = pytest.mark.server

SIDE = 120 + 2 * 150  # the city and the margin, pixels
ITEMS = [
    optical_item("S2A_MSIL1C_20240604T105031_N0510_R051_T31UDU_20240604T120000", "2024-06-04T10:58:40.024Z", cloud=10),
    optical_item("S2A_MSIL1C_20240604T105031_N0510_R051_T31UDT_20240604T120000", "2024-06-04T10:58:54.5Z", cloud=30),
    optical_item(
        "S2B_MSIL1C_20240609T105031_N0510_R051_T31UDU_20240609T120000", "2024-06-09T10:58:41Z", platform="sentinel-2b"
    ),
]
SUN = {
    "sunAzimuthAngles": lambda x, _: (1 + 3 * np.sign(np.rint((x - WEST - 1000) / 1000))) % 360,  # 358, 1 and 4 degrees
    "sunZenithAngles": lambda x, _: x * 0 + 30,
}
SLICES = [
    radar_item("S1A_IW_GRDH_1SDV_20240602T054639_20240602T054704_054141_069571_0001", "2024-06-02T05:46:39Z"),
    radar_item("S1A_IW_GRDH_1SDV_20240602T054704_20240602T054729_054141_069571_0002", "2024-06-02T05:47:04Z"),
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeSentinelHub]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)
    monkeypatch.setattr(sentinel_hub, "MAX_REQUEST_PX", 150)
    monkeypatch.setattr(sentinel_hub_requests, "MARGIN_M", 1500.0)
    monkeypatch.setenv("SH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SH_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with Loopback() as server:
        yield FakeSentinelHub(server, ITEMS, {"B02": ramp, "B11": climb, "VH": power, "VV": power} | SUN)


def ramp(x, y):
    """10 DN per pixel of 10 m, so that a tenth of a pixel is one DN; nothing in the westernmost kilometre."""
    return np.where(x < WEST - 500, np.nan, 1000 + (x - (WEST - 1500)) + (y * 0))


def climb(x, y):
    """As `ramp`, to the south."""
    return np.where(x < WEST - 500, np.nan, 1000 + (NORTH + 1500 - y))


def power(x, y):
    return np.where(y > NORTH + 500, np.nan, 0.05 + (x - (WEST - 1500)) * 1e-5)


def find(hub: FakeSentinelHub, request: Request = OPTICAL) -> tuple[SentinelHubSource, list[Found]]:
    source = SentinelHubSource(hub.server.url)
    return source, source.search(request)


# search


def test_granules_of_one_pass_are_one_scene(hub):
    _, (first, second) = find(hub)
    assert first.id == "S2A_L1C_20240604T105840"
    assert first.platform == "sentinel-2a"
    assert first.datetime == "2024-06-04T10:58:40Z"
    assert first.cloud_cover == 20
    assert first.state == {"level": "L1C"}
    assert first.item["from"] == "2024-06-04T10:58:30.024000+00:00"
    assert first.item["to"] == "2024-06-04T10:59:04.500000+00:00"
    assert second.platform == "sentinel-2b"


def test_search_walks_through_all_pages(hub):
    _, found = find(hub)
    assert len(found) == 2
    assert [s.get("next") for s in hub.searches] == [None, 2]
    asked = hub.searches[0]
    assert asked["collections"] == ["sentinel-2-l1c"]
    assert asked["datetime"] == "2024-06-01T00:00:00Z/2024-06-30T23:59:59Z"
    west, _, _, north = asked["bbox"]
    assert west == pytest.approx(1.53, abs=0.1)
    assert north == pytest.approx(52.34, abs=0.1)


def test_radar_search_asks_for_dual_polarisation_and_orbit(hub):
    hub.items = [*SLICES, radar_item("S1A_EW_GRDM_1SDH_x", "2024-06-03T05:00:00Z", **{"sar:instrument_mode": "EW"})]
    _, (one,) = find(hub, Request(**{**RADAR.__dict__, "orbit": "ascending"}))
    assert one.id == "S1A_GRD_20240602T054639"
    assert one.platform == "sentinel-1a"
    assert one.orbit_direction == "ascending"
    assert one.relative_orbit is None
    assert one.state == {"product": "grd", "calibration": "sigma0", "noise_removed": "true", "looks": "4.4"} | {
        "terrain": "dem",
        "provider": f"sentinel hub {hub.server.url}",
    }
    for wanted in ("sar:instrument_mode='IW'", "s1:polarization='DV'", "sat:orbit_state='ascending'"):
        assert wanted in hub.searches[0]["filter"]


def test_the_cost_of_a_search_is_one_sentence(hub):
    source, found = find(hub)
    units = 2 * ((SIDE / 512) ** 2 * 2 / 3 + 0.01 * 2 / 3 * 2)
    assert f"2 scenes need about {units:,.0f} processing units in 20 requests" in source.cost(found, OPTICAL)
    assert "10,000 a month" in source.cost(found, OPTICAL)


def test_a_relative_orbit_that_the_catalogue_does_not_state_is_not_guessed(hub):
    hub.items = SLICES
    with pytest.raises(ArchiveError, match="states no relative orbits"):
        find(hub, Request(**{**RADAR.__dict__, "relative_orbit": 8}))


def test_an_empty_catalogue_gives_nothing(hub):
    hub.items = []
    assert find(hub)[1] == []


# pixels


def test_pixels_land_where_they_belong_across_sub_tiles(hub, tmp_path):
    source, (one, _) = find(hub)
    scene = source.fetch(one, OPTICAL, tmp_path / "s2")
    assert hub.server.count(PROCESS_PATH) == 9 + 1  # and the sun
    for band, paint in (("B2", ramp), ("B11", climb)):
        asset = scene.assets[band]
        (pixels,), geobox = read_cells(Path(asset.path))
        assert geobox == lattice(GRID, 10)
        assert geobox.shape == (SIDE, SIDE)
        expected = np.nan_to_num(paint(*pixel_centres(geobox)))
        np.testing.assert_allclose(pixels, expected, atol=1)  # 1 DN is a tenth of a pixel
        assert (asset.scale, asset.offset, asset.nodata, asset.unit) == (1e-4, 0, 0, "reflectance")
        assert pixels.dtype == np.uint16
    assert scene.cloud is None
    assert scene.sun == pytest.approx((1, 60), abs=1e-3)
    assert not (tmp_path / "s2" / ".parts" / one.id).exists()
    write_archive(tmp_path / "archive.yaml", [scene])
    assert read_archive(tmp_path / "archive.yaml") == [scene]


def test_requests_ask_for_exactly_this_pass(hub, tmp_path):
    source, (one, _) = find(hub)
    source.fetch(one, OPTICAL, tmp_path)
    asked = hub.processed[0]
    (data,) = asked["input"]["data"]
    assert data["type"] == "sentinel-2-l1c"
    assert data["dataFilter"] == {
        "timeRange": {"from": "2024-06-04T10:58:30.024000Z", "to": "2024-06-04T10:59:04.500000Z"},
        "mosaickingOrder": "mostRecent",
    }
    assert data["processing"] == {"harmonizeValues": True, "upsampling": "BICUBIC", "downsampling": "NEAREST"}
    assert asked["input"]["bounds"]["bbox"] == [WEST - 1500, NORTH + 1500 - 1400, WEST - 1500 + 1400, NORTH + 1500]
    assert asked["input"]["bounds"]["properties"]["crs"].endswith(f"/{CRS.removeprefix('EPSG:')}")
    assert (asked["output"]["width"], asked["output"]["height"]) == (140, 140)
    assert asked["output"]["responses"] == [{"identifier": "default", "format": {"type": "image/tiff"}}]


def test_surface_reflectance_brings_its_classification(hub, tmp_path):
    request = Request(**{**OPTICAL.__dict__, "level": "L2A", "bands": ("B2",)})
    hub.paints = {"B02": ramp, "SCL": lambda x, _: np.where(x < WEST, 9.0, 4.0)}
    _, (one, _) = find(hub, request)
    scene = SentinelHubSource(hub.server.url, upsampling="nearest").fetch(one, request, tmp_path)
    assert scene.state == {"level": "L2A"}
    assert 9 in scene.cloud.values
    (classes,), geobox = read_cells(Path(scene.cloud.path))
    assert geobox == lattice(GRID, 20)
    assert (classes[:, :75] == 9).all()
    assert (classes[:, 75:] == 4).all()
    bands, mask = hub.processed[0], hub.processed[-1]
    assert bands["input"]["data"][0]["processing"]["upsampling"] == "NEAREST"
    assert mask["input"]["data"][0]["processing"] == {"upsampling": "NEAREST", "downsampling": "NEAREST"}


def test_radar_is_power_with_nan_where_missing(hub, tmp_path):
    hub.items = SLICES
    source, (one,) = find(hub, RADAR)
    scene = source.fetch(one, RADAR, tmp_path)
    (pixels,), geobox = read_cells(Path(scene.assets["VV"].path))
    np.testing.assert_allclose(pixels, power(*pixel_centres(geobox)), rtol=1e-6)
    assert np.isnan(pixels[0, 0])
    assert scene.assets["VV"].unit == "linear"
    assert math.isnan(scene.assets["VV"].nodata or math.nan)
    (data,) = hub.processed[0]["input"]["data"]
    assert data["processing"] == {
        "backCoeff": "SIGMA0_ELLIPSOID",
        "orthorectify": True,
        "demInstance": "COPERNICUS_30",
        "speckleFilter": {"type": "NONE"},
        "upsampling": "NEAREST",
    }
    assert data["dataFilter"]["acquisitionMode"] == "IW"
    assert data["dataFilter"]["polarization"] == "DV"
    assert data["dataFilter"]["orbitDirection"] == "ASCENDING"
    write_archive(tmp_path / "archive.yaml", [scene])
    assert read_archive(tmp_path / "archive.yaml") == [scene]


def test_gamma0_is_terrain_corrected(hub, tmp_path):
    hub.items = SLICES
    request = Request(**{**RADAR.__dict__, "calibration": "gamma0"})
    source, (one,) = find(hub, request)
    assert source.fetch(one, request, tmp_path).state["calibration"] == "gamma0"
    assert hub.processed[0]["input"]["data"][0]["processing"]["backCoeff"] == "GAMMA0_TERRAIN"


def test_a_pass_without_a_pixel_is_none(hub, tmp_path):
    hub.paints = {"B02": lambda x, _: x * np.nan, "B11": lambda x, _: x * np.nan}
    source, (one, _) = find(hub)
    assert source.fetch(one, OPTICAL, tmp_path) is None
    assert list(tmp_path.glob("*.tif")) == []


# trouble


def test_a_run_again_asks_only_for_what_is_missing(hub, tmp_path):
    source, (one, _) = find(hub)
    done = 4
    original = hub._process

    def refuse_after(request):
        return original(request) if hub.server.count(PROCESS_PATH) <= done else _forbidden()

    hub.server.route("POST", PROCESS_PATH, refuse_after)
    with pytest.raises(ArchiveError, match="403"):
        source.fetch(one, OPTICAL, tmp_path)
    assert list(tmp_path.glob("*.tif")) == []
    assert len(list((tmp_path / ".parts" / one.id).iterdir())) == done
    hub.server.route("POST", PROCESS_PATH, original)
    asked = hub.server.count(PROCESS_PATH)
    assert SentinelHubSource(hub.server.url).fetch(one, OPTICAL, tmp_path) is not None
    assert hub.server.count(PROCESS_PATH) - asked == 10 - done
    assert SentinelHubSource(hub.server.url).fetch(one, OPTICAL, tmp_path) is not None
    assert hub.server.count(PROCESS_PATH) - asked == 10 - done  # and then for nothing


def _forbidden() -> Answer:
    return Answer.of({"error": {"status": 403, "message": f"Account of {CLIENT_ID} has no units left"}}, 403)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_overcome(hub, tmp_path, status):
    source, (one, _) = find(hub)
    hub.server.misbehave(PROCESS_PATH, "status", status=status, times=2, headers={"Retry-After": "30"})
    start = time.monotonic()
    assert source.fetch(one, OPTICAL, tmp_path) is not None
    assert hub.server.count(PROCESS_PATH) == 10 + 2
    assert time.monotonic() - start < 5  # 30 milliseconds, not seconds


def test_a_request_to_wait_is_honoured_but_not_for_ever(hub, monkeypatch):
    waits = []
    monkeypatch.setattr(sentinel_hub_client.time, "sleep", waits.append)
    hub.server.misbehave(SEARCH_PATH, "status", status=429, times=1, headers={"Retry-After": "3398"})
    hub.server.misbehave(SEARCH_PATH, "status", status=429, times=1, headers={"Retry-After": "86400000"})
    hub.server.misbehave(TOKEN_PATH, "status", status=503, times=1, headers={"Retry-After": "7"})
    find(hub)
    assert waits == [7, 3.398, http.RETRY_AFTER_MAX_S]


def test_waiting_for_a_turn_ends(hub, monkeypatch):
    waits = []
    monkeypatch.setattr(sentinel_hub_client.time, "sleep", waits.append)
    hub.server.misbehave(SEARCH_PATH, "status", status=429, times=99, headers={"Retry-After": "50000"})
    with pytest.raises(ArchiveError, match="HTTP 429 in 17 attempts"):
        find(hub)
    assert 600 <= sum(waits) <= 600 + 5 * 60  # ten minutes, and four more attempts


@pytest.mark.parametrize("status", [429, 500])
def test_lasting_trouble_ends_with_a_remedy(hub, tmp_path, status):
    source, (one, _) = find(hub)
    hub.server.misbehave(PROCESS_PATH, "status", status=status, times=99)
    with pytest.raises(ArchiveError, match=rf"HTTP {status} in 5 attempts; .*run the same command again"):
        source.fetch(one, OPTICAL, tmp_path)
    assert hub.server.count(PROCESS_PATH) == http.RETRIES + 1


@pytest.mark.parametrize("kind", ["hang", "trickle", "truncate", "close"])
@pytest.mark.parametrize("path", [TOKEN_PATH, SEARCH_PATH, PROCESS_PATH])
def test_a_broken_connection_is_tried_again_in_bounded_time(hub, tmp_path, monkeypatch, kind, path):
    monkeypatch.setattr(sentinel_hub_client, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(sentinel_hub_client, "SLOW_AFTER_S", 0.15)
    found = passes(ITEMS[:1], OPTICAL, provider="x")[0]
    start = time.monotonic()
    hub.server.misbehave(path, kind, times=1, seconds=1)
    source, _ = find(hub)
    assert source.fetch(found, OPTICAL, tmp_path) is not None
    assert time.monotonic() - start < 4


def test_a_server_that_hangs_for_good_is_given_up(hub, monkeypatch):
    monkeypatch.setattr(sentinel_hub_client, "READ_TIMEOUT_S", 0.05)
    hub.server.misbehave(TOKEN_PATH, "hang", times=99, seconds=0.5)
    with pytest.raises(ArchiveError, match="no answer"):
        find(hub)


@pytest.mark.parametrize("body", [b"", b"II*\x00 not a picture", b"<html>maintenance</html>"])
def test_a_corrupt_picture_is_an_error_and_leaves_no_file(hub, tmp_path, body):
    source, (one, _) = find(hub)
    hub.server.misbehave(PROCESS_PATH, "body", body=body)
    with pytest.raises(ArchiveError, match="corrupt"):
        source.fetch(one, OPTICAL, tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_half_a_picture_is_an_error(hub, tmp_path):
    source, (one, _) = find(hub)
    asked = sentinel_hub.lattice(GRID, 10)[:140, :140]
    whole = hub._picture(
        {
            "input": {"bounds": {"bbox": list(asked.boundingbox), "properties": {"crs": "x/32631"}}},
            "output": {"width": 140, "height": 140},
            "evalscript": reflectance_script(("B2", "B11")),
        }
    )
    hub.server.misbehave(PROCESS_PATH, "body", body=whole[: len(whole) * 2 // 3])
    with pytest.raises(ArchiveError, match="corrupt"):
        source.fetch(one, OPTICAL, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda picture: picture[:, :100], r"got \(2, 100, 140\)"),
        (lambda picture: picture[:1], r"got \(1, 140, 140\)"),
        (lambda picture: picture.astype(np.float32), "float32"),
    ],
)
def test_another_picture_than_asked_for_is_refused(hub, tmp_path, spoil, match):
    source, (one, _) = find(hub)
    hub.spoil = spoil
    with pytest.raises(ArchiveError, match=match):
        source.fetch(one, OPTICAL, tmp_path)


def test_a_picture_of_another_place_is_refused(hub, tmp_path):
    source, (one, _) = find(hub)
    hub.moved_m = 10
    with pytest.raises(ArchiveError, match="expected a picture of"):
        source.fetch(one, OPTICAL, tmp_path)
    hub.moved_m = 1e-6  # rounding
    assert source.fetch(one, OPTICAL, tmp_path) is not None


def test_a_catalogue_that_speaks_otherwise_is_an_error(hub):
    hub.server.misbehave(SEARCH_PATH, "body", body=b"<html>")
    with pytest.raises(ArchiveError, match="page of items"):
        find(hub)
    hub.server.misbehave(SEARCH_PATH, "body", body=b'{"features": [{}]}')
    with pytest.raises(ArchiveError, match="page of items"):
        find(hub)
    hub.items = [{"id": "x", "properties": {"datetime": "2024-06-04"}}]
    with pytest.raises(ArchiveError, match="item x"):
        find(hub)


# credentials


def test_missing_credentials_are_an_error_with_a_remedy(monkeypatch, tmp_path):
    monkeypatch.delenv("SH_CLIENT_ID", raising=False)
    monkeypatch.delenv("SH_CLIENT_SECRET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ArchiveError, match="SH_CLIENT_ID and SH_CLIENT_SECRET"):
        SentinelHubSource("copernicus").search(OPTICAL)
    assert list(tmp_path.iterdir()) == []  # sentinelhub would write an empty profile


def test_credentials_may_come_from_the_profile(monkeypatch, tmp_path):
    monkeypatch.delenv("SH_CLIENT_ID", raising=False)
    monkeypatch.delenv("SH_CLIENT_SECRET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    profile = tmp_path / "sentinelhub" / "config.toml"
    profile.parent.mkdir()
    profile.write_text(
        '[default-profile]\nsh_client_id = "a"\nsh_client_secret = "b"\nsh_base_url = "https://sh.dataspace.copernicus.eu"\n'
    )
    own, preset = service(None), service("sentinel_hub")
    assert (own.sh_client_id, own.sh_base_url) == ("a", "https://sh.dataspace.copernicus.eu")
    assert preset.sh_base_url == "https://services.sentinel-hub.com"
    assert own.max_retries == http.RETRIES
    profile.write_text('[another]\nsh_client_secret = "hidden-in-a-broken-profile')
    with pytest.raises(ArchiveError, match="profile cannot be read") as caught:
        service(None)
    assert "hidden-in" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("endpoint", ["sentinelhub", "http://example.org", "https://user:word@example.org", "ftp://x"])
def test_unknown_or_open_endpoints_are_refused(hub, endpoint):
    source = SentinelHubSource(endpoint)
    with pytest.raises(ArchiveError, match="https") as caught:
        source.search(OPTICAL)
    assert "word" not in source.name + str(caught.value)


def test_presets_lead_to_the_documented_addresses():
    assert addresses("copernicus")[0] == "https://sh.dataspace.copernicus.eu"
    assert addresses("copernicus")[1].startswith("https://identity.dataspace.copernicus.eu/auth/realms/CDSE/")
    assert addresses("https://services-uswest2.sentinel-hub.com/")[1].startswith(
        "https://services.sentinel-hub.com/auth"
    )


def test_a_netrc_does_not_replace_the_token(hub, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert len(find(hub)[1]) == 2


def test_the_token_is_asked_for_once_and_again_when_it_ends(hub, monkeypatch):
    source, _ = find(hub)
    source.search(OPTICAL)
    assert hub.server.count(TOKEN_PATH) == 1
    monkeypatch.setattr(sentinel_hub_client.time, "time", lambda: 4e9)
    source.search(OPTICAL)
    assert hub.server.count(TOKEN_PATH) == 2


def test_secrets_stay_secret(hub, tmp_path, monkeypatch, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    source, (one, _) = find(hub)
    told = [repr(source), str(vars(source)), repr(one), source.cost([one], OPTICAL)]
    scene = source.fetch(one, OPTICAL, tmp_path / "scenes")
    told.append(repr(scene))
    write_archive(tmp_path / "scenes" / "archive.yaml", [scene])
    hub.server.route("POST", PROCESS_PATH, lambda _: _forbidden())
    told.append(_told(lambda: source.fetch(one, OPTICAL, tmp_path / "again")))
    for kind in ("close", "truncate"):
        hub.server.misbehave(TOKEN_PATH, kind, times=99)
        told.append(_told(lambda: SentinelHubSource(hub.server.url).search(OPTICAL)))
        hub.server._faults.clear()
    hub.server.misbehave(TOKEN_PATH, "body", body=f'{{"acces": "{TOKEN}"}}'.encode())
    told.append(_told(lambda: SentinelHubSource(hub.server.url).search(OPTICAL)))
    monkeypatch.setenv("SH_CLIENT_ID", CLIENT_ID + "-wrong")  # the answer repeats what was sent
    told.append(_told(lambda: SentinelHubSource(hub.server.url).search(OPTICAL)))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 3
    told += [file.read_bytes().decode("latin-1") for file in files]
    told += [*capfd.readouterr(), *(record.getMessage() + str(record.args) for record in caplog.records)]
    for secret in (CLIENT_ID, CLIENT_SECRET, TOKEN):
        assert not any(secret in text for text in told)


def _told(action) -> str:
    with pytest.raises(ArchiveError) as caught:
        action()
    error = caught.value
    links = [str(error), repr(error), "".join(traceback.format_exception(error))]
    while (error := error.__cause__ or error.__context__) is not None:
        links += [str(error), repr(error)]
    return "\n".join(links)


def test_files_lie_on_the_padded_grid(hub, tmp_path):
    source, (one, _) = find(hub)
    scene = source.fetch(one, OPTICAL, tmp_path)
    assert file_lattice(scene.assets["B2"].path) == lattice(GRID, 10)


def test_what_was_found_survives_being_written_down_and_is_fetched_in_threads(hub, tmp_path, capsys):
    source = SentinelHubSource(hub.server.url)
    search_archive(source, OPTICAL, tmp_path / "found.json", max_dates=5)
    scenes = fetch_scenes(source, read_found(tmp_path / "found.json"), OPTICAL, tmp_path / "scenes" / "archive.yaml")
    assert [scene.platform for scene in scenes] == ["sentinel-2a", "sentinel-2b"]
    assert read_archive(tmp_path / "scenes") == scenes
    assert "processing units" in capsys.readouterr().out
    assert hub.server.count(TOKEN_PATH) == 1
    assert not list(tmp_path.rglob("*.npy"))
