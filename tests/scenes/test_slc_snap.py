"""The SNAP backend, with a stand-in for `gpt` that records what it is asked and writes rasters made before.

Never run against real SNAP: this tests our plumbing, and the mapping of bands as SNAP's source code has them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import uniform_filter

from lczmap.channels import SO2SAT8
from lczmap.raster import band_names, read_cells, read_tags, write_cells
from lczmap.scenes.slc import snap_gpt
from lczmap.scenes.slc.snap import graph, run_snap, so2sat8
from lczmap.scenes.slc.snap_gpt import find_gpt, run_graph, snap_version

MAP = GeoBox((40, 50), Affine(10, 0, 500_000, 0, -10, 5_800_000), "EPSG:32632")
WIDER = MAP.pad(30)

FAKE = """#!{python}
import json, os, shutil, sys
from pathlib import Path
from xml.etree import ElementTree

here = Path({here!r})
if "--diag" in sys.argv:
    print((here / "diag.txt").read_text())
    sys.exit()
calls = here / "calls.json"
calls.write_text(json.dumps([*(json.loads(calls.read_text()) if calls.exists() else []), sys.argv[1:]]))
root = ElementTree.parse(sys.argv[1]).getroot()
filtered = any(node.get("id") == "Polarimetric-Speckle-Filter" for node in root.iter("node"))
(here / ("lee.xml" if filtered else "complex.xml")).write_text(ElementTree.tostring(root, encoding="unicode"))
print("progress " * 1000)
if (here / "fails").exists():
    print((here / "fails").read_text(), file=sys.stderr)
    sys.exit(1)
made = here / ("lee.tif" if filtered else "complex.tif")
if made.exists():
    shutil.copy(made, next(node for node in root.iter("node") if node.get("id") == "Write").findtext("parameters/file"))
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in: diag.txt is what it says, complex.tif and lee.tif what it makes."""
    folder = tmp_path / "snap"
    folder.mkdir()
    script = folder / "gpt"
    script.write_text(FAKE.format(python=sys.executable, here=str(folder)))
    script.chmod(0o755)
    (folder / "diag.txt").write_text("SNAP Release version 7.0\nSNAP home: /opt/snap\nJava version: 1.8.0_242\n")
    monkeypatch.setenv("LCZMAP_SNAP_GPT", str(script))
    return folder


def scene(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Speckle over brighter and darker ground: (re VH, im VH, re VV, im VV), (C11, re C12, im C12, C22) of So2Sat."""
    random = np.random.default_rng(seed)
    first, second = (random.normal(size=(2, *shape)) for _ in range(2))
    vh = 0.2 * (first[0] + 1j * first[1])
    vv = 0.4 * (second[0] + 1j * second[1]) + (0.3 + 0.5j) * vh
    c12 = vh * vv.conj()
    unfiltered = np.stack([vh.real, vh.imag, vv.real, vv.imag])
    covariance = np.stack([np.abs(vh) ** 2, c12.real, c12.imag, np.abs(vv) ** 2])
    mean = np.stack([uniform_filter(one, 5) for one in covariance])
    return unfiltered.astype(np.float32), mean.astype(np.float32)


def as_since_8(filtered: np.ndarray) -> np.ndarray:
    """The covariance of (VV, VH): what SNAP 8 and later write."""
    c11, re, im, c22 = filtered
    return np.stack([c22, re, -im, c11])


def lay(fake: Path, unfiltered: np.ndarray, filtered: np.ndarray, geobox: GeoBox = WIDER) -> None:
    for name, bands in (("complex", unfiltered), ("lee", filtered)):
        write_cells(fake / f"{name}.tif", bands, geobox, names=["1", "2", "3", "4"], nodata=None)


def run(tmp_path: Path, **options: object) -> Path:
    product = tmp_path / "S1A_IW_SLC__1SDV_20200511T135117.zip"
    product.touch()
    wanted = {"orbit": "precise", "heights": tmp_path / "heights.tif"} | options
    return run_snap(product, MAP, tmp_path / "out", **wanted)  # type: ignore[arg-type]


