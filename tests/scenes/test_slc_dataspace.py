import io
import json
import logging
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import shapely
from fake_dataspace import NAME, PASSWORD, FakeDataSpace, Product
from loopback import Loopback
from tiny_archive import make_grid

from lczmap.sar.safe import open_slc
from lczmap.scenes.slc import access
from lczmap.scenes.slc import dataspace as module
from lczmap.scenes.slc.access import AccountError
from lczmap.scenes.slc.batch import download_products
from lczmap.scenes.slc.dataspace import DataSpaceSource, data_space
from lczmap.scenes.slc.registry import make_slc_source
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError, Request

pytestmark = pytest.mark.server

PRODUCTS = [
    Product("A", "20260105", unit="AAAA"),
    Product("C", "20260111", unit="CCCC", relative_orbit=110),
    Product("D", "20260117", unit="DDDD"),
    Product("D", "20260117", unit="HHHH", polarisations="HH&HV"),
    Product("C", "20260123", unit="FAFA", facts={"Online": False}),
    Product("A", "20260105", unit="FA44", west=30.0),
    Product("A", "20260105", unit="0CEA", type="IW_GRDH_1S"),
    Product("A", "20260301", unit="1A7E"),
]
STORE = r"/store/.*"


def request(**other) -> Request:
    return Request(make_grid(), "sentinel-1", "2026-01-01", "2026-02-01", ("VH", "VV"), **other)


@pytest.fixture
def server(monkeypatch) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.02)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.6)
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Loopback() as server:
        yield server


@pytest.fixture
def space(server, tmp_path, monkeypatch) -> FakeDataSpace:
    monkeypatch.setenv("CDSE_USERNAME", NAME)
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)
    (tmp_path / "held").mkdir()
    return FakeDataSpace(server, PRODUCTS, tmp_path / "held")


@pytest.fixture
def source(space, server) -> DataSpaceSource:
    return make_slc_source("dataspace", endpoint=server.url)


@pytest.fixture
def found(source):
    return source.search(request())[0]


def test_products_of_all_satellites_with_both_polarisations_are_found(source, server, capsys):
    found = source.search(request())
    assert [one.id for one in found] == [p.name for p in PRODUCTS[:3]]
    assert [one.platform for one in found] == ["sentinel-1a", "sentinel-1c", "sentinel-1d"]
    assert [(one.orbit_direction, one.relative_orbit) for one in found] == [
        ("ascending", 59), ("ascending", 110), ("ascending", 59),
    ]  # fmt: skip
    assert found[0].state == {"product": "slc", "calibration": "sigma0"}
    assert (found[0].datetime, found[0].bounds) == ("2026-01-05T17:40:00Z", (-0.6, 51.5, 3.4, 53.5))
    assert shapely.geometry.shape(found[0].footprint).equals(PRODUCTS[0].outline)
    assert server.count("/odata/v1/Products") == 3  # five products in pages of two
    said = capsys.readouterr().out
    assert "1 of 4 products are not online" in said and PRODUCTS[4].name in said
    assert "about 0.0 GB in 3 whole sentinel-1 products" in source.cost(found, request())
    assert "CDSE_USERNAME" in source.cost(found, request())


def test_search_needs_no_account(server, tmp_path):
    FakeDataSpace(server, PRODUCTS, tmp_path)
    assert len(make_slc_source("dataspace", endpoint=server.url).search(request())) == 3
    assert server.count("/auth/.*") == 0


