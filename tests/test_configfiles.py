from pathlib import Path

import pytest

from lczmap.config import Config
from lczmap.configfiles import expand, expand_endpoint, load_configs


def load(tmp_path: Path, text: str, **overrides: object) -> Config:
    (tmp_path / "city.yaml").write_text(text)
    (config,) = load_configs([tmp_path / "city.yaml"], root=tmp_path, overrides=overrides)
    return config


LOCAL = """
city: lisbon
aoi: {bbox: [-9.25, 38.65, -9.05, 38.85]}
start: 2023-05-01
end: 2023-08-31
sentinel2: {source: local, archive: scenes/archive.yaml}
sentinel1: {use: off}
"""


FETCHED = """
aoi: {{bbox: [-9.25, 38.65, -9.05, 38.85]}}
training: {{areas: a.kml}}
sentinel2: {}
sentinel1: {}
"""


def test_every_key_has_a_default_that_maps_the_demo(tmp_path: Path) -> None:
    assert load(tmp_path, "city: demo").model_dump() == Config().model_dump()


def test_a_city_file_is_read_alone(tmp_path: Path) -> None:
    config = load(tmp_path, LOCAL + "model: {name: gul_s2}")
    assert (config.city, config.period, config.map.pixel_size_m) == ("lisbon", "2023-05-01_2023-08-31", 100)


def test_radar_is_needed_only_by_networks_that_see_it(tmp_path: Path) -> None:
    assert load(tmp_path, "city: demo").sees_radar
    assert not load(tmp_path, "model: {name: gul_s2}").sees_radar
    assert not load(tmp_path, "sentinel1: {use: off}").sees_radar


def test_seasons_and_radar_dates_are_views(tmp_path: Path) -> None:
    assert load(tmp_path, "city: demo").stack_views("sentinel-2") == ("",)
    config = load(tmp_path, "sentinel2: {season: four}\nsentinel1: {dates: softmax, max_dates: 2}")
    assert config.stack_views("sentinel-2") == ("spring", "summer", "autumn", "winter")
    assert config.stack_views("sentinel-1") == ("1", "2")


def test_the_command_line_replaces_single_keys(tmp_path: Path) -> None:
    config = load(tmp_path, "map: {pixel_size_m: 50, tile_px: 1000}", map={"tile_px": 250})
    assert (config.map.pixel_size_m, config.map.tile_px) == (50, 250)