def parameters(fake: Path, name: str) -> dict[str, dict[str, str]]:
    root = ElementTree.parse(fake / f"{name}.xml").getroot()
    return {
        node.get("id", ""): {one.tag: one.text or "" for one in node.find("parameters") or ()}
        for node in root.iter("node")
    }


def test_up_to_snap_7_the_bands_are_those_of_so2sat() -> None:
    unfiltered = np.array([1, 2, 3, 4], np.float32)[:, None, None]
    filtered = np.array([5, 6, 7, 8], np.float32)[:, None, None]
    for version in ((7, 0, 4), (6,), (7, 0)):
        stack = dict(zip(SO2SAT8.channels, so2sat8(unfiltered, filtered, version).ravel(), strict=True))
        assert stack == {
            "VH_re": 1, "VH_im": 2, "VV_re": 3, "VV_im": 4, "VH_lee": 5, "VV_lee": 8, "C12_re": 6, "C12_im": 7,
        }  # fmt: skip


@pytest.mark.parametrize("version", [(8,), (8, 0, 9), (9, 0, 0), (10, 0), (11, 0, 1)])
def test_since_snap_8_the_covariance_is_turned_back_to_that_of_so2sat(version: tuple[int, ...]) -> None:
    unfiltered = np.array([1, 2, 3, 4], np.float32)[:, None, None]
    filtered = np.array([5, 6, 7, 8], np.float32)[:, None, None]
    stack = dict(zip(SO2SAT8.channels, so2sat8(unfiltered, filtered, version).ravel(), strict=True))
    assert stack == {
        "VH_re": 1, "VH_im": 2, "VV_re": 3, "VV_im": 4, "VH_lee": 8, "VV_lee": 5, "C12_re": 6, "C12_im": -7,
    }  # fmt: skip


def test_the_covariance_of_one_pixel_worked_out_by_hand_comes_out_alike_for_all_versions() -> None:
    vh, vv = 1 + 2j, 3 - 1j
    unfiltered = np.array([vh.real, vh.imag, vv.real, vv.imag], np.float32)[:, None, None]
    old = np.array([5, 1, 7, 10], np.float32)[:, None, None]  # vh · conj(vv) = (1 + 2j)(3 + 1j) = 1 + 7j
    new = np.array([10, 1, -7, 5], np.float32)[:, None, None]  # vv · conj(vh) = (3 - 1j)(1 - 2j) = 1 - 7j
    expected = [1, 2, 3, -1, 5, 10, 1, 7]
    assert so2sat8(unfiltered, old, (7, 0, 4)).ravel().tolist() == expected
    assert so2sat8(unfiltered, new, (9,)).ravel().tolist() == expected


def test_a_pixel_without_one_polarisation_is_missing_in_every_channel() -> None:
    unfiltered, filtered = np.ones((4, 1, 5), np.float32), np.ones((4, 1, 5), np.float32)
    unfiltered[:2, 0, 0] = 0  # no VH
    unfiltered[2:, 0, 1] = 0  # no VV
    unfiltered[1, 0, 2] = 0  # a real amplitude
    filtered[3, 0, 3] = 0
    assert np.isnan(so2sat8(unfiltered, filtered, (7,))).all(axis=0).tolist() == [[True, True, False, True, False]]
    assert np.isfinite(so2sat8(unfiltered, filtered, (7,))[:, 0, [2, 4]]).all()