def test_recorded_answer_of_the_service_has_the_keys_that_are_read(real_data):
    recorded = json.loads((real_data / "stac" / "cop_dataspace_search.json").read_text())
    ours = PRODUCTS[0].item()
    for item in recorded["value"]:
        assert set(ours) <= set(item) and module._UUID.fullmatch(item["Id"])
        assert [set(one) for one in item["Checksum"]] == [set(one) for one in ours["Checksum"]]
        assert {tuple(sorted(one)) for one in item["Attributes"]} == {tuple(sorted(one)) for one in ours["Attributes"]}
    named = {one["Name"] for one in recorded["value"][0]["Attributes"]}
    assert {"relativeOrbitNumber", "platformShortName", "platformSerialIdentifier", "productType"} <= named
    with pytest.raises(ArchiveError, match=r"S2A_MSIL1C_.*KeyError"):  # as far as it is one of Sentinel-2
        module._Item(recorded["value"][0], "http://x/y")


def test_city_across_the_antimeridian_asks_for_both_sides(monkeypatch):
    monkeypatch.setattr(module, "city_bounds", lambda _: (179.5, -17.5, -179.5, -16.5))
    west, east = (shapely.from_wkt(box).bounds for box in module._boxes(request()))
    assert (west, east) == ((179.5, -17.5, 180, -16.5), (-180, -17.5, -179.5, -16.5))


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("status", {"status": 403}, "/odata/v1/Products: HTTP 403; access is refused"),
        ("status", {"status": 503}, "Products: .*run the same command again"),
        ("hang", {"seconds": 1.5}, "Products: .*run the same command again"),
        ("body", {"body": b"<html>"}, "Products: expected JSON"),
        ("body", {"body": b'{"detail": "bad filter"}'}, "expected an answer of OData"),
        ("body", {"body": b'{"value": [{"Name": "S1C_x"}]}'}, "product S1C_x: expected OData of Sentinel-1 SLC"),
        ("body", {"body": b'{"value": [7]}'}, "product None: expected OData"),
        ("body", {"body": b'{"value": [], "@odata.nextLink": "http://elsewhere/x?$skip=2"}'}, "elsewhere, at http://elsewhere/x"),
        ("body", {"body": b'{"value": [], "@odata.nextLink": "http://h\\\\@127.0.0.1/x"}'}, "expected a plain address"),
        ("status", {"status": 301, "headers": {"Location": "http://127.0.0.1:1/gone"}}, "run the same command again"),
    ],
)  # fmt: skip
def test_search_that_fails_is_a_clear_error(source, server, monkeypatch, kind, how, message):
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave("/odata/v1/Products", kind, times=1000, **how)
    with pytest.raises(ArchiveError, match=message):
        source.search(request())


def test_pages_that_do_not_end_are_a_clear_error(source, server, monkeypatch):
    monkeypatch.setattr(module, "MOST_PAGES", 3)
    page = json.dumps({"value": [], "@odata.nextLink": f"{server.url}/odata/v1/Products?$skip=0"}).encode()
    server.misbehave("/odata/v1/Products", "body", times=1000, body=page)
    with pytest.raises(ArchiveError, match="more than 3 pages"):
        source.search(request())


@pytest.mark.parametrize("asked", [{"calibration": "gamma0"}, {"sensor": "sentinel-2"}])
def test_only_sigma0_of_sentinel_1_is_offered(source, asked):
    with pytest.raises(ArchiveError, match="expected sentinel-1 calibrated to sigma0, got"):
        source.search(Request(**{**request().__dict__, **asked}))


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "..", "", "S1A_IW_SLC__1SDV_/../../escaped"])
def test_name_that_would_lead_out_of_the_folder_is_refused(source, space, found, tmp_path, name):
    space.products = [Product("A", "20260105", facts={"Name": f"{name}.SAFE"})]
    with pytest.raises(ArchiveError, match=r"Name: expected S1.*, got"):
        source.search(request())
    with pytest.raises(ArchiveError, match=r"expected S1.*, got"):  # found.json was edited
        source.download(replace(found, id=name), tmp_path / "a" / "b" / "out")
    assert not (tmp_path / "a").exists() and not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("uuid", ["x", "../Products", "0)/Nodes(x", None])
