import hashlib
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import shapely
from asf_search import ASFSearchOptions
from asf_search.CMR import build_subqueries, translate_opts
from asf_search.Products import S1BurstProduct
from fake_asf import (
    BURSTS,
    LINES,
    NAME,
    PASSWORD,
    POLARISATIONS,
    SAMPLES,
    TOKEN,
    FakeAsf,
    Slice,
    contents,
    pixels,
    real_metadata,
    write_tiff,
)
from loopback import Loopback
from tiny_archive import make_grid

from lczmap.raster import read_window
from lczmap.sar.safe import open_slc
from lczmap.scenes.overpass import group_passes
from lczmap.scenes.slc import asf as asf_module
from lczmap.scenes.slc import asf_bursts, download
from lczmap.scenes.slc.access import AccountError
from lczmap.scenes.slc.asf import AsfSource
from lczmap.scenes.slc.registry import make_slc_source
from lczmap.scenes.sources import http
from lczmap.scenes.sources.choose import choose
from lczmap.scenes.sources.source import ArchiveError, Found, Request

pytestmark = pytest.mark.server

# the city and its margin lie at 1.49..1.60° E and 52.29..52.36° N: in swaths IW1 and IW2, on bursts 1 and 2 of `south`
LOW = Slice("A", "2026-01-11T17:40:00", "AAAA")
HIGH = Slice("A", "2026-01-11T17:40:25", "BBBB", south=52.32)  # the next slice of the same pass
OTHERS = [
    Slice("C", "2026-01-17T06:05:00", "CCCC", 61_000, 110, "DESCENDING"),
    Slice("D", "2026-01-23T17:40:00", "DDDD", 9_000),
]
LATE = Slice("D", "2026-03-01T17:40:00", "1A7E", 9_500)
STORE = r"/store/.*"


def request(**other) -> Request:
    return Request(make_grid(), "sentinel-1", "2026-01-01", "2026-02-01", ("VH", "VV"), **other)


@pytest.fixture
def server(monkeypatch) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.02)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.6)
    monkeypatch.setattr(download, "PREPARED_AFTER_S", 0.01)
    for name in ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with Loopback() as server:
        yield server


@pytest.fixture
def asf(server, tmp_path) -> FakeAsf:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "small.xml").write_text("<small/>")
    asf = FakeAsf(server, [LOW, HIGH, *OTHERS, LATE], tmp_path / "held")
    asf.hold()
    return asf


@pytest.fixture
def source(asf, monkeypatch) -> AsfSource:
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    return AsfSource(asf.service)


@pytest.fixture
def found(source) -> Found:
    return source.search(request())[0]


def give_credentials(monkeypatch, way: str) -> None:
    given = {"token": {"TOKEN": TOKEN}, "password": {"USERNAME": NAME, "PASSWORD": PASSWORD}}[way]
    for name, value in given.items():
        monkeypatch.setenv(f"EARTHDATA_{name}", value)


def chosen(found: Found) -> set[tuple[str, int, str]]:
    return {(b["swath"], b["index"], b["polarisation"]) for b in found.item["bursts"]}


def test_bursts_that_touch_the_city_are_found_by_product(source):
    found = source.search(request())
    assert [one.id for one in found] == [one.name for one in (LOW, HIGH, *OTHERS)]
    assert [one.platform for one in found] == ["sentinel-1a", "sentinel-1a", "sentinel-1c", "sentinel-1d"]
    assert [(one.orbit_direction, one.relative_orbit) for one in found] == [
        ("ascending", 59), ("ascending", 59), ("descending", 110), ("ascending", 59),
    ]  # fmt: skip
    assert found[0].state == {"product": "slc", "calibration": "sigma0"}
    assert found[0].datetime == "2026-01-11T17:40:04Z"  # of its first chosen burst: index 1 of IW2
    assert chosen(found[0]) == {("IW2", i, p) for i in (1, 2) for p in POLARISATIONS}
    assert chosen(found[1]) == {("IW2", 0, p) for p in POLARISATIONS}
    outline = shapely.union_all([LOW.outline("IW2", 1), LOW.outline("IW2", 2)])
    assert shapely.geometry.shape(found[0].footprint).equals(outline)
    assert found[0].bounds == pytest.approx(outline.bounds)
    assert found[0].item["absolute_orbit"] == 60_000
    assert json.loads(json.dumps(found[0].item)) == found[0].item  # can be written down