@pytest.mark.parametrize(
    ("said", "turn"),
    [("7.0", lambda c: c), ("7.0.4", lambda c: c), ("8.0", as_since_8), ("9.0.0", as_since_8), ("11.0.1", as_since_8)],
)
def test_the_file_holds_so2sat8_on_the_map_whatever_the_version(
    fake: Path, tmp_path: Path, said: str, turn: Callable[[np.ndarray], np.ndarray]
) -> None:
    (fake / "diag.txt").write_text(f"SNAP Release version {said}\nJava version: 1.8.0_242\n")
    unfiltered, filtered = scene(WIDER.shape)
    lay(fake, unfiltered, turn(filtered))
    path = run(tmp_path)
    pixels, geobox = read_cells(path)
    assert geobox == MAP
    assert band_names(path) == SO2SAT8.channels
    inner = (slice(None), slice(30, 70), slice(30, 80))
    np.testing.assert_array_equal(pixels[:4], unfiltered[inner])
    np.testing.assert_array_equal(pixels[4:], filtered[inner][[0, 3, 1, 2]])
    assert read_tags(path)["processor"] == f"ESA SNAP {said}"
    assert [p.name for p in (tmp_path / "out").iterdir()] == [path.name]


def test_an_old_snap_that_calls_itself_new_is_found_out(fake: Path, tmp_path: Path) -> None:
    (fake / "diag.txt").write_text("SNAP Release version 9.0.0\n")
    lay(fake, *scene(WIDER.shape))
    with pytest.raises(ValueError, match=r"SNAP 9\.0\.0: bands are not in the expected order"):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("wrong", ["polarisations", "polarisations without phase", "conjugate"])
def test_bands_in_another_order_are_found_out(fake: Path, tmp_path: Path, wrong: str) -> None:
    unfiltered, filtered = scene(WIDER.shape)
    if wrong.startswith("polarisations"):
        unfiltered = unfiltered[[2, 3, 0, 1]]
        filtered[2] *= wrong == "polarisations"
    else:
        filtered = filtered * np.array([1, 1, -1, 1], np.float32)[:, None, None]
    lay(fake, unfiltered, filtered)
    with pytest.raises(ValueError, match="bands are not in the expected order"):
        run(tmp_path)


def test_pixels_that_lie_between_ours_are_taken_from_the_nearest(fake: Path, tmp_path: Path) -> None:
    unfiltered, filtered = scene(WIDER.shape)
    moved = GeoBox(WIDER.shape, Affine.translation(3.0, -2.0) @ WIDER.transform, WIDER.crs)
    lay(fake, unfiltered, filtered, moved)
    pixels, _ = read_cells(run(tmp_path))
    np.testing.assert_array_equal(pixels[:4], unfiltered[:, 30:70, 30:80])


def test_beyond_what_snap_made_pixels_are_missing(fake: Path, tmp_path: Path) -> None:
    unfiltered, filtered = scene((40, 20))
    lay(fake, unfiltered, filtered, MAP[0:40, 0:20])
    pixels, _ = read_cells(run(tmp_path))
    assert np.isfinite(pixels[:, :, :20]).all()
    assert np.isnan(pixels[:, :, 20:]).all()


def test_a_product_that_does_not_show_the_city_is_an_error(fake: Path, tmp_path: Path) -> None:
    zeros = np.zeros((4, *WIDER.shape), np.float32)
    lay(fake, zeros, zeros)
    with pytest.raises(ValueError, match="nothing of the city"):
        run(tmp_path)