def test_id_that_is_none_is_refused(source, space, found, tmp_path, uuid):
    space.products = [Product("A", "20260105", facts={"Id": uuid})]
    with pytest.raises(ArchiveError, match=r"Id: expected .*, got"):
        source.search(request())
    with pytest.raises(ArchiveError, match=rf"Id of {found.id}: expected .*, got"):
        source.download(replace(found, item={**found.item, "uuid": uuid}), tmp_path)


def other_size(space: FakeDataSpace, tmp_path: Path) -> Product:
    """A product whose size and checksum in the catalogue are not those of the zip file that is sent."""
    facts = {"ContentLength": 7_000, "Checksum": [{"Algorithm": "MD5", "Value": "0" * 32}]}
    one = Product("A", "20260105", facts=facts)
    space.products = [one]
    (tmp_path / "held" / f"{one.uuid}.zip").write_bytes(one.packed)
    return one


def test_size_that_is_not_the_catalogues_is_said_and_the_zip_files_own_checksums_count(
    source, space, server, tmp_path, capsys, monkeypatch
):
    one = other_size(space, tmp_path)
    (found,) = source.search(request())
    assert source.download(found, tmp_path / "a").read_bytes() == one.packed
    said = capsys.readouterr().out
    assert f"expected 7000 bytes, the service has {len(one.packed)}" in said and "its checksum" in said
    spoilt = bytearray(one.packed)
    spoilt[1000] ^= 1
    server.misbehave(STORE, "body", body=bytes(spoilt), times=3)
    with pytest.raises(ArchiveError, match="is corrupt in the zip file, twice"):
        source.download(found, tmp_path / "b")
    server.misbehave(STORE, "body", body=b"<html>", times=3)
    with pytest.raises(ArchiveError, match="expected a zip file, got none that can be read"):
        source.download(found, tmp_path / "c")
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave(STORE, "truncate", times=3)
    with pytest.raises(ArchiveError, match="the connection broke in 2 attempts"):
        source.download(found, tmp_path / "d")
    assert not list(tmp_path.glob("[bcd]/*.zip"))


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        ((6, 8), b"\x01", "none that can be read .*encrypted"),
        ((8, 10), b"\x63", "stored and deflated files, got a in another way"),
    ],
)
def test_zip_file_that_cannot_be_checked_is_no_product(tmp_path, places, value, message):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "hello")
    content, (local, central) = bytearray(packed.getvalue()), places
    directory = content.find(b"PK\x01\x02")
    content[local : local + 1], content[directory + central : directory + central + 1] = value, value
    (tmp_path / "a.zip").write_bytes(content)
    assert re.search(message, module._zip_fault(tmp_path / "a.zip"))


def test_password_that_is_refused_is_sent_once(source, server, tmp_path, monkeypatch):
    monkeypatch.setenv("CDSE_PASSWORD", "wrong")
    found = source.search(request())
    with pytest.raises(AccountError, match="not accepted"):
        download_products(source, found, tmp_path / "out", tmp_path / "products.json")
    with pytest.raises(AccountError, match="not accepted"):
        source.download(found[1], tmp_path / "out")
    assert len(found) == 3 and server.count("/auth/.*") == 1


def test_product_comes_whole_and_once(source, server, found, tmp_path):
    path = source.download(found, tmp_path / "out")
    assert path == tmp_path / "out" / f"{PRODUCTS[0].name}.zip" and path.read_bytes() == PRODUCTS[0].packed
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    before = len(server.requests)
    assert source.download(found, tmp_path / "out") == path and len(server.requests) == before


def test_token_stays_with_the_service(source, space, server, found, tmp_path):
    space.sent_to = server.url.replace("127.0.0.1", "localhost") + "/store"
    source.download(found, tmp_path)
    sent = {r.path.split("/")[1]: r.headers.get("Authorization") for r in server.requests}
    assert sent["odata"] == "Bearer token-1" and sent["store"] is None  # another host
    assert access.may_carry("https://download.dataspace.copernicus.eu/x", data_space(None).domains)
    for url in (
        "https://dataspace.copernicus.eu.evil.org/x", "https://evildataspace.copernicus.eu/",
        "http://download.dataspace.copernicus.eu/x", "https://s3.example.org/?host=dataspace.copernicus.eu",
    ):  # fmt: skip
        assert not access.may_carry(url, data_space(None).domains)


