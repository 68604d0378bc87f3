"""Starting a city: places, configuration, needs, and the check of an installation."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exports.geo_em_files import write_geo_em
from loopback import Answer, Loopback
from typer.testing import CliRunner

from lczmap.aoi import bbox_aoi, read_aoi
from lczmap.cli import app
from lczmap.config import Config
from lczmap.configfiles import expand, load_configs
from lczmap.grid import Grid, make_grid
from lczmap.start import doctor
from lczmap.start.area import as_configured
from lczmap.start.city import SOURCES, Choices, city_settings, city_text
from lczmap.start.needs import needs, wanted_variables
from lczmap.start.places import find_place

BOX = "13.08,52.34,13.77,52.68"
BERLIN = {
    "display_name": "Berlin, Deutschland",
    "boundingbox": ["52.34", "52.68", "13.08", "13.77"],
    "geojson": {"type": "Polygon", "coordinates": [[[13.1, 52.4], [13.7, 52.4], [13.4, 52.6], [13.1, 52.4]]]},
}


def start(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["init", *arguments])


def grid_of(config: Config) -> Grid:
    return make_grid(bbox_aoi([13.08, 52.34, 13.77, 52.68]), cell_m=config.map.pixel_size_m)


def parsed(**changes: Any) -> Config:
    chosen = {"city": "b", "aoi": {"bbox": [0, 0, 1, 1]}, "start": "2024-05-01", "end": "2024-09-30", **changes}
    return Config.model_validate(city_settings(Choices(**chosen)))


def test_a_started_city_is_read_by_the_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lczmap.start.area.CLONE", tmp_path)
    result = start("berlin", "--bbox", BOX, "--start", "2024-05-01", "--end", "2024-09-30")
    assert result.exit_code == 0, result.output
    (config,) = load_configs([tmp_path / "config/cities/berlin.yaml"], root=tmp_path)
    assert (config.city, config.period, config.model.name) == ("berlin", "2024-05-01_2024-09-30", "gul_s2")
    assert config.sentinel1.use == "off"
    assert "390 × 478 cells of 100 m in EPSG:32633" in result.output
    assert "account: none is needed" in result.output


def test_an_existing_file_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("kept")
    result = start("berlin", "--bbox", BOX, "--out", "mine.yaml")
    assert isinstance(result.exception, ValueError) and "mine.yaml exists already" in str(result.exception)
    assert (tmp_path / "mine.yaml").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bbox", "1,2"), "expected west,south,east,north in degrees, got '1,2'"),
        ((), "expected one of --place, --bbox, --polygon, --from-geo-em, got none"),
        (("--bbox", BOX, "--polygon", "a.gpkg"), "got --bbox, --polygon"),
        (("--bbox", BOX, "--areas", "none.kml"), "--areas none.kml: no such file"),
        (("--bbox", BOX, "--radar"), "--radar needs --areas"),
        (("--bbox", BOX, "--crs", "EPSG:32635"), "from the meridian of UTM zone 35"),
    ],
)
def test_a_start_that_cannot_work_says_why_and_writes_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lczmap.start.area.CLONE", tmp_path)
    result = start("berlin", *arguments)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("radar", "areas"), [(True, "a.kml"), (False, "a.kml"), (False, None)])
def test_every_choice_of_sources_is_a_valid_configuration(source: Any, radar: bool, areas: str | None) -> None:
    config = parsed(source=source, radar=radar, areas=areas, pixel_size_m=50, crs="EPSG:32633")
    assert config.allow_level_mismatch == (source == "stac" and areas is None)
    assert config.sees_radar == radar
    assert (config.map.pixel_size_m, config.map.crs) == (50, "EPSG:32633")
    assert len(needs(config, grid_of(config))) >= 3


def test_the_text_reads_back_as_the_settings() -> None:
    settings = city_settings(
        Choices("b", {"bbox": [0, 0, 1, 1]}, "2024-05-01", "2024-09-30", radar=True, areas="a: b.kml")
    )
    assert yaml.safe_load(city_text(settings, ("a comment",))) == settings


def test_a_name_from_outside_stays_a_comment() -> None:
    text = city_text({"city": "x"}, ("Area: Evil\nmodel: {name: hacked}.",))
    assert yaml.safe_load(text) == {"city": "x"}


def test_paths_hold_wherever_the_file_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shape = {"type": "Polygon", "coordinates": [[[13.1, 52.4], [13.7, 52.4], [13.4, 52.6], [13.1, 52.4]]]}
    (tmp_path / "a.geojson").write_text(json.dumps(shape))
    (tmp_path / "a.kml").touch()
    result = start("x", "--polygon", "a.geojson", "--areas", "a.kml", "--out", "x.yaml")
    assert result.exit_code == 0, result.exception
    (config,) = load_configs([tmp_path / "x.yaml"], root=Path("/elsewhere"))
    assert read_aoi(expand(str(config.aoi), Path("/elsewhere"))).area == pytest.approx(0.06)
    assert expand(str(config.training.areas), Path("/elsewhere")) == tmp_path / "a.kml"
    monkeypatch.setattr("lczmap.start.area.CLONE", tmp_path)
    assert as_configured(Path("a.kml")) == "a.kml"


def test_what_a_run_needs_follows_from_its_sources_and_size() -> None:
    hub = parsed(source="sentinelhub", radar=True, areas="a.kml")
    sentences = needs(hub, grid_of(hub))
    assert wanted_variables(hub) == {"sentinelhub": ("SH_CLIENT_ID", "SH_CLIENT_SECRET")}
    # 4780 × 3900 px are 71.1 units of 512 × 512; 14 bands, 6 dates: 1991; two radar bands and a mask, float32,
    # orthorectified, 3 passes: 853
    assert any("about 1,991 processing units" in s and "6 dates" in s for s in sentences)
    assert any("about 853 processing units" in s and "3 radar passes" in s for s in sentences)
    assert any("SH_CLIENT_ID" in s for s in sentences)
    assert not any("FOLDER" in s or "to do" in s for s in sentences)
    local = parsed(source="local")
    assert any("set `sentinel2.archive`" in s for s in needs(local, grid_of(local)))


def test_a_wrf_domain_is_mapped_with_a_margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_geo_em(tmp_path / "geo_em.d01.nc")
    for margin in ("0", "5"):
        result = start("city", "--from-geo-em", "geo_em.d01.nc", "--margin-km", margin, "--out", f"m{margin}.yaml")
        assert result.exit_code == 0, result.exception
    (config,) = load_configs([tmp_path / "m5.yaml"], root=tmp_path)
    narrow, wide = read_aoi(tmp_path / "m0.geojson"), read_aoi(tmp_path / str(config.aoi))
    assert wide.contains(narrow)
    spare = np.array(narrow.bounds) - np.array(wide.bounds)
    assert spare[1] * 111.2 == pytest.approx(5, rel=0.1)  # km in the south


@pytest.mark.server
def test_a_place_is_looked_up_by_its_name() -> None:
    with Loopback() as server:
        server.route("GET", "/search", lambda request: Answer.of([BERLIN] if request.query["q"] == "Berlin" else []))
        place = find_place("Berlin", endpoint=server.url)
        assert place.name == "Berlin, Deutschland" and place.is_outline
        assert place.area.bounds == (13.1, 52.4, 13.7, 52.6)
        (request,) = server.requests
        assert request.query["polygon_geojson"] == "1" and request.query["limit"] == "1"
        assert request.headers["User-Agent"].startswith("lczmap/")
        with pytest.raises(ValueError, match="knows no place 'Atlantis'"):
            find_place("Atlantis", endpoint=server.url)


@pytest.mark.server
@pytest.mark.parametrize("answer", [{"error": "x"}, [{"display_name": "x"}], [{**BERLIN, "boundingbox": "abc"}]])
def test_an_answer_that_is_no_place_is_an_error(answer: Any) -> None:
    with Loopback() as server:
        server.route("GET", "/search", lambda _: Answer.of(answer))
        with pytest.raises(ValueError, match="is it a Nominatim server"):
            find_place("Berlin", endpoint=server.url)


@pytest.mark.server
def test_a_place_becomes_a_box_or_an_outline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Loopback() as server:
        server.route("GET", "/search", lambda _: Answer.of([BERLIN]))
        box = start("a", "--place", "Berlin", "--nominatim", server.url, "--out", "a.yaml")
        outline = start("b", "--place", "Berlin", "--nominatim", server.url, "--out", "b.yaml", "--outline")
        server.route("GET", "/search", lambda _: Answer.of([{**BERLIN, "geojson": {"type": "Point"}}]))
        point = start("c", "--place", "Berlin", "--nominatim", server.url, "--out", "c.yaml", "--outline")
    assert (box.exit_code, outline.exit_code) == (0, 0), (box.exception, outline.exception)
    assert "© OpenStreetMap contributors" in (tmp_path / "a.yaml").read_text()
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["aoi"] == {"bbox": [13.1, 52.4, 13.7, 52.6]}
    assert read_aoi(tmp_path / "b.geojson").area == pytest.approx(0.06)
    assert "has no outline" in str(point.exception) and not (tmp_path / "c.yaml").exists()


def test_the_doctor_never_shows_an_account(tmp_path: Path) -> None:
    secret = "s3cret-token"
    findings = doctor.examine(tmp_path, {"EARTHDATA_TOKEN": secret, "CDSE_USERNAME": secret, "PATH": ""})
    by_name = {finding.what: finding for finding in findings}
    assert by_name["Alaska Satellite Facility"].state == "ok"
    assert "only CDSE_USERNAME is set" in by_name["Copernicus Data Space"].text
    assert by_name["conda"].state == "note" and "leave out --use-conda" in by_name["conda"].text
    assert not any(secret in finding.text for finding in findings)


def test_the_doctor_finds_a_library_of_the_wrong_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        return "1.3.11" if name == "rasterio" else installed(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    libraries = next(f for f in doctor.examine(tmp_path, {}) if f.what == "libraries")
    assert libraries.state == "problem"
    assert "rasterio" in libraries.text and "got 1.3.11" in libraries.text and "make setup" in libraries.text


def test_a_problem_makes_the_doctor_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
    monkeypatch.setattr(doctor, "PYTHONS", ((3, 99), (4, 0)))
    failed = CliRunner().invoke(app, ["doctor"])
    assert failed.exit_code == 1
    assert "PROBLEM Python" in failed.output