def test_the_two_graphs_are_those_of_so2sat(fake: Path, tmp_path: Path) -> None:
    lay(fake, *scene(WIDER.shape))
    run(tmp_path)
    unfiltered, filtered = parameters(fake, "complex"), parameters(fake, "lee")
    chain = ["Read", "Apply-Orbit-File", "Calibration", "TOPSAR-Deburst", "Terrain-Correction", "Subset", "Write"]
    assert list(unfiltered) == chain
    assert list(filtered) == [*chain[:4], "Polarimetric-Speckle-Filter", *chain[4:]]
    assert filtered["Polarimetric-Speckle-Filter"] == {
        "filter": "Refined Lee Filter", "windowSize": "7x7", "numLooksStr": "1",
    }  # fmt: skip
    assert unfiltered["Calibration"]["outputImageInComplex"] == "true"
    assert unfiltered["Apply-Orbit-File"]["orbitType"] == "Sentinel Precise (Auto Download)"
    assert unfiltered["Read"]["file"] == str(tmp_path / "S1A_IW_SLC__1SDV_20200511T135117.zip")
    assert unfiltered["Write"]["formatName"] == "GeoTIFF-BigTIFF"
    corrected = unfiltered["Terrain-Correction"]
    assert corrected == filtered["Terrain-Correction"]
    assert corrected["mapProjection"] == "EPSG:32632"
    assert float(corrected["pixelSpacingInMeter"]) == 10
    assert (corrected["standardGridOriginX"], corrected["standardGridOriginY"]) == ("500005.0", "5799995.0")
    assert (corrected["externalDEMFile"], corrected["externalDEMApplyEGM"]) == (str(tmp_path / "heights.tif"), "false")
    assert {corrected[f"{what}ResamplingMethod"] for what in ("img", "dem")} == {"NEAREST_NEIGHBOUR"}
    calls = json.loads((fake / "calls.json").read_text())
    assert [len(call) for call in calls] == [2, 2]


def test_each_operator_takes_what_the_one_before_it_makes(tmp_path: Path) -> None:
    text = graph(tmp_path, MAP, tmp_path / "a.tif", orbit="restituted", heights=tmp_path / "h.tif", filtered=True)
    nodes = list(ElementTree.fromstring(text).iter("node"))
    sources = [[one.get("refid") for one in node.iter("sourceProduct")] for node in nodes]
    assert sources == [[], *([node.get("id")] for node in nodes[:-1])]
    assert nodes[0].findtext("parameters/file") == str(tmp_path / "manifest.safe")  # a SAFE folder
    assert nodes[1].findtext("parameters/orbitType") == "Sentinel Restituted (Auto Download)"


def test_with_the_products_own_orbit_none_is_applied(tmp_path: Path) -> None:
    text = graph(tmp_path, MAP, tmp_path / "a.tif", orbit="product", heights=tmp_path / "h.tif", filtered=False)
    assert "Apply-Orbit-File" not in text


def test_the_region_holds_the_map_with_room_to_spare(tmp_path: Path) -> None:
    text = graph(tmp_path, MAP, tmp_path / "a.tif", orbit="product", heights=tmp_path / "h.tif", filtered=False)
    region = ElementTree.fromstring(text).findtext(".//geoRegion") or ""
    corners = np.array(
        [pair.split() for pair in region.removeprefix("POLYGON ((").removesuffix("))").split(", ")], float
    )
    from pyproj import Transformer

    to_lonlat = Transformer.from_crs(32632, 4326, always_xy=True)
    x, y = to_lonlat.transform([500_000, 500_500] * 2, [5_800_000, 5_800_000, 5_799_600, 5_799_600])
    assert corners[:, 0].min() < min(x) - 0.01 < max(x) + 0.01 < corners[:, 0].max()
    assert corners[:, 1].min() < min(y) - 0.01 < max(y) + 0.01 < corners[:, 1].max()
    assert (corners[0] == corners[-1]).all()


def test_a_shift_enters_the_geocoding(fake: Path, tmp_path: Path) -> None:
    unfiltered, filtered = scene(WIDER.shape)
    moved = GeoBox(WIDER.shape, Affine.translation(-12.5, 7.5) @ WIDER.transform, WIDER.crs)
    lay(fake, unfiltered, filtered, moved)
    path = run(tmp_path, shift_m=(12.5, -7.5))
    corrected = parameters(fake, "complex")["Terrain-Correction"]
    assert (corrected["standardGridOriginX"], corrected["standardGridOriginY"]) == ("499992.5", "5800002.5")
    pixels, geobox = read_cells(path)
    assert geobox == MAP
    np.testing.assert_array_equal(pixels[:4], unfiltered[:, 30:70, 30:80])