def test_nothing_that_is_written_or_said_holds_a_credential(source, space, server, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    (found, *_) = source.search(request())
    server.misbehave(STORE, "truncate", times=2)
    path = source.download(found, tmp_path / "out")
    space.tokens.clear()
    server.misbehave(r"/auth/.*", "status", status=401, body=f"{NAME} {PASSWORD}".encode(), times=9)
    path.unlink()
    with pytest.raises(ArchiveError) as refused:
        source.download(found, tmp_path / "out")
    said = [json.dumps(asdict(found)), caplog.text, str(capfd.readouterr()), repr(refused.value)]
    said.append(source.cost([found], request()))
    assert not any(secret in "".join(said) for secret in (NAME, PASSWORD, "token-1", "given-token", "p%2Bss"))
    assert refused.value.__cause__ is None


def test_token_that_ends_during_a_download_is_renewed_and_the_download_goes_on(source, space, server, found, tmp_path):
    server.misbehave(STORE, "truncate", times=1)
    value = space._value
    asked = []

    def once_then_expired(request):
        asked.append(request.headers["Authorization"])
        if len(asked) == 2:
            space.tokens.clear()
        return value(request)

    server.route("GET", r"/odata/v1/Products\((?P<id>[^)]+)\)/\$value", once_then_expired)
    assert source.download(found, tmp_path / "out").read_bytes() == PRODUCTS[0].packed
    assert asked == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    parts = [r.headers.get("Range") for r in server.requests if r.path.startswith("/store")]
    assert parts == [None, f"bytes={len(PRODUCTS[0].packed) // 2}-"]


def test_token_is_renewed_before_it_ends(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CDSE_USERNAME", NAME)
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)
    (tmp_path / "held").mkdir()
    space = FakeDataSpace(server, PRODUCTS, tmp_path / "held", lasts_s=61)  # one second beyond the margin
    source = make_slc_source("dataspace", endpoint=server.url)
    one, two, three = source.search(request())
    source.download(one, tmp_path)
    source.download(two, tmp_path)
    assert space.grants == 1
    time.sleep(1.1)
    source.download(three, tmp_path)
    assert space.grants == 2


def test_token_from_the_environment_is_used_as_it_is(source, space, server, found, tmp_path, monkeypatch):
    monkeypatch.delenv("CDSE_USERNAME")
    monkeypatch.setenv("CDSE_ACCESS_TOKEN", "given-token")
    source.download(found, tmp_path / "a")
    assert server.count("/auth/.*") == 0
    space.tokens.clear()
    with pytest.raises(ArchiveError, match=r"HTTP 401; .*CDSE_ACCESS_TOKEN to a token .* lasts ten minutes"):
        source.download(found, tmp_path / "b")


def test_without_an_account_the_message_says_which_variables_to_set(source, found, tmp_path, monkeypatch):
    monkeypatch.delenv("CDSE_PASSWORD")
    with pytest.raises(ArchiveError, match="none is given: set CDSE_USERNAME and CDSE_PASSWORD"):
        source.download(found, tmp_path)


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("status", {"status": 401}, "HTTP 401: name or password are not accepted; set CDSE_USERNAME"),
        ("status", {"status": 503}, "token: .*run the same command again"),
        ("status", {"status": 404}, "token: HTTP 404; nothing is there"),
        ("body", {"body": b"<html>token-9"}, "expected a token, got something else"),
        ("body", {"body": b"[]"}, "expected a token, got something else"),
        ("hang", {"seconds": 1.5}, "token: no "),
    ],
)
def test_token_that_is_not_granted_is_a_clear_error(source, server, found, tmp_path, monkeypatch, kind, how, message):
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave("/auth/.*", kind, times=1000, **how)
    with pytest.raises(ArchiveError, match=message) as error:
        source.download(found, tmp_path)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (r"/odata/v1/Products\(.*", 403, r"\$value: HTTP 403; access is refused: .*; set CDSE_USERNAME"),
        (r"/odata/v1/Products\(.*", 404, r"\$value: HTTP 404; nothing is there: check the address, or search again"),
        (r"/odata/v1/Products\(.*", 429, "HTTP 429 in 3 attempts"),
        (STORE, 500, r"HTTP 500 in 3 attempts; .*run the same command again later; what has been fetched is kept"),
        (STORE, 401, "HTTP 401; the archive asks for credentials"),
    ],
)
def test_download_that_is_refused_is_a_clear_error(source, server, found, tmp_path, monkeypatch, path, status, message):
    monkeypatch.setattr(http, "RETRIES", 2)
    server.misbehave(path, "status", status=status, times=1000)
    with pytest.raises(ArchiveError, match=message):
        source.download(found, tmp_path / "out")
    assert list((tmp_path / "out").glob("*.zip")) == []


