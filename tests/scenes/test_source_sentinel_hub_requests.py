"""Sentinel Hub without a server: evalscripts, sub-tiles, processing units, and passes from the catalogue's items."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from fake_sentinel_hub import GRID, OPTICAL, RADAR, optical_item, radar_item
from tiny_archive import NORTH, WEST, make_grid

from lczmap.channels import S2_10
from lczmap.scenes.sources.sentinel_hub import requests as sentinel_hub_requests
from lczmap.scenes.sources.sentinel_hub.items import passes, union
from lczmap.scenes.sources.sentinel_hub.requests import cut, lattice, layers, processing_units, reflectance_script
from lczmap.scenes.sources.source import ArchiveError, Request

pytestmark = pytest.mark.server

# what is asked for, and what it costs


def test_fifty_kilometres_of_radar_cost_254_units():
    (layer,) = layers(RADAR, upsampling="cubic")
    parts = [processing_units(layer, (2500, 2500)) for _ in range(4)]
    assert sum(parts) == pytest.approx(254.3, abs=0.1)  # (2500/512)² · 2/3 · 2 (32 bit) · 2 (orthorectified), 4 times


def test_costs_follow_the_documented_examples():
    (radar,) = layers(RADAR, upsampling="cubic")
    # the documentation's change detection: 1024 × 1024, four bands, two dates, 32 bit, orthorectified
    twice_the_bands, dates = 2, 2
    assert twice_the_bands * dates * processing_units(radar, (1024, 1024)) == pytest.approx(42.667, abs=1e-3)
    optical, *_ = layers(OPTICAL, upsampling="cubic")
    assert processing_units(optical, (20, 20)) == pytest.approx(0.01 * 2 / 3)  # its parcel: the least area
    terrain = layers(Request(**{**RADAR.__dict__, "calibration": "gamma0"}), upsampling="cubic")[0]
    assert processing_units(terrain, (512, 512)) == pytest.approx(2 / 3 * 2 * 2.5)


def test_sub_tiles_cover_the_lattice_once():
    whole = lattice(GRID, 10)
    seen = np.zeros(whole.shape, int)
    for part in cut(whole, 150):
        height, width = part.geobox.shape
        assert max(height, width) <= 150
        seen[part.row : part.row + height, part.col : part.col + width] += 1
        assert part.geobox == whole[part.row : part.row + height, part.col : part.col + width]
    assert (seen == 1).all()


def test_a_lattice_of_an_odd_number_of_pixels_is_covered_by_larger_ones(monkeypatch):
    monkeypatch.setattr(sentinel_hub_requests, "MARGIN_M", 1500.0)
    whole = lattice(make_grid(121), 20)
    assert whole.shape == (211, 211)
    assert whole.transform @ (0, 0) == (WEST - 1500, NORTH + 1500)


def test_level_decides_the_cloud_layer():
    l2a = Request(**{**OPTICAL.__dict__, "level": "L2A"})
    assert [layer.bands for layer in layers(l2a, upsampling="cubic")] == [("B2", "B11"), ("SCL",)]
    assert [layer.kind for layer in layers(OPTICAL, upsampling="cubic")] == ["cubic", "sun"]


@pytest.mark.parametrize(
    ("request_", "match"),
    [
        (Request(**{**OPTICAL.__dict__, "level": "L2A", "bands": ("B10",)}), "B10"),
        (Request(**{**RADAR.__dict__, "bands": ("VH_re",)}), "VH_re"),
        (Request(**{**RADAR.__dict__, "calibration": "beta0"}), "beta0"),
    ],
)
def test_what_the_service_lacks_is_refused(request_, match):
    with pytest.raises(ArchiveError, match=match):
        layers(request_, upsampling="cubic")


def test_evalscript_keeps_zero_for_missing_pixels():
    script = reflectance_script(S2_10.channels)
    assert (
        'bands: ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", "dataMask"], units: "DN"'
        in script
    )
    assert 'output: {bands: 10, sampleType: "UINT16"}' in script
    assert "Math.max(1, Math.round(v))" in script
    assert "s.dataMask === 1 ? [dn(s.B02), " in script
    assert ": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];" in script


def evaluate(script: str, **sample: float) -> list[float | None]:
    """Run an evalscript on one pixel, as the service's JavaScript engine does; NaN comes as None."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, a JavaScript engine, is not installed")
    call = f"{script}\nconsole.log(JSON.stringify([setup(), evaluatePixel({json.dumps(sample)})]))"
    done = subprocess.run([node, "-e", call], capture_output=True, text=True, check=True)
    setup, pixel = json.loads(done.stdout)
    assert setup["output"]["bands"] == len(pixel)
    assert setup["input"][0]["bands"] == list(sample)
    return pixel


def test_evalscripts_say_what_they_should():
    optical = reflectance_script(("B2", "B8A"))
    assert evaluate(optical, B02=1234.4, B8A=0, dataMask=1) == [1234, 1]
    assert evaluate(optical, B02=70000, B8A=-3, dataMask=1) == [65535, 1]
    assert evaluate(optical, B02=0, B8A=0, dataMask=0) == [0, 0]
    (radar,) = layers(RADAR, upsampling="cubic")
    assert evaluate(radar.evalscript, VH=0.05, VV=0, dataMask=1) == [0.05, 0]
    assert evaluate(radar.evalscript, VH=0, VV=0, dataMask=0) == [None, None]


def test_orbit_and_platform_are_what_the_catalogue_states():
    stated = {"platform": "sentinel-1c", "sat:relative_orbit": 59, "sat:orbit_state": "DESCENDING"}
    (one,) = passes([radar_item("S1C_IW_GRDH_1SDV_x", "2025-06-02T05:46:39Z", **stated)], RADAR, provider="x")
    assert (one.platform, one.relative_orbit, one.orbit_direction) == ("sentinel-1c", 59, "descending")
    (mission,) = passes(
        [radar_item("S1D_IW_GRDH_x", "2025-06-02T05:46:39Z", platform="sentinel-1")], RADAR, provider="x"
    )
    assert mission.platform == "sentinel-1d"


@pytest.mark.parametrize(
    "item", [{}, {"id": "x"}, {"id": "S2A_x", "properties": {"datetime": "soon"}, "bbox": [1, 2, 3]}]
)
def test_an_item_of_another_kind_is_an_error(item):
    with pytest.raises(ArchiveError, match="expected datetime, bbox and platform"):
        passes([item], OPTICAL, provider="x")


def test_tandem_passes_get_intervals_of_their_own():
    near = [
        optical_item("a", "2024-11-01T10:00:00Z"),
        optical_item("b", "2024-11-01T10:00:10Z", platform="sentinel-2c"),
    ]
    one, other = passes(near, OPTICAL, provider="x")
    assert one.item["to"] < other.item["from"]
    mixed = [*near, optical_item("c", "2024-11-01T10:00:20Z")]
    with pytest.warns(UserWarning, match="tandem"):
        assert passes(mixed, OPTICAL, provider="x") == []


def test_bounds_join_across_the_antimeridian():
    assert union([(178, 0, 179, 1), (179, 1, -179, 2)]) == (178, 0, -179, 2)
    assert union([(179, 0, 180, 1), (-180, 1, -179, 2)]) == (179, 0, -179, 2)
    assert union([(-1, 0, 1, 1), (0, 1, 2, 2)]) == (-1, 0, 2, 2)