def test_slices_of_one_pass_are_one_date_and_both_are_taken(source):
    found = source.search(request())
    assert [len(group) for group in group_passes(found)] == [2, 1, 1]
    taken, dropped = choose(found, request(), max_dates=1)
    assert [one.id for one in taken] == [LOW.name, HIGH.name]
    assert dropped == {"beyond the dates that are wanted": 2}


def test_burst_without_one_polarisation_is_left_out_and_reported(source, asf, capsys):
    asf.lacking = {("AAAA", "IW2", 1, "VH"), *(("BBBB", "IW2", i, "VV") for i in range(BURSTS))}
    found = {one.id: one for one in source.search(request())}
    assert chosen(found[LOW.name]) == {("IW2", 2, p) for p in POLARISATIONS} and HIGH.name not in found
    assert (
        f"2 of 4 products lack VV or VH for some bursts, which are left out, such as {LOW.name}"
        in capsys.readouterr().out
    )


def test_search_needs_no_account_and_says_what_a_download_needs(asf, server):
    source = AsfSource(asf.service)
    found = source.search(request())
    cost = source.cost(found, request())
    assert "in 14 bursts of 4 sentinel-1 products from ASF" in cost
    assert "EARTHDATA_TOKEN" in cost and asf.logins == 0


def test_query_is_the_one_of_asf_search(monkeypatch):
    monkeypatch.setattr(asf_bursts, "city_bounds", lambda _: (12.0, 41.0, 13.0, 42.5))
    options = ASFSearchOptions(
        dataset="SLC-BURST", intersectsWith="POLYGON((12 41,13 41,13 42.5,12 42.5,12 41))", beamMode="IW",
        start="2026-01-01T00:00:00Z", end="2026-02-01T23:59:59Z", relativeOrbit=[117], flightDirection="ASCENDING",
    )  # fmt: skip
    (theirs,) = (translate_opts(one) for one in build_subqueries(options))
    ours = asf_bursts.burst_query(request(orbit="ascending", relative_orbit=117))
    form = ("page_size", "sort_key[]", "options[temporal][and]", "options[platform][ignore_case]")

    def facts(query):
        values = {(key, value.rstrip(",")) for key, value in query if key not in form and key != "bounding_box"}
        return values, [float(edge) for edge in dict(query)["bounding_box"].split(",")]

    assert facts(ours) == facts(theirs)


def test_items_are_understood_as_asf_search_understands_them(asf):
    for item in asf.items():
        ours, theirs = asf_bursts._burst(item, "x"), S1BurstProduct(item).properties
        assert (ours.file.url, ours.file.metadata_url) == (theirs["url"], theirs["additionalUrls"][0])
        assert (ours.file.swath, ours.file.index) == (theirs["burst"]["subswath"], theirs["burst"]["burstIndex"])
        assert (ours.file.polarisation, ours.file.bytes) == (theirs["polarization"], int(theirs["bytes"]))
        assert (ours.relative_orbit, ours.absolute_orbit) == (theirs["pathNumber"], theirs["orbit"])
        assert ours.orbit_direction == theirs["flightDirection"].lower()
        assert ours.platform == (theirs["platform"] or item["umm"]["Platforms"][0]["ShortName"]).lower()
        assert datetime.fromisoformat(ours.start) == datetime.fromisoformat(theirs["startTime"]).replace(microsecond=0)


def test_pages_are_joined_and_one_that_lacks_items_is_asked_for_again(source, server, monkeypatch):
    whole = source.search(request())
    monkeypatch.setattr(asf_bursts, "PAGE_SIZE", 3)
    short = json.dumps({"hits": 14, "items": []}).encode()
    server.misbehave("/search/.*", "body", body=short, times=2)
    assert source.search(request()) == whole
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave("/search/.*", "body", body=short, times=1000)
    with pytest.raises(ArchiveError, match=r"page 1 lacks items; .*run the same command again"):
        source.search(request())