def test_wrong_checksum_is_fetched_once_more_and_then_an_error(source, server, found, tmp_path):
    spoilt = bytes(len(PRODUCTS[0].packed))
    server.misbehave(STORE, "body", body=spoilt)
    assert source.download(found, tmp_path / "a").read_bytes() == PRODUCTS[0].packed
    server.misbehave(STORE, "body", body=spoilt, times=2)
    with pytest.raises(ArchiveError, match=r"expected the MD5 .*, got .*, twice"):
        source.download(found, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_without_a_stated_checksum_the_zip_files_own_are_checked(source, space, server, tmp_path):
    space.products = [Product("C", "20260111", facts={"Checksum": [], "ContentLength": 0})]
    (tmp_path / "held" / f"{space.products[0].uuid}.zip").write_bytes(space.products[0].packed)
    (found,) = source.search(request())
    assert (found.item["md5"], found.item["bytes"]) == (None, None)
    spoilt = bytearray(space.products[0].packed)
    spoilt[1000] ^= 1
    server.misbehave(STORE, "body", body=bytes(spoilt), times=2)
    with pytest.raises(ArchiveError, match=r"measurement/a.tiff is corrupt in the zip file, twice"):
        source.download(found, tmp_path / "a")
    server.misbehave(STORE, "body", body=b"<html>", times=2)
    with pytest.raises(ArchiveError, match="expected a zip file, got none that can be read"):
        source.download(found, tmp_path / "a")
    assert source.download(found, tmp_path / "a").read_bytes() == space.products[0].packed


def test_downloaded_zip_is_read_as_a_product(source, space, server, tmp_path, real_data):
    name = "S1A_IW_SLC__1SDV_20200511T135117_20200511T135144_032518_03C421_7768"
    real = Product("A", "20260111", packed=(real_data / "safe" / f"{name}.zip").read_bytes())
    real.facts["Name"] = f"{name}.SAFE"
    space.products = [real]
    (tmp_path / "held" / f"{real.uuid}.zip").write_bytes(real.packed)
    (found,) = source.search(request())
    product = open_slc(source.download(found, tmp_path / "out"))
    assert product.id == found.id == name and product.platform == found.platform
    assert set(product.swaths) == {"IW1", "IW2", "IW3"}


@pytest.mark.parametrize("endpoint", ["http://example.org", "ftp://127.0.0.1", "https://me:secret@example.org", "x"])
def test_endpoint_that_would_carry_credentials_unencrypted_is_refused(endpoint):
    with pytest.raises(ArchiveError, match="https") as error:
        make_slc_source("dataspace", endpoint=endpoint)
    assert "secret" not in str(error.value)