def test_several_cities_in_one_file_or_call(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text(f"city: {name}")
    (tmp_path / "both.yaml").write_text("cities: [a.yaml, b.yaml]")
    configs = load_configs([tmp_path / "both.yaml", tmp_path / "c.yaml"], root=tmp_path)
    assert [c.city for c in configs] == ["a", "b", "c"]


def test_the_same_city_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("city: a")
    with pytest.raises(ValueError, match="two configurations describe a"):
        load_configs([tmp_path / "a.yaml", tmp_path / "a.yaml"], root=tmp_path)


def test_networks_to_compare_may_be_names(tmp_path: Path) -> None:
    config = load(tmp_path, "compare: [gul_s2, {name: eb_cnn, id: plain}]")
    assert [m.key for m in config.models] == ["bp_lcz_eb_cnn", "gul_s2", "plain"]
    assert [m.is_trained for m in config.models] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentinel2: {souce: local}", r"unknown key `sentinel2\.souce`; did you mean `source`\?"),
        ("aoi: {bbox: [1, 2, 3, 4], crss: x}", r"unknown key `aoi\.crss`; did you mean `crs`\?"),
        ("compare: [{name: a, presett: x}]", r"unknown key `compare\.0\.presett`; did you mean `preset`\?"),
        ("map: {pixel_size_m: 25}", r"`map\.pixel_size_m`: .*multiple of 10, got 25"),
        ("start: 2024-06-01\nend: 2024-05-01", "expected `end` on or after `start`, got 2024-06-01 and 2024-05-01"),
        ("sentinel2: {source: local}", r"`sentinel2\.source: local` needs `sentinel2\.archive`"),
        (LOCAL, "needs training areas"),
        (LOCAL.replace("sentinel1: {use: off}", "training: {areas: a.kml}"), "one sensor is simulated"),
        ("sentinel1: {use: off}\ncompare: [{id: a, name: eb_cnn, sensors: [sentinel-1]}]", "'a' sees no sensor"),
        ("compare: gul_s2", r"`compare`: expected a list of networks, such as \[gul_s2\], got 'gul_s2'"),
        ("model: {name: eb_ccn}", r"`model\.name`: unknown network; did you mean 'eb_cnn'\?, got 'eb_ccn'"),
        ("model: {name: transformer9000}", r"`model\.name`: unknown network; known: bp_lcz_eb_cnn,.*, ensemble, got"),
        ("compare: [eb_cnn, eb_cnn]", "two networks share a name"),
        ("training: {labels: teacher, teacher: gul_s2}", r"`training\.teacher` must be a ready network"),
        (FETCHED.format("{source: gcs, level: L2A}", "{use: off}"), "holds L1C only"),
        (
            FETCHED.format("{source: stac, level: L2A}", "{use: off}") + "compare: [gul_s2]",
            r"'gul_s2' was trained on L1C .*`allow_level_mismatch: true`",
        ),
        (FETCHED.format("{source: gcs}", "{source: stac, calibration: gamma0}"), "has intensities only; set"),
        (FETCHED.format("{source: gcs}", "{source: stac, channels: grd4}"), r"set `sentinel1\.calibration: gamma0`"),
        ("sentinel1: {dates: mean}", r"`dates: mean` needs `channels: grd4`"),
        (FETCHED.format("{source: gcs}", "{source: slc, provider: local}"), r"needs `sentinel1\.archive`, the folder"),
        (
            FETCHED.format("{source: gcs}", "{source: slc, calibration: gamma0}"),
            r"set `sentinel1\.calibration: sigma0`",
        ),
        (FETCHED.format("{source: gcs}", "{source: slc, channels: rsnnet9, backend: snap}"), "so2sat8 only"),
        (
            FETCHED.format("{source: gcs}", "{source: sentinelhub, channels: grd4, dem: glo30}"),
            r"`sentinel1\.dem` is for products on disk",
        ),
        ("sentinel2: {platform: landsat-8}", r"`sentinel2\.platform`"),
        ("sentinel2: {endpoint: 'https://me:secret@host/v1'}", "credentials come from the environment"),
        ("sentinel1: {endpoint: 'https://host/v1?key=secret'}", "without user, password and query"),
        ("city: Großstadt", "`city`"),
        ("city: [", "not valid YAML"),
        ("just text", "expected keys and values"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, text)
    assert "city.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_paths_take_environment_variables_and_start_at_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LCZ_DATA", raising=False)
    assert expand("config/a.kml", tmp_path) == tmp_path / "config/a.kml"
    assert expand("${LCZ_DATA:-../data}/x", tmp_path) == tmp_path / "../data/x"
    with pytest.raises(ValueError, match="LCZ_DATA"):
        expand("${LCZ_DATA}/x", tmp_path)
    monkeypatch.setenv("LCZ_DATA", "/elsewhere")
    assert expand("${LCZ_DATA}/x", tmp_path) == Path("/elsewhere/x")


def test_an_endpoint_may_be_a_catalogue_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCZ_DATA", "/elsewhere")
    for endpoint in ("earth_search", "https://host/v1", "http://127.0.0.1:80/stac"):
        assert expand_endpoint(endpoint, tmp_path) == endpoint
    assert expand_endpoint("data/catalog.json", tmp_path) == str(tmp_path / "data/catalog.json")
    assert expand_endpoint("${LCZ_DATA}", tmp_path) == "/elsewhere"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml: no such file"):
        load_configs([tmp_path / "none.yaml"], root=tmp_path)