def test_catalogue_without_end_is_a_clear_error(source, asf, server, monkeypatch):
    monkeypatch.setattr(asf_bursts, "PAGE_SIZE", 1)
    monkeypatch.setattr(asf_bursts, "MOST_PAGES", 3)
    page = json.dumps({"hits": 10**9, "items": [asf._item(LOW, "IW2", 1, "VV")]}).encode()
    server.misbehave("/search/.*", "body", body=page, times=1000)
    with pytest.raises(ArchiveError, match="more than 3 pages"):
        source.search(request())
    assert server.count("/search/.*") == 3


UNSAFE = [
    ("product", "../../escaped"),
    ("product", "S1A_IW_SLC__1SDV_/../../escaped"),
    ("product", "/escaped"),
    ("swath", "../IW2"),
    ("swath", "IW4"),
    ("index", -1),
]


@pytest.mark.parametrize(("what", "value"), UNSAFE)
def test_name_that_would_lead_out_of_the_folder_is_refused(source, asf, found, tmp_path, monkeypatch, what, value):
    item = asf._item(LOW, "IW2", 1, "VV")
    if what == "product":
        item["umm"]["InputGranules"] = [f"{value}-SLC"]
        edited = replace(found, id=value)
    else:
        name = {"swath": "SUBSWATH_NAME", "index": "BURST_INDEX"}[what]
        item["umm"]["AdditionalAttributes"] += [{"Name": name, "Values": [str(value)]}]
        edited = replace(found, item={"bursts": [{**found.item["bursts"][0], what: value}]})
    monkeypatch.setattr(asf, "_item", lambda *_: item)
    with pytest.raises(ArchiveError, match=rf"expected .* got .*{re.escape(str(value))}"):
        source.search(request())
    with pytest.raises(ArchiveError, match=rf"expected .* got .*{re.escape(str(value))}"):  # found.json was edited
        source.download(edited, tmp_path / "a" / "b" / "out")
    assert not (tmp_path / "a").exists() and not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("status", {"status": 400}, "/search/granules.umm_json: HTTP 400"),
        ("status", {"status": 503}, "umm_json: .*run the same command again"),
        ("hang", {"seconds": 1.5}, "umm_json: .*run the same command again"),
        ("body", {"body": b"<html>"}, "umm_json: expected JSON"),
        ("body", {"body": b'{"errors": ["no"]}'}, "umm_json: expected items of CMR"),
        ("body", {"body": b'{"hits": 1, "items": [{"umm": {"GranuleUR": "S1_1"}}]}'}, "item S1_1: expected UMM"),
        ("body", {"body": b'{"hits": 1, "items": [7]}'}, "item None: expected UMM"),
    ],
)
def test_search_that_fails_is_a_clear_error(source, server, monkeypatch, kind, how, message):
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave("/search/.*", kind, times=1000, **how)
    with pytest.raises(ArchiveError, match=message):
        source.search(request())


@pytest.mark.parametrize("letter", ["A", "C", "D"])
def test_safe_holds_the_bursts_at_their_lines_and_the_products_own_annotation(source, tmp_path, letter):
    one = {"A": LOW, "C": OTHERS[0], "D": OTHERS[1]}[letter]
    (found,) = (f for f in source.search(request()) if f.id == one.name)
    safe = source.download(found, tmp_path / "out")
    assert safe.name == f"{one.name}.SAFE"
    assert [p.name for p in safe.parent.iterdir()] == [safe.name]  # the bursts' own files are gone
    stems = {image: one.stem(image) for image in (("IW2", "VV"), ("IW2", "VH"))}
    expected = {"manifest.safe"}
    for image, stem in stems.items():
        path = safe / "measurement" / f"{stem}.tiff"
        image_pixels = read_window(path, slice(0, BURSTS * LINES), slice(0, SAMPLES), shape=(BURSTS * LINES, SAMPLES))
        whole = np.zeros((BURSTS * LINES, SAMPLES), np.complex64)
        for index in (1, 2):
            whole[index * LINES : (index + 1) * LINES] = pixels(one, image, index)
        assert np.array_equal(image_pixels, whole)
        names = {
            "product": f"annotation/{stem}.xml",
            "calibration": f"annotation/calibration/calibration-{stem}.xml",
            "noise": f"annotation/calibration/noise-{stem}.xml",
        }
        for kind, name in names.items():
            written = ElementTree.parse(safe / name).getroot()
            assert ElementTree.canonicalize(ElementTree.tostring(written), strip_text=True) == ElementTree.canonicalize(
                ElementTree.tostring(contents(one, image)[kind]), strip_text=True
            )
        expected |= {f"measurement/{stem}.tiff", *names.values()}
    assert {p.relative_to(safe).as_posix() for p in safe.rglob("*") if p.is_file()} == expected


