import re
import shutil
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tiny_slc as tiny

from lczmap.raster import read_window
from lczmap.sar.grd_radiometry import look_up
from lczmap.sar.safe import SlcProduct, find_slc, open_slc

ROWS, COLS = slice(3, 8), slice(2, 6)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_slc(tmp_path_factory.mktemp("slc"))


@pytest.fixture
def own(safe: Path, tmp_path: Path) -> Path:
    """A copy of the product to break."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


@pytest.fixture(scope="module")
def real(real_data: Path) -> Path:
    return next((real_data / "safe").glob("S1A_IW_SLC__1SDV_20200511*.zip"))


def measurement(safe: Path, swath: str, polarisation: str) -> Path:
    return safe / f"measurement/{tiny.stem(swath, polarisation)}.tiff"


def test_product_says_what_manifest_and_annotation_say(safe: Path) -> None:
    product = open_slc(safe)
    assert (product.id, product.platform, product.processor) == (tiny.NAME, "sentinel-1c", "Sentinel-1 IPF 004.00")
    assert (product.relative_orbit, product.absolute_orbit, product.orbit_direction) == (168, 1234, "ascending")
    assert (product.datetime, product.epoch) == ("2025-04-01T23:59:58Z", datetime(2025, 4, 1))
    assert product.bounds == (11.0, 45.5, 12.1, 46.0)
    assert list(product.swaths) == ["IW1", "IW2", "IW3"]


def test_times_go_on_beyond_midnight(safe: Path) -> None:
    product = open_slc(safe)
    first, second = product.swaths["IW1"].bursts
    assert first.azimuth_time == pytest.approx(86398.5, abs=1e-9)
    assert second.azimuth_time == pytest.approx(86401.25, abs=1e-9)
    assert (product.start_s, product.stop_s) == pytest.approx((86398.5, 86403.05 + 5 * tiny.INTERVAL_S), abs=1e-9)


def test_swath_and_bursts_are_read(safe: Path) -> None:
    swath = open_slc(safe).swaths["IW2"]
    assert (swath.name, swath.lines_per_burst, swath.samples, swath.lines) == ("IW2", 6, 10, 12)
    assert (swath.azimuth_interval_s, swath.near_range_time_s) == (tiny.INTERVAL_S, tiny.NEAR_S)
    assert swath.range_sampling_rate_hz == tiny.RATE_HZ
    burst = swath.bursts[1]
    assert (burst.number, burst.first_line, burst.first_valid_line, burst.last_valid_line) == (1, 6, 1, 4)
    np.testing.assert_array_equal(burst.first_valid, [-1, 2, 2, 2, 2, -1])
    np.testing.assert_array_equal(burst.last_valid, [-1, 8, 8, 8, 8, -1])


def test_grid_points_and_orbit_are_read(safe: Path) -> None:
    product = open_slc(safe)
    points = product.swaths["IW1"].points
    np.testing.assert_array_equal(points.pixel, [0, 9])
    np.testing.assert_allclose(points.longitude, [12, 12.09])
    np.testing.assert_allclose(
        points.range_time_s, [5.334431164884956e-03, 5.334431164884956e-03 + 9 / 6.434523812571428e07]
    )
    assert (points.line[1], points.azimuth_time[1], points.latitude[1]) == (0, 86398.5, 45.5)
    assert (points.height[0], points.incidence[0]) == (12.25, 33.5)
    orbit = product.state_vectors
    assert (orbit.source, orbit.platform, orbit.epoch) == ("product", "sentinel-1c", datetime(2025, 4, 1))
    np.testing.assert_array_equal(orbit.time, [86360, 86370, 86380])
    np.testing.assert_array_equal(orbit.position[2], [40.5, -7e6, 3])
    np.testing.assert_array_equal(orbit.velocity[0], [4, 5, 7500])


def test_window_shows_the_pixels_of_its_place(safe: Path) -> None:
    product = open_slc(safe)
    for swath, polarisation in (("IW1", "VV"), ("IW3", "VH")):
        window = product.read(swath, polarisation, ROWS, COLS)
        assert window.dtype == np.complex64
        np.testing.assert_array_equal(window, tiny.image(swath, polarisation)[ROWS, COLS])


def test_tables_are_of_the_image(safe: Path) -> None:
    product = open_slc(safe)
    # line 2 lies a third of the way from -3 to 12: 300 + 10, and a unit per sample
    np.testing.assert_allclose(look_up(product.calibration("IW1", "VH"), slice(2, 3), slice(4, 6)), [[314, 315]])
    noise = product.noise("IW1", "VH")
    assert noise is not None
    np.testing.assert_array_equal(noise.across.value[0], [500, 400])
    np.testing.assert_array_equal(noise.along[0].value, [1, 1.5])


def test_product_without_noise_annotation_is_read(tmp_path: Path) -> None:
    assert open_slc(tiny.write_slc(tmp_path, noise=False)).noise("IW1", "VV") is None


def test_product_cut_to_one_swath_is_read(tmp_path: Path) -> None:
    product = open_slc(tiny.write_slc(tmp_path, swaths=("IW2",)))
    assert list(product.swaths) == ["IW2"]
    assert product.start_s == pytest.approx(86399.4)
    np.testing.assert_array_equal(product.read("IW2", "VH", ROWS, COLS), tiny.image("IW2", "VH")[ROWS, COLS])


@pytest.mark.parametrize("inside", [f"{tiny.NAME}.SAFE/", "", f"deep/down/{tiny.NAME}.SAFE/"])
def test_zip_gives_what_the_folder_gives(safe: Path, tmp_path: Path, inside: str) -> None:
    folder = open_slc(safe)
    product = open_slc(tiny.zipped(safe, tmp_path, inside=inside), tmp_path / "scratch")
    assert (product.id, product.start_s, product.stop_s) == (tiny.NAME, folder.start_s, folder.stop_s)
    assert not (tmp_path / "scratch").exists()
    np.testing.assert_array_equal(product.read("IW3", "VV", ROWS, COLS), folder.read("IW3", "VV", ROWS, COLS))


def test_zip_unpacks_a_measurement_once_and_no_other(safe: Path, tmp_path: Path) -> None:
    product = open_slc(tiny.zipped(safe, tmp_path), tmp_path / "scratch")
    product.read("IW3", "VV", ROWS, COLS)
    files = [p for p in (tmp_path / "scratch").rglob("*") if p.is_file()]
    assert [p.name for p in files] == [f"{tiny.stem('IW3', 'VV')}.tiff"]
    before = files[0].stat().st_mtime_ns
    product.read("IW3", "VV", slice(0, 1), slice(0, 1))
    assert files[0].stat().st_mtime_ns == before


def test_measurement_unpacked_in_part_is_unpacked_again(safe: Path, tmp_path: Path) -> None:
    product = open_slc(tiny.zipped(safe, tmp_path), tmp_path / "scratch")
    product.read("IW1", "VV", ROWS, COLS)
    file = next(p for p in (tmp_path / "scratch").rglob("*.tiff"))
    file.write_bytes(file.read_bytes()[:200])
    np.testing.assert_array_equal(product.read("IW1", "VV", ROWS, COLS), tiny.image("IW1", "VV")[ROWS, COLS])


def test_two_processings_of_one_acquisition_share_a_scratch_folder(safe: Path, tmp_path: Path) -> None:
    first = tiny.zipped(safe, tmp_path)
    again = tmp_path / "again"
    shutil.copytree(safe, again / safe.name)
    with rasterio.open(measurement(again / safe.name, "IW1", "VV"), "r+") as target:
        target.write(np.full((12, 10), 7 + 8j, np.complex64), 1)
    second = tiny.zipped(again / safe.name, again, inside=f"{tiny.NAME[:-4]}ABCD.SAFE/")
    pixels = [
        open_slc(path, tmp_path / "scratch").read("IW1", "VV", slice(0, 1), slice(0, 1)) for path in (first, second)
    ]
    assert [complex(p[0, 0]) for p in pixels] == [0, 7 + 8j]


def test_zip_without_scratch_says_what_to_give(safe: Path, tmp_path: Path) -> None:
    product = open_slc(tiny.zipped(safe, tmp_path))
    with pytest.raises(ValueError, match=r"expected a folder for that \(`scratch`.*got none; give one, or unpack"):
        product.read("IW1", "VV", ROWS, COLS)


@pytest.mark.parametrize(
    ("swaths", "polarisations", "message"),
    [
        (("IW1",), ("VV",), "expected VH and VV, got VV; take an SLC product of mode IW in VV and VH"),
        (("IW1", "IW2"), ("HH", "HV"), "expected VH and VV, got HH and HV; take"),
    ],
)
def test_other_polarisations_are_refused(
    tmp_path: Path, swaths: tuple[str, ...], polarisations: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_slc(tiny.write_slc(tmp_path, swaths=swaths, polarisations=polarisations))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("productType>SLC", "productType>GRD", "GRD of IW"),
        ("mode>IW", "mode>EW", "SLC of EW"),
        ("mode>IW", "mode>SM", "SLC of SM"),
        ("mode>IW", "mode>WV", "SLC of WV"),
    ],
)
def test_other_products_are_refused(own: Path, old: str, new: str, found: str) -> None:
    tiny.changed(own, "manifest.safe", old, new)
    with pytest.raises(ValueError, match=f"expected product type SLC of mode IW, got {found}; take an SLC product"):
        open_slc(own)


def test_swath_of_one_polarisation_is_named(own: Path) -> None:
    tiny.changed(own, "manifest.safe", f"./measurement/{tiny.stem('IW2', 'VH')}.tiff", "./measurement/other.tiff")
    with pytest.raises(ValueError, match="files are missing of IW2 VH; download the product again"):
        open_slc(own)


@pytest.mark.parametrize(
    "name", ["annotation/{}.xml", "annotation/calibration/calibration-{}.xml", "measurement/{}.tiff"]
)
def test_missing_file_is_named_by_swath_and_polarisation(own: Path, name: str) -> None:
    (own / name.format(tiny.stem("IW3", "VV"))).unlink()
    with pytest.raises(ValueError, match="files are missing of IW3 VV; download the product again"):
        open_slc(own)


def test_product_without_manifest_is_refused(own: Path) -> None:
    (own / "manifest.safe").unlink()
    with pytest.raises(ValueError, match="expected a manifest"):
        open_slc(own)


def test_polarisations_of_two_timings_are_refused(own: Path) -> None:
    name = f"annotation/{tiny.stem('IW2', 'VV')}.xml"
    tiny.changed(own, name, f"<burst><azimuthTime>{tiny.SECOND['IW2']}", "<burst><azimuthTime>2025-04-02T00:00:02.151")
    with pytest.raises(ValueError, match="expected VH and VV of IW2 of one timing"):
        open_slc(own)


def test_polarisations_of_two_sizes_are_refused(own: Path) -> None:
    tiny.changed(own, f"annotation/{tiny.stem('IW2', 'VV')}.xml", "<samplesPerBurst>10", "<samplesPerBurst>11")
    with pytest.raises(ValueError, match=r"of IW2 of one size, got .*\(2, 6, 10\) and \(2, 6, 11\)"):
        open_slc(own)


def test_samples_valid_in_one_polarisation_only_are_not_valid(own: Path) -> None:
    name = f"annotation/{tiny.stem('IW2', 'VV')}.xml"
    tiny.changed(own, name, tiny.FIRST, "-1 -1 3 1 2 -1")
    tiny.changed(own, name, tiny.LAST, "-1 -1 9 7 8 -1")
    burst = open_slc(own).swaths["IW2"].bursts[0]
    np.testing.assert_array_equal(burst.first_valid, [-1, -1, 3, 2, 2, -1])
    np.testing.assert_array_equal(burst.last_valid, [-1, -1, 8, 7, 8, -1])
    assert (burst.first_valid_line, burst.last_valid_line) == (2, 4)


def test_burst_without_valid_lines_has_an_empty_range(own: Path) -> None:
    nothing = "-1 -1 -1 -1 -1 -1"
    for polarisation in ("VH", "VV"):
        for values in (tiny.FIRST, tiny.LAST):
            tiny.changed(own, f"annotation/{tiny.stem('IW1', polarisation)}.xml", values, nothing)
    burst = open_slc(own).swaths["IW1"].bursts[0]
    assert len(range(burst.first_valid_line, burst.last_valid_line + 1)) == 0


def test_annotation_of_another_image_is_refused(own: Path) -> None:
    tiny.changed(own, f"annotation/{tiny.stem('IW2', 'VV')}.xml", "<swath>IW2", "<swath>IW3")
    with pytest.raises(ValueError, match="expected the annotation of IW2 VV, got IW3 VV"):
        open_slc(own)


def test_empty_measurement_is_named_with_its_size(own: Path, tmp_path: Path) -> None:
    measurement(own, "IW1", "VV").write_bytes(b"")
    for path in (own, tiny.zipped(own, tmp_path)):
        with pytest.raises(
            ValueError, match=r"iw1-slc-vv-.*\.tiff is empty; expected 12 lines × 10 samples .*480 bytes"
        ):
            open_slc(path, tmp_path / "scratch").read("IW1", "VV", ROWS, COLS)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_measurement_is_named_with_its_size(own: Path, share: float) -> None:
    file = measurement(own, "IW1", "VV")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(ValueError, match=rf"{file.name}.*expected 12 lines × 10 samples .*download the product again"):
        open_slc(own).read("IW1", "VV", slice(0, 12), slice(0, 10))


def test_measurement_of_another_size_is_refused(own: Path) -> None:
    tiny._write_image(measurement(own, "IW1", "VV"), np.ones((12, 11), np.complex64))
    with pytest.raises(ValueError, match=r"expected \(12, 10\) pixels, the raster has \(12, 11\)"):
        open_slc(own).read("IW1", "VV", ROWS, COLS)


def test_measurement_of_amplitudes_is_refused(own: Path) -> None:
    file = measurement(own, "IW1", "VV")
    with rasterio.open(file, "w", driver="GTiff", dtype="uint16", count=1, height=12, width=10) as target:
        target.write(np.ones((12, 10), np.uint16), 1)
    with pytest.raises(ValueError, match="expected complex samples, got uint16"):
        open_slc(own).read("IW1", "VV", ROWS, COLS)


@pytest.mark.parametrize(
    ("rows", "cols"), [(slice(0, 13), COLS), (slice(-1, 3), COLS), (ROWS, slice(5, 11)), (slice(3, 3), COLS)]
)
def test_window_outside_the_image_is_refused(safe: Path, rows: slice, cols: slice) -> None:
    with pytest.raises(ValueError, match=r"expected a window within \(12, 10\) of IW1"):
        open_slc(safe).read("IW1", "VV", rows, cols)


def test_swath_that_the_product_lacks_is_refused(tmp_path: Path) -> None:
    product = open_slc(tiny.write_slc(tmp_path, swaths=("IW1",)))
    with pytest.raises(ValueError, match="expected one of IW1 VH, IW1 VV, got IW2 VV"):
        product.calibration("IW2", "VV")


def test_products_are_found_at_any_depth(tmp_path: Path) -> None:
    inner = tmp_path / f"2025/{tiny.NAME}.SAFE"
    inner.mkdir(parents=True)
    for name in (f"2025/{tiny.NAME}.zip", "S1D_IW_SLC__1SDV_other.zip", "S1A_IW_GRDH_1SDV_other.zip", "S2A_MSIL1C.zip"):
        (tmp_path / name).touch()
    assert find_slc(tmp_path) == [inner, tmp_path / "S1D_IW_SLC__1SDV_other.zip"]
    assert find_slc(inner) == [inner]


def test_window_is_read_by_the_named_driver_only(tmp_path: Path) -> None:
    file = tmp_path / "a.tiff"
    tiny._write_image(file, tiny.image("IW1", "VV"))
    link = tmp_path / "b.tiff"
    link.write_text(
        '<VRTDataset rasterXSize="10" rasterYSize="12"><VRTRasterBand dataType="CInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{file}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    np.testing.assert_array_equal(read_window(link, ROWS, COLS), tiny.image("IW1", "VV")[ROWS, COLS])
    with pytest.raises(ValueError, match="not a readable raster"):
        read_window(link, ROWS, COLS, driver="GTiff")


@pytest.fixture(scope="module")
def whole(real: Path) -> SlcProduct:
    return open_slc(real)


def test_real_product_opens_in_three_seconds(real: Path) -> None:
    started = time.perf_counter()
    open_slc(real)
    assert time.perf_counter() - started < 3


def test_real_product_says_what_its_files_say(whole: SlcProduct) -> None:
    assert (whole.platform, whole.relative_orbit, whole.absolute_orbit) == ("sentinel-1a", 71, 32518)
    assert (whole.orbit_direction, whole.processor) == ("descending", "Sentinel-1 IPF 003.20")
    assert (whole.datetime, whole.epoch) == ("2020-05-11T13:51:17Z", datetime(2020, 5, 11))
    assert whole.bounds == (-118.474800, 37.133995, -115.252251, 39.150517)
    # 13:51:17.603718 and 13:51:44.564395 of the manifest
    assert (whole.start_s, whole.stop_s) == pytest.approx((49877.603718, 49904.564395), abs=2e-6)


@pytest.mark.parametrize(
    ("name", "lines", "samples", "first", "near", "valid"),
    [
        ("IW1", 1497, 21444, 49879.418775, 5.334431164884956e-03, (20, 1479, 546, 21000)),
        ("IW2", 1509, 25359, 49877.603718, 5.644353088882477e-03, (25, 1485, 504, 24945)),
        ("IW3", 1515, 24492, 49878.557496, 6.015320711278467e-03, (28, 1487, 451, 24119)),
    ],
)
def test_real_swaths_are_as_annotated(
    whole: SlcProduct, name: str, lines: int, samples: int, first: float, near: float, valid: tuple[int, ...]
) -> None:
    swath = whole.swaths[name]
    assert (len(swath.bursts), swath.lines_per_burst, swath.samples, swath.lines) == (9, lines, samples, 9 * lines)
    assert (swath.near_range_time_s, swath.range_sampling_rate_hz) == (near, 6.434523812571428e07)
    assert swath.azimuth_interval_s == 2.055556299999998e-03
    burst = swath.bursts[0]
    assert burst.azimuth_time == pytest.approx(first, abs=1e-9)
    line = burst.first_valid_line
    assert (line, burst.last_valid_line, burst.first_valid[line], burst.last_valid[line]) == valid
    assert all(1459 <= b.last_valid_line - b.first_valid_line + 1 <= 1464 for b in swath.bursts)
    assert swath.points.line.size == 210


def test_real_tables_and_orbit_are_read(whole: SlcProduct) -> None:
    table = whole.calibration("IW1", "VH")
    assert (table.line.size, table.line[0], table.value[0][0], table.value[0][1]) == (29, -1038, 331.1444, 331.0824)
    noise = whole.noise("IW1", "VH")
    assert noise is not None
    assert (noise.across.line[2], noise.across.value[2][0], noise.along[0].value[0]) == (0, 590.8441, 1.170523)
    orbit = whole.state_vectors
    assert orbit.time[[0, -1]] == pytest.approx([49810.067187, 49970.067187], abs=1e-9)  # 13:50:10.067187, 17 of them
    np.testing.assert_array_equal(orbit.position[0], [-1.786290949894e6, -4.948259875452e6, 4.723133861777e6])
    np.testing.assert_array_equal(orbit.velocity[0], [-3.386083574e3, -4.020588397e3, -5.478357355e3])


def test_real_product_without_pixels_says_so(real: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"s1a-iw1-slc-vv-.*\.tiff is empty; expected 13473 lines × 21444 samples"):
        open_slc(real, tmp_path).read("IW1", "VV", slice(0, 2), slice(0, 2))


def test_real_product_with_missing_swaths_names_them(real_data: Path) -> None:
    folder = next((real_data / "safe").glob("S1B_IW_SLC*.SAFE"))
    with pytest.raises(
        ValueError, match=re.escape("files are missing of IW2 VV, IW3 VH, IW3 VV; download the product")
    ):
        open_slc(folder)


def test_real_grd_is_refused(real_data: Path) -> None:
    folder = next((real_data / "safe").glob("S1B_IW_GRDH*.SAFE"))
    with pytest.raises(ValueError, match="got GRD of IW; take an SLC product of mode IW"):
        open_slc(folder)
