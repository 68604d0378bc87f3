"""Orbit files found on disk and fetched: from a loopback server that answers as the archives do.

The bucket lists its names as S3 does (ListObjects with prefix and marker), the Data Space answers an OData query and
gives a file only to who shows a token; both as sentineleof 0.13.1 talks to them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from eof.products import SentinelOrbit
from loopback import Answer, Loopback, Request

from lczmap.sar.orbit import fit_orbit, parse_eof
from lczmap.scenes.slc.orbits import Acquisition, fetch_orbit, find_orbit, orbit_servers
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

pytestmark = pytest.mark.server

START = datetime(2026, 3, 4, 5, 6, 7)
PASSWORD = "a-password"
TOKEN = "a-token"


def acquisition(letter: str = "a", start: datetime = START) -> Acquisition:
    return Acquisition(
        f"S1{letter.upper()}_IW_SLC__1SDV_20260304T050607_…",
        f"sentinel-1{letter}",
        start,
        start + timedelta(seconds=27),
    )


def eof_name(
    kind: str = "POEORB",
    letter: str = "A",
    *,
    made: datetime = START + timedelta(days=20),
    begins: datetime = START - timedelta(hours=1),
    ends: datetime = START + timedelta(hours=1),
) -> str:
    made_text, begins_text, ends_text = (f"{t:%Y%m%dT%H%M%S}" for t in (made, begins, ends))
    return f"S1{letter}_OPER_AUX_{kind}_OPOD_{made_text}_V{begins_text}_{ends_text}.EOF"


def eof_text(name: str, *, mission: str | None = None) -> bytes:
    """A circular orbit over the period of the file's name, a state vector every 10 s."""
    orbit = SentinelOrbit(name)
    seconds = np.arange(0, (orbit.stop_time - orbit.start_time).total_seconds() + 1, 10)
    angle, rate = seconds * 2 * np.pi / 5925, 7.07e6 * 2 * np.pi / 5925
    listed = [
        f"<OSV><UTC>UTC={(orbit.start_time + timedelta(seconds=s)).isoformat()}</UTC>"
        f'<X unit="m">{7.07e6 * np.cos(a)}</X><Y unit="m">0</Y><Z unit="m">{7.07e6 * np.sin(a)}</Z>'
        f'<VX unit="m/s">{-rate * np.sin(a)}</VX><VY unit="m/s">0</VY><VZ unit="m/s">{rate * np.cos(a)}</VZ></OSV>'
        for s, a in zip(seconds.tolist(), angle, strict=True)
    ]
    kind = "AUX_POEORB" if "POEORB" in name else "AUX_RESORB"
    return f"""<Earth_Explorer_File><Earth_Explorer_Header>
<Fixed_Header><Mission>{mission or "Sentinel-1" + name[2]}</Mission><File_Type>{kind}</File_Type></Fixed_Header>
<Variable_Header><Ref_Frame>EARTH_FIXED</Ref_Frame><Time_Reference>UTC</Time_Reference></Variable_Header>
</Earth_Explorer_Header><Data_Block><List_of_OSVs count="{len(listed)}">{"".join(listed)}</List_of_OSVs>
</Data_Block></Earth_Explorer_File>""".encode()