def test_manifest_is_the_products_own_cut_to_what_is_there(source, found, tmp_path):
    safe = source.download(found, tmp_path)
    text = (safe / "manifest.safe").read_text()
    root = ElementTree.fromstring(text)
    assert "xmlns:xfdu=" in text and root.findtext(".//{*}platform/{*}number") == "A"
    files = {p.relative_to(safe).as_posix() for p in safe.rglob("*") if p.is_file()} - {"manifest.safe"}
    listed = {one.get("href").removeprefix("./"): one for one in root.iterfind(".//{*}fileLocation")}
    assert set(listed) == files
    keys = {one.get("ID") for one in root.iterfind("dataObjectSection/dataObject")}
    assert {one.get("dataObjectID") for one in root.iterfind(".//{*}dataObjectPointer")} == keys and len(keys) == 8
    described = {one.get("ID") for one in root.iterfind("metadataSection/metadataObject")}
    units = root.findall(".//{*}contentUnit[@repID='s1Level1MeasurementSchema']")
    assert len(units) == 2 and "platform" in described
    for unit in units:
        assert len(unit.get("dmdID").split()) == 3 and set(unit.get("dmdID").split()) <= described
    for stream in root.iterfind("dataObjectSection/dataObject/byteStream"):
        path = safe / stream.find("fileLocation").get("href")
        md5 = None if path.suffix == ".tiff" else hashlib.md5(path.read_bytes()).hexdigest()
        assert (stream.get("size"), stream.findtext("checksum")) == (str(path.stat().st_size), md5)


def test_second_download_and_another_choice_of_bursts(source, server, found, tmp_path):
    safe = source.download(found, tmp_path)
    before = len(server.requests)
    assert source.download(found, tmp_path) == safe and len(server.requests) == before
    fewer = Found(**{**found.__dict__, "item": {**found.item, "bursts": found.item["bursts"][:2]}})
    other = source.download(fewer, tmp_path)
    assert other != safe and other.name == safe.name and safe.is_dir()


def test_bursts_that_the_service_cuts_out_first_are_waited_for(source, asf, found, tmp_path):
    asf.preparing = 3
    assert source.download(found, tmp_path).is_dir()


@pytest.mark.parametrize("way", ["token", "password"])
def test_login_gives_a_cookie_and_credentials_go_nowhere_else(asf, server, tmp_path, monkeypatch, way):
    give_credentials(monkeypatch, way)
    source = AsfSource(asf.service)
    source.download(source.search(request())[0], tmp_path / "out")
    assert asf.logins == 1
    hosts = {"127.0.0.1": "Bearer", "localhost": "Basic"}
    for one in server.requests:
        host, sent = one.headers["Host"].partition(":")[0], one.headers.get("Authorization", "")
        kind = {"token": "127.0.0.1", "password": "localhost"}[way]
        expected = hosts[host] if host == kind and not one.path.startswith("/search") else ""
        assert sent.partition(" ")[0] == expected, (host, one.path)
        assert host == "127.0.0.1" or "Cookie" not in one.headers
    assert server.count(STORE) == 7  # after the login, two metadata files, four bursts