def test_a_city_across_the_antimeridian_is_refused(tmp_path: Path) -> None:
    across = GeoBox((40, 5000), Affine(10, 0, 790_000, 0, -10, 2_000_000), "EPSG:32660")
    with pytest.raises(ValueError, match="antimeridian"):
        graph(tmp_path, across, tmp_path / "a.tif", orbit="product", heights=tmp_path / "h.tif", filtered=False)


def test_when_gpt_fails_the_end_of_what_it_says_is_told(fake: Path, tmp_path: Path) -> None:
    (fake / "fails").write_text("Error: [NodeId: Apply-Orbit-File] No valid orbit file found")
    with pytest.raises(ValueError, match=r"exit status 1(.|\n)*No valid orbit file found") as raised:
        run(tmp_path)
    assert len(str(raised.value)) < 2500
    assert list((tmp_path / "out").iterdir()) == []


def test_a_gpt_that_succeeds_but_writes_nothing_is_an_error(fake: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"exit status 0 and no complex\.tif"):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    assert len(json.loads((fake / "calls.json").read_text())) == 1


def test_a_gpt_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path, monkeypatch) -> None:
    gpt = tmp_path / "gpt"  # as SNAP's, a launcher that starts the program proper
    gpt.write_text(f"#!/bin/sh\n(echo started > {tmp_path}/begun; sleep 2; echo alive > {tmp_path}/late) &\nwait\n")
    gpt.chmod(0o755)
    monkeypatch.setattr(snap_gpt, "LIMIT_S", 0.5)
    with pytest.raises(ValueError, match=r"not finished after .* hours; set `backend: python`"):
        run_graph(gpt, "<graph/>", tmp_path / "out.tif")
    time.sleep(2.5)
    assert (tmp_path / "begun").exists()
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("name", ["complex", "lee"])
@pytest.mark.parametrize("count", [3, 5])
def test_a_file_of_snap_that_does_not_have_four_bands_is_refused(
    fake: Path, tmp_path: Path, name: str, count: int
) -> None:
    unfiltered, filtered = scene(WIDER.shape)
    lay(fake, unfiltered, filtered)
    bands = np.concatenate([unfiltered if name == "complex" else filtered, filtered])[:count]
    write_cells(fake / f"{name}.tif", bands, WIDER, names=[str(i) for i in range(count)], nodata=None)
    with pytest.raises(ValueError, match=rf"{name}\.tif: expected 4 bands, .* wrote {count}.*backend: python"):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_snap_the_message_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`gpt` is not on PATH; install it from https://step\.esa\.int"):
        find_gpt({"PATH": str(tmp_path)})
    with pytest.raises(ValueError, match=r"LCZMAP_SNAP_GPT names /nowhere/gpt"):
        find_gpt({"PATH": str(tmp_path), "LCZMAP_SNAP_GPT": "/nowhere/gpt"})


def test_gpt_is_found_on_path_or_where_the_variable_says(fake: Path) -> None:
    assert find_gpt({"PATH": str(fake)}) == fake / "gpt"
    assert find_gpt({"PATH": "", "LCZMAP_SNAP_GPT": str(fake / "gpt")}) == fake / "gpt"


@pytest.mark.parametrize(
    ("said", "version"), [("7.0", (7, 0)), ("8.0", (8, 0)), ("9.0.0", (9, 0, 0)), ("10.0.0", (10, 0, 0))]
)
def test_the_version_is_read_from_the_diagnosis(fake: Path, said: str, version: tuple[int, ...]) -> None:
    (fake / "diag.txt").write_text(f"INFO: something 5.0\nSNAP Release version {said}\nJava version: 1.8.0_242\n")
    assert snap_version(fake / "gpt") == version


def test_another_program_called_gpt_is_refused(fake: Path, tmp_path: Path) -> None:
    (fake / "diag.txt").write_text("gpt 4.2: how can I help?")
    with pytest.raises(ValueError, match=r"expected 'SNAP Release version'.*how can I help"):
        run(tmp_path)


def test_other_channels_than_so2sat8_are_refused(fake: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SNAP makes so2sat8 only, not grd4"):
        run(tmp_path, channels="grd4")