def write_eof(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(eof_text(name))
    return folder / name


class Archives:
    """What the two archives hold, as names to contents, and how many names the bucket lists on a page."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        self.bucket: dict[str, bytes] = {}
        self.space: dict[str, bytes] = {}
        self.page = 1000
        server.route("GET", r"/s1-orbits/", self._list)
        server.route("GET", r"/s1-orbits/(?P<folder>AUX_\w+)/(?P<name>\w+\.EOF)", self._file)
        server.route("GET", r"/odata/v1/Products", self._search)
        server.route("POST", r"/auth/realms/CDSE/.*", self._token)
        server.route("GET", r"/odata/v1/Products\((?P<id>[\w-]+)\)/\$value", self._value)

    def hold(self, name: str, *, at: str = "both", text: bytes | None = None) -> str:
        content = eof_text(name) if text is None else text
        if at in ("both", "bucket"):
            self.bucket[name] = content
        if at in ("both", "space"):
            self.space[name] = content
        return name

    def downloads(self) -> int:
        return self.server.count(r"/s1-orbits/AUX.*") + self.server.count(r".*value")

    def _list(self, request: Request) -> Answer:
        keys = sorted(f"{name[9:19]}/{name}" for name in self.bucket)
        prefix, marker = request.query["prefix"], request.query["marker"]
        left = [key for key in keys if key.startswith(prefix) and key > marker]
        listed = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in left[: self.page])
        more = str(len(left) > self.page).lower()
        return Answer(
            f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>s1-orbits</Name><IsTruncated>{more}</IsTruncated>{listed}</ListBucketResult>".encode()
        )

    def _file(self, request: Request) -> Answer:
        content = self.bucket.get(request.parts["name"])
        return Answer(status=404) if content is None else Answer(content)

    def _search(self, request: Request) -> Answer:
        wanted = re.fullmatch(
            r"startswith\(Name,'(\w+)'\) and contains\(Name,'(\w+)'\) and ContentDate/Start lt '([\d:.TZ-]+)' "
            r"and ContentDate/End gt '([\d:.TZ-]+)'",
            request.query["$filter"],
        )
        if wanted is None:
            return Answer(b'{"detail":"Invalid query"}', 400)
        starts, ends = (datetime.fromisoformat(t).replace(tzinfo=None) for t in wanted.groups()[2:])
        held = [
            {"@odata.mediaContentType": "application/octet-stream", "Id": f"id-{i}", "Name": name}
            for i, name in enumerate(self.space)
            if name.startswith(wanted[1])
            and wanted[2] in name
            and SentinelOrbit(name).start_time < starts
            and ends < SentinelOrbit(name).stop_time
        ]
        return Answer.of({"@odata.context": "$metadata#Products", "value": held})

    def _token(self, request: Request) -> Answer:
        if request.form.get("password") != PASSWORD:
            return Answer.of({"error": "invalid_grant"}, 401)
        return Answer.of({"access_token": TOKEN, "expires_in": 600})

    def _value(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer(status=401)
        return Answer(list(self.space.values())[int(request.parts["id"][3:])])


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.5)
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Loopback() as server:
        yield server


@pytest.fixture
def archives(server) -> Archives:
    return Archives(server)


def fetch(archives: Archives, folder: Path, kind: str = "auto", letter: str = "a") -> Path:
    return fetch_orbit(acquisition(letter), folder, kind=kind, servers=orbit_servers(archives.server.url))


def test_a_file_on_disk_is_found_by_itself(tmp_path: Path) -> None:
    path = write_eof(tmp_path, eof_name())
    renamed = path.rename(tmp_path / "my orbit.xml")
    assert find_orbit(renamed, acquisition()) == renamed


def test_in_a_folder_precise_comes_first_and_then_the_latest_made(tmp_path: Path) -> None:
    early = write_eof(tmp_path, eof_name("RESORB", made=START + timedelta(hours=2)))
    assert find_orbit(tmp_path, acquisition()) == early
    late = write_eof(tmp_path, eof_name("RESORB", made=START + timedelta(days=99)))
    assert find_orbit(tmp_path, acquisition()) == late
    precise = write_eof(tmp_path, eof_name())
    assert find_orbit(tmp_path, acquisition()) == precise
    again = write_eof(tmp_path, eof_name(made=START + timedelta(days=900)))
    write_eof(tmp_path, eof_name(letter="C", made=START + timedelta(days=999)))
    write_eof(tmp_path, eof_name(made=START + timedelta(days=999), begins=START - timedelta(seconds=59)))
    (tmp_path / "notes.EOF").write_text("not an orbit")
    assert find_orbit(tmp_path, acquisition()) == again


@pytest.mark.parametrize("letter", ["c", "d"])
def test_each_satellite_has_its_own_orbit(tmp_path: Path, letter: str) -> None:
    for each in "ACD":
        write_eof(tmp_path, eof_name(letter=each))
    path = find_orbit(tmp_path, acquisition(letter))
    assert path.name.startswith(f"S1{letter.upper()}_")
    fit = fit_orbit(parse_eof(path.read_bytes(), path.name, START, platform=f"sentinel-1{letter}"), 0, 27)
    assert np.linalg.norm(fit.position(13.0)) == pytest.approx(7.07e6, abs=1e-3)


def test_a_folder_without_the_orbit_says_what_was_looked_for(tmp_path: Path) -> None:
    write_eof(tmp_path, eof_name(letter="C"))
    with pytest.raises(ValueError, match=r"1 orbit files.*S1A_IW_SLC.*sentinel-1a, 2026-03-04T05:06:07.*orbit_file"):
        find_orbit(tmp_path, acquisition())
    with pytest.raises(ValueError, match="no orbit files"):
        find_orbit(tmp_path / "absent", acquisition())


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / eof_name()
    path.write_bytes(eof_text(eof_name(), mission="Sentinel-1C"))
    for place in (path, tmp_path):
        with pytest.raises(ValueError, match="is of sentinel-1c, the product of sentinel-1a"):
            find_orbit(place, acquisition())


def test_the_real_orbit_file_covers_its_own_day_and_none_of_the_products(real_data: Path) -> None:
    folder = real_data / "safe"
    inside = acquisition(start=datetime(2023, 8, 23, 14, 0, 0))
    assert find_orbit(folder, inside).name.startswith("S1A_OPER_AUX_RESORB_OPOD_20230823T162050")
    with pytest.raises(ValueError, match="none for"):
        find_orbit(folder, acquisition(start=datetime(2020, 5, 11, 13, 51, 17)))


@pytest.mark.parametrize("letter", ["a", "c", "d"])
def test_a_precise_orbit_is_fetched_from_the_bucket_without_an_account(archives, tmp_path, letter) -> None:
    name = archives.hold(eof_name(letter=letter.upper()), at="bucket")
    for other in {"A", "C", "D"} - {letter.upper()}:
        archives.hold(eof_name(letter=other, made=START + timedelta(days=21)), at="bucket")
    archives.hold(eof_name("RESORB", letter.upper()), at="bucket")
    path = fetch(archives, tmp_path / "orbits", letter=letter)
    assert path == tmp_path / "orbits" / name
    assert path.read_bytes() == eof_text(name)
    assert not any("Authorization" in request.headers for request in archives.server.requests)


def test_a_file_that_is_there_is_not_fetched_again(archives, tmp_path) -> None:
    archives.hold(eof_name())
    first = fetch(archives, tmp_path)
    asked = len(archives.server.requests)
    assert fetch(archives, tmp_path) == first
    assert len(archives.server.requests) == asked


def test_a_restituted_file_on_disk_does_not_stand_in_for_a_precise_one_that_was_asked_for(archives, tmp_path) -> None:
    write_eof(tmp_path, eof_name("RESORB"))
    name = archives.hold(eof_name())
    assert fetch(archives, tmp_path, "precise").name == name


def test_auto_takes_a_restituted_orbit_where_no_precise_one_exists(archives, tmp_path) -> None:
    name = archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    archives.hold(eof_name(begins=START + timedelta(hours=1), ends=START + timedelta(hours=3)))  # of another day
    assert fetch(archives, tmp_path).name == name
    with pytest.raises(ArchiveError, match=r"no precise orbit of S1A_IW_SLC.*orbit_file: product"):
        fetch(archives, tmp_path, "precise")


def test_auto_says_that_it_takes_a_restituted_orbit_and_why(archives, tmp_path, capsys) -> None:
    name = archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    fetch(archives, tmp_path)
    said = capsys.readouterr().out
    assert re.search(rf"S1A_IW_SLC.*restituted orbit {name}.*no precise orbit in the archives", said)
    fetch(archives, tmp_path)
    assert re.search(rf"restituted orbit {name}.*delete it", capsys.readouterr().out)
    fetch(archives, tmp_path, "restituted")  # as was asked for
    write_eof(tmp_path, eof_name())
    fetch(archives, tmp_path)
    assert capsys.readouterr().out == ""


def test_auto_says_which_archive_could_not_be_asked_for_a_precise_orbit(archives, tmp_path, capsys) -> None:
    archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    archives.server.misbehave("/odata/v1/Products", "status", status=404, times=1)
    fetch(archives, tmp_path)
    assert re.search(r"no precise orbit.*odata/v1/Products: HTTP 404", capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["auto", "precise"])
def test_a_precise_orbit_that_is_listed_but_needs_an_account_is_never_passed_over(archives, tmp_path, kind) -> None:
    archives.hold(eof_name(), at="space")
    archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    with pytest.raises(ArchiveError, match=r"precise orbit of S1A_IW_SLC.*CDSE_USERNAME.*`orbit_file: restituted`"):
        fetch(archives, tmp_path, kind)
    assert list(tmp_path.glob("*.EOF")) == []


def test_a_precise_orbit_that_is_listed_but_does_not_come_is_never_passed_over(archives, tmp_path) -> None:
    archives.hold(eof_name(), at="bucket")
    archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    archives.server.misbehave(r"/s1-orbits/AUX_POEORB/.*", "status", status=404, times=9)
    with pytest.raises(ArchiveError, match=r"precise orbit of .*AUX_POEORB.*HTTP 404.*`orbit_file: restituted`"):
        fetch(archives, tmp_path)


@pytest.mark.parametrize("digits", ["20260199T225942", "20261332T000000", "20260305T256199"])
def test_an_impossible_date_in_a_name_is_not_an_orbit(archives, tmp_path, digits) -> None:
    made = f"{START + timedelta(days=20):%Y%m%dT%H%M%S}"
    archives.bucket[eof_name().replace(made, digits)] = b"no orbit"
    archives.bucket[eof_name().replace(f"V{START - timedelta(hours=1):%Y%m%dT%H%M%S}", f"V{digits}")] = b"no orbit"
    name = archives.hold(eof_name(), at="bucket")
    (tmp_path / eof_name().replace(made, digits)).write_text("no orbit")
    assert fetch(archives, tmp_path).name == name


def test_restituted_is_fetched_although_a_precise_one_exists(archives, tmp_path) -> None:
    name = archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    archives.hold(eof_name())
    assert fetch(archives, tmp_path, "restituted").name == name


def test_the_bucket_is_read_page_by_page_and_the_latest_made_file_wins(archives, tmp_path) -> None:
    for day in range(10):
        archives.hold(eof_name(made=START + timedelta(days=20 + day), begins=START + timedelta(days=1)), at="bucket")
    archives.hold(eof_name(), at="bucket")
    name = archives.hold(eof_name(made=START + timedelta(days=2000)), at="bucket")  # reprocessed
    archives.page = 3
    assert fetch(archives, tmp_path).name == name
    assert archives.server.count("/s1-orbits/") == 4


def test_restituted_files_made_long_after_are_not_listed(archives, tmp_path) -> None:
    name = archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)), at="bucket")
    for day in range(1, 40):
        archives.hold(eof_name("RESORB", made=START + timedelta(days=day), begins=START + timedelta(hours=1)))
    archives.page = 5
    assert fetch(archives, tmp_path, "restituted").name == name
    assert archives.server.count("/s1-orbits/") == 1


def test_the_data_space_gives_what_the_bucket_lacks_to_an_account(archives, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CDSE_USERNAME", "me@example.org")
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)
    archives.hold(eof_name(made=START + timedelta(days=19)), at="space")
    name = archives.hold(eof_name(), at="space")
    path = fetch(archives, tmp_path, "precise")
    assert path.name == name
    assert path.read_bytes() == eof_text(name)
    assert not (tmp_path / "home").exists()


def test_without_an_account_the_message_says_which_variables_to_set(archives, tmp_path) -> None:
    archives.hold(eof_name(), at="space")
    with pytest.raises(ArchiveError, match="CDSE_USERNAME"):
        fetch(archives, tmp_path, "precise")


def test_a_bucket_that_fails_leaves_the_data_space(archives, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CDSE_USERNAME", "me@example.org")
    monkeypatch.setenv("CDSE_PASSWORD", PASSWORD)
    name = archives.hold(eof_name())
    archives.server.misbehave("/s1-orbits/", "status", status=403, times=99)
    assert fetch(archives, tmp_path).name == name


def test_auto_does_not_fall_back_to_restituted_because_servers_fail(archives, tmp_path) -> None:
    archives.hold(eof_name())
    archives.hold(eof_name("RESORB", made=START + timedelta(hours=3)))
    archives.server.misbehave("/s1-orbits/", "status", status=500, times=99)
    archives.server.misbehave("/odata/v1/Products", "status", status=500, times=5)
    with pytest.raises(ArchiveError, match=r"precise orbit of S1A_IW_SLC.*s1-orbits.*odata.*orbit_file"):
        fetch(archives, tmp_path)
    assert list(tmp_path.glob("*.EOF")) == []


@pytest.mark.parametrize("kind", ["truncate", "hang", "close"])
def test_a_broken_download_is_repeated_and_complete(archives, tmp_path, kind) -> None:
    name = archives.hold(eof_name(), at="bucket")
    archives.server.misbehave(r"/s1-orbits/AUX.*", kind, times=2, seconds=1)
    assert fetch(archives, tmp_path).read_bytes() == eof_text(name)


def test_servers_that_never_answer_end_in_an_error(archives, tmp_path) -> None:
    archives.server.misbehave(r".*", "hang", times=99, seconds=1)
    began = time.monotonic()
    with pytest.raises(ArchiveError, match="S1A_IW_SLC"):
        fetch(archives, tmp_path)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "text",
    [
        b"<html>Sign in</html>",
        eof_text(eof_name())[:-900],
        eof_text(eof_name(), mission="Sentinel-1C"),
        eof_text(eof_name(begins=START + timedelta(hours=1), ends=START + timedelta(hours=2))),
        b'<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>',
    ],
)
def test_a_file_that_is_not_the_orbit_never_gets_its_name(archives, tmp_path, text) -> None:
    archives.hold(eof_name(), at="bucket", text=text)
    with pytest.raises(ArchiveError, match=r"no precise orbit|precise orbit of"):
        fetch(archives, tmp_path, "precise")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_leads_out_of_the_folder_is_not_taken(archives, tmp_path) -> None:
    name = eof_name()
    archives.space[f"../{name.replace('.EOF', '')}"] = eof_text(name)
    archives.space[f"{name}/../../x{name}"] = eof_text(name)
    archives.space[name.replace(".EOF", "%2f.EOF")] = eof_text(name)
    archives.server.route(
        "GET", "/odata/v1/Products", lambda _: Answer.of({"value": [{"Id": "id-0", "Name": n} for n in archives.space]})
    )
    with pytest.raises(ArchiveError, match="no precise orbit"):
        fetch(archives, tmp_path / "orbits", "precise")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("body", [b"no xml", b'<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>', b""])
def test_a_list_that_is_no_list_is_an_error(archives, tmp_path, body) -> None:
    archives.server.misbehave("/s1-orbits/", "body", times=99, body=body)
    archives.server.misbehave("/odata/v1/Products", "body", times=99, body=b"[]")
    with pytest.raises(ArchiveError, match="expected a list in XML"):
        fetch(archives, tmp_path)


def test_a_platform_that_is_no_sentinel_1_is_refused(archives, tmp_path) -> None:
    with pytest.raises(ValueError, match="expected a platform such as sentinel-1a"):
        fetch_orbit(Acquisition("x", "S1A", START, START), tmp_path, servers=orbit_servers(archives.server.url))


def test_credentials_are_never_sent_unencrypted() -> None:
    with pytest.raises(ArchiveError, match="https"):
        orbit_servers("http://mirror.example.org")


def test_the_real_addresses_are_those_that_sentineleof_uses() -> None:
    from eof import _asf_s3, dataspace_client

    servers = orbit_servers()
    assert servers.bucket == f"https://{_asf_s3.ASF_BUCKET_NAME}.s3.amazonaws.com"
    assert f"{servers.space.catalogue}/Products" == dataspace_client.QUERY_URL
    assert servers.space.tokens == dataspace_client.AUTH_URL