def test_nothing_that_is_written_or_said_holds_a_credential(asf, server, tmp_path, monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    source = AsfSource(asf.service)
    (found, *_) = source.search(request())
    source.download(found, tmp_path / "out")
    server.misbehave("/protected.xml", "close", times=1000)
    with pytest.raises(ArchiveError) as refused:
        AsfSource(asf.service).download(found, tmp_path / "again")
    said = [json.dumps(asdict(found)), caplog.text, str(capfd.readouterr()), repr(refused.value)]
    said += [p.read_text(errors="replace") for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert not any(secret in "".join(said) for secret in (TOKEN, "asf-urs=1"))
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("way", ["token", "password"])
def test_cookie_that_has_ended_is_renewed(asf, tmp_path, monkeypatch, way):
    give_credentials(monkeypatch, way)
    source = AsfSource(asf.service)
    found = source.search(request())[0]
    source.download(found, tmp_path / "a")
    asf.cookie = "asf-urs=2"
    assert source.download(found, tmp_path / "b").is_dir()
    assert asf.logins >= 2


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "ASF's bursts need an Earthdata Login, and none is given: set EARTHDATA_TOKEN"),
        ({"EARTHDATA_USERNAME": NAME}, "none is given: set EARTHDATA_TOKEN"),
        ({"EARTHDATA_TOKEN": "old"}, "the login is asked for and EARTHDATA_TOKEN not accepted; set EARTHDATA_TOKEN"),
        (
            {"EARTHDATA_USERNAME": NAME, "EARTHDATA_PASSWORD": "wrong"},
            r"/oauth/authorize: HTTP 401: Earthdata Login did not let you in; .*accept the agreement",
        ),
    ],
)
def test_login_that_fails_says_what_to_do(asf, tmp_path, monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    source = AsfSource(asf.service)
    with pytest.raises(ArchiveError, match=message) as error:
        source.download(source.search(request())[0], tmp_path / "out")
    assert "wrong" not in str(error.value) and "old" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("status", {"status": 403}, r"2\.tiff: HTTP 403; access is refused: .*; set EARTHDATA_TOKEN .*agreement"),
        ("status", {"status": 404}, r"2\.tiff: HTTP 404; nothing is there"),
        ("status", {"status": 429}, r"2\.tiff: HTTP 429 in 2 attempts; .*run the same command again"),
        ("status", {"status": 500}, r"2\.tiff: HTTP 500 in 2 attempts"),
        ("truncate", {}, r"2\.tiff: the connection broke in 2 attempts"),
        ("trickle", {"seconds": 9.0}, r"2\.tiff: too slow an answer in 2 attempts"),
        ("body", {"body": b"<html>sign in"}, r"2\.tiff: .*not a readable raster.*, twice"),
    ],
)
def test_burst_that_does_not_come_is_a_clear_error_and_the_next_run_goes_on(
    source, server, found, tmp_path, monkeypatch, kind, how, message
):
    monkeypatch.setattr(http, "RETRIES", 1)
    monkeypatch.setattr(download, "SLOW_AFTER_S", 0.3)
    server.misbehave(r"/store/.*/IW2/VV/2\.tiff", kind, times=1000, **how)
    with pytest.raises(ArchiveError, match=message):
        source.download(found, tmp_path)
    assert list(tmp_path.glob("*/*.SAFE")) == []
    server._faults.clear()
    before = len(server.requests)
    assert source.download(found, tmp_path).is_dir()
    again = {r.path for r in server.requests[before:] if r.path.startswith("/store/S1")}
    assert again == {f"/store/{found.id}/IW2/VV/2.tiff"}


def damage_in_the_middle(path, image, index) -> None:
    """Write a burst of compressed lines of which one cannot be unpacked: its size and its last line are right."""
    path.unlink()
    write_tiff(path, pixels(LOW, image, index), compress="deflate", blockysize=1)
    with rasterio.open(path) as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_0_2", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = bytes(byte ^ 0xFF for byte in content[offset : offset + 8])
    path.write_bytes(content)


def test_burst_damaged_in_the_middle_is_fetched_again(source, asf, found, tmp_path):
    held = asf.folder / found.id / "IW2" / "VV" / "1.tiff"
    good = held.read_bytes()
    damage_in_the_middle(held, ("IW2", "VV"), 1)
    with pytest.raises(ArchiveError, match=r"1\.tiff: .*corrupt.*, twice"):
        source.download(found, tmp_path / "out")
    held.write_bytes(good)
    assert source.download(found, tmp_path / "out").is_dir()


def test_burst_damaged_after_it_came_does_not_block_its_product(source, server, found, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "RETRIES", 0)
    server.misbehave(r"/store/.*/IW2/VV/2\.tiff", "status", status=500)
    with pytest.raises(ArchiveError, match="HTTP 500"):
        source.download(found, tmp_path)
    (path,) = tmp_path.glob("*/bursts/IW2_VV_1.tiff")
    damage_in_the_middle(path, ("IW2", "VV"), 1)
    with pytest.raises(ArchiveError, match=r"the bursts do not make a product: .*corrupt.*fetched again"):
        source.download(found, tmp_path)
    before = len(server.requests)
    assert source.download(found, tmp_path).is_dir()
    assert [r.path for r in server.requests[before:] if r.path.endswith("tiff") and r.path.startswith("/store")] == [
        f"/store/{found.id}/IW2/VV/1.tiff"
    ]


def test_metadata_that_is_put_right_at_the_service_is_fetched_again(source, asf, found, tmp_path):
    paths = list((asf.folder / found.id).rglob("*.xml"))
    good = {path: path.read_text() for path in paths}
    for path in paths:
        path.write_text(good[path].replace("<swath>IW2", "<swath>IW9"))
    with pytest.raises(ArchiveError, match="found none; run the same command again"):
        source.download(found, tmp_path / "out")
    for path in paths:
        path.write_text(good[path])
    assert source.download(found, tmp_path / "out").is_dir()


def test_noise_that_the_metadata_lack_is_not_in_the_product(source, asf, found, tmp_path):
    for path in (asf.folder / found.id).rglob("*.xml"):
        root = ElementTree.fromstring(path.read_bytes())
        entries = root.find("metadata")
        for entry in entries.findall("noise"):
            entries.remove(entry)
        path.write_bytes(ElementTree.tostring(root))
    safe = source.download(found, tmp_path / "out")
    text = (safe / "manifest.safe").read_text()
    assert "calibration-s1a" in text and "noise" not in text and not list(safe.rglob("noise*"))


def test_first_burst_that_does_not_come_ends_the_queue(source, server, tmp_path, monkeypatch):
    monkeypatch.setattr(asf_module, "THREADS", 1)
    found = source.search(request())[0]
    first = found.item["bursts"][0]
    server.misbehave(rf"/S1.*/{first['swath']}/{first['polarisation']}/{first['index']}\.tiff", "status", status=404)
    with pytest.raises(ArchiveError, match="HTTP 404"):
        source.download(found, tmp_path)
    assert server.count(r"/store/.*\.tiff") < len(found.item["bursts"]) - 1  # some may have begun meanwhile


def test_bursts_that_an_interruption_left_beside_the_product_are_removed(source, found, tmp_path):
    safe = source.download(found, tmp_path)
    (safe.parent / "bursts").mkdir()
    (safe.parent / "bursts" / "IW2_VV_1.tiff").write_bytes(b"left")
    assert source.download(found, tmp_path) == safe and [p.name for p in safe.parent.iterdir()] == [safe.name]


def test_jobs_that_want_the_same_product_make_it_once(asf, source, server, found, tmp_path):
    others = [source, AsfSource(asf.service), AsfSource(asf.service)]
    with ThreadPoolExecutor(3) as pool:
        safes = list(pool.map(lambda one: one.download(found, tmp_path), others))
    assert len(set(safes)) == 1 and safes[0].is_dir()
    assert server.count(r"/store/.*\.tiff") == len(found.item["bursts"])
    assert [p.name for p in tmp_path.iterdir() if p.name != "held"] == [safes[0].parent.name]


def test_password_that_is_refused_is_sent_once(asf, server, tmp_path, monkeypatch):
    monkeypatch.setenv("EARTHDATA_USERNAME", NAME)
    monkeypatch.setenv("EARTHDATA_PASSWORD", "wrong")
    source = AsfSource(asf.service)
    for one in source.search(request()):
        with pytest.raises(AccountError, match="did not let you in"):
            source.download(one, tmp_path / "out")
    assert server.count("/oauth/authorize") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"manifest>", "other>", r"\.xml: expected manifest/.*XFDU in a burst's metadata"),
        (r"</metadata>.*", "", r"not readable XML .*, twice"),
        (r"^<burst", '<!DOCTYPE a [<!ENTITY b "c">]><burst', "without a document type"),
        (r"<swath>IW2", "<swath>IW9", "expected calibration and product of IW2 V., found none"),
        (r"linesPerBurst>6", "linesPerBurst>7", r"expected \(7, 5\) pixels, the raster has \(6, 5\)"),
        (r"linesPerBurst>6", "linesPerBurst>six", "swathTiming/linesPerBurst as whole numbers"),
        (r"numberOfLines>18", "numberOfLines>15", r"expected lines within 0\.\.15 of 5"),
        (r"\./measurement/", "/tmp/measurement/", "expected the measurement of IW2 V. in the manifest"),
        (r"\./annotation/", "./../annotation/", "expected the product of IW2 V. in the manifest"),
    ],
)
def test_metadata_that_cannot_be_used_is_a_clear_error(source, asf, found, tmp_path, old, new, message):
    for path in (asf.folder / found.id).rglob("*.xml"):
        path.write_text(re.sub(old, new, path.read_text(), flags=re.DOTALL))
    with pytest.raises(ArchiveError, match=message):
        source.download(found, tmp_path / "out")
    assert list((tmp_path / "out").glob("*/*.SAFE")) == [] and list((tmp_path / "out").glob("*/.*.part")) == []


def test_endpoint_names_an_imitation_and_the_services_are_the_default():
    services = make_slc_source("asf").service
    assert services.catalogue == "https://cmr.earthdata.nasa.gov/search/granules.umm_json"
    assert (services.places.login_host, services.places.domains) == ("urs.earthdata.nasa.gov", ("asf.alaska.edu",))
    assert make_slc_source("asf", endpoint="http://127.0.0.1:9/").service.places.domains == ("127.0.0.1",)
    with pytest.raises(ArchiveError, match="credentials travel over https only"):
        make_slc_source("asf", endpoint="http://example.org")


def test_assembled_product_of_real_annotation_is_read(server, tmp_path, monkeypatch, real_data):
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 30)
    name = "S1A_IW_SLC__1SDV_20200511T135117_20200511T135144_032518_03C421_7768"
    whole = open_slc(real_data / "safe" / f"{name}.zip")
    swath = whole.swaths["IW2"]
    one = Slice(
        "A",
        "2020-05-11T13:51:17",
        "7768",
        32_518,
        whole.relative_orbit,
        lines=swath.lines_per_burst,
        samples=swath.samples,
    )
    monkeypatch.setattr(Slice, "name", name)
    held = tmp_path / "held"
    asf = FakeAsf(server, [one], held)
    painted = {}
    for number, polarisation in enumerate(POLARISATIONS):
        for index in (1, 2):
            values = np.zeros((one.lines, one.samples), np.complex64)
            values[700:704, 11_000:11_003] = np.arange(12).reshape(4, 3) + 1 - 1j * (100 * number + 10 * index)
            painted[polarisation, index] = values[700:704, 11_000:11_003].copy()
            write_tiff(held / name / "IW2" / polarisation / f"{index}.tiff", values, compress="deflate", zlevel=1)
            (held / name / "IW2" / polarisation / f"{index}.xml").write_bytes(
                real_metadata(real_data / "safe" / f"{name}.zip", polarisation)
            )
    (held / "small.xml").write_text("<small/>")
    source = AsfSource(asf.service)
    asked = Request(make_grid(), "sentinel-1", "2020-05-01", "2020-06-01", ("VH", "VV"))
    (found,) = source.search(asked)
    product = open_slc(source.download(found, tmp_path / "out"))
    assert (product.id, product.platform, set(product.swaths)) == (found.id, found.platform, {"IW2"})
    assert product.swaths["IW2"].bursts[2].azimuth_time == swath.bursts[2].azimuth_time
    assert np.array_equal(product.state_vectors.position, whole.state_vectors.position)
    for polarisation in POLARISATIONS:
        table, expected = (p.calibration("IW2", polarisation) for p in (product, whole))
        assert np.array_equal(table.line, expected.line)
        assert all(np.array_equal(a, b) for a, b in zip(table.value, expected.value, strict=True))
        assert product.noise("IW2", polarisation) is not None
        for index in range(4):
            top = index * swath.lines_per_burst + 700
            read = product.read("IW2", polarisation, slice(top, top + 4), slice(11_000, 11_003))
            assert np.array_equal(read, painted.get((polarisation, index), np.zeros((4, 3))))
    size = sum(p.stat().st_size for p in product.path.rglob("*.tiff"))
    assert size < 20_000_000  # lines without data take no place
