"""Products made to do harm, or damaged: real files, each refused with a message that names what is wrong."""

import stat
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import tiny_slc as tiny

from lczmap.sar.safe import open_safe, open_slc, parse_xml
from lczmap.sar.safe.annotation import parse_slc
from lczmap.sar.safe.container import MAX_XML_BYTES
from lczmap.sar.safe.tables import parse_calibration, parse_noise

ROOT = f"{tiny.NAME}.SAFE/"
ANNOTATION = f"annotation/{tiny.stem('IW1', 'VV')}.xml"
CALIBRATION = f"annotation/calibration/calibration-{tiny.stem('IW1', 'VV')}.xml"
NOISE = f"annotation/calibration/noise-{tiny.stem('IW1', 'VV')}.xml"
PIXEL = slice(0, 1), slice(0, 1)


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    return tiny.write_slc(tmp_path / "product", swaths=("IW1",))


def packed(safe: Path, folder: Path, add: Callable[[zipfile.ZipFile], None]) -> Path:
    """Return a zip file of a product with something more in it."""
    path = tiny.zipped(safe, folder)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        add(archive)
    return path


DOCTYPES = {
    "a document type": "<!DOCTYPE product>",
    "an external document type": '<!DOCTYPE product SYSTEM "{address}">',
    "entities that grow": (
        '<!DOCTYPE product [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
    ),
    "an external entity": '<!DOCTYPE product [<!ENTITY d SYSTEM "{address}">]>',
    "a parameter entity": '<!DOCTYPE product [<!ENTITY % d SYSTEM "{address}"> %d;]>',
}


@pytest.mark.parametrize("kind", DOCTYPES)
@pytest.mark.parametrize("name", ["manifest.safe", ANNOTATION])
def test_document_types_and_entities_are_refused(safe: Path, tmp_path: Path, kind: str, name: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    text = (safe / name).read_text().replace(">VV<", ">&d;<" if "entit" in kind else ">VV<")
    (safe / name).write_text(DOCTYPES[kind].format(address=secret.as_uri()) + text)
    with pytest.raises(ValueError, match="expected XML without a document type and entities") as caught:
        open_slc(safe)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", [CALIBRATION, NOISE])
def test_entities_in_tables_are_refused(safe: Path, name: str) -> None:
    text = (safe / name).read_text()
    (safe / name).write_text(DOCTYPES["entities that grow"] + text)
    product = open_slc(safe)
    with pytest.raises(ValueError, match="without a document type and entities"):
        product.calibration("IW1", "VV") if name == CALIBRATION else product.noise("IW1", "VV")


@pytest.mark.parametrize("name", ["manifest.safe", ANNOTATION])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_xml_is_named(safe: Path, name: str, share: float) -> None:
    content = (safe / name).read_bytes()
    (safe / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"not readable XML .*; get the product again") as caught:
        open_slc(safe)
    assert name in str(caught.value)


@pytest.mark.parametrize("encoding", ["no-such", "utf-7", "base64", "shift_jis"])
def test_xml_of_an_odd_encoding_is_named(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"a\.xml: not readable XML"):
        parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode(), "a.xml")


def test_plain_xml_is_read() -> None:
    assert parse_xml(b'<?xml version="1.0"?><a><b>1 &amp; 2</b></a>', "a.xml").findtext("b") == "1 & 2"


@pytest.mark.parametrize("name", ["manifest.safe", ANNOTATION])
def test_huge_xml_is_refused_in_a_folder(safe: Path, name: str) -> None:
    with (safe / name).open("r+b") as stream:
        stream.truncate(MAX_XML_BYTES + 1)  # a hole: takes no space
    with pytest.raises(ValueError, match=f"expected at most {MAX_XML_BYTES} bytes in {name}, got {MAX_XML_BYTES + 1}"):
        open_slc(safe)


def test_bomb_of_xml_in_a_zip_is_refused(safe: Path, tmp_path: Path) -> None:
    text = (safe / ANNOTATION).read_bytes()
    (safe / ANNOTATION).write_bytes(text + b" " * MAX_XML_BYTES)
    path = tiny.zipped(safe, tmp_path)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=f"expected at most {MAX_XML_BYTES} bytes in annotation/s1c-iw1-slc-vv"):
        open_slc(path)


def test_member_that_holds_more_than_it_declares_is_refused(safe: Path, tmp_path: Path) -> None:
    path = tiny.zipped(safe, tmp_path)
    size = (safe / ANNOTATION).stat().st_size
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    entry = content.index((ROOT + ANNOTATION).encode(), start) - 46
    assert int.from_bytes(content[entry + 24 : entry + 28], "little") == size
    content[entry + 24 : entry + 28] = (size // 2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"iw1-slc-vv-.*\.xml is corrupt in the zip file"):
        open_slc(path)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.txt",
        f"{ROOT}../../outside.txt",
        f"{ROOT}measurement/..",
        "/tmp/outside.txt",
        "..\\outside.txt",
        f"{ROOT}a\\..\\..\\outside.txt",
        "C:/outside.txt",
        "c:outside.txt",
        "\\\\server\\share\\outside.txt",
        "../",
    ],
)
def test_zip_that_leads_elsewhere_is_refused_before_anything_is_read(safe: Path, tmp_path: Path, name: str) -> None:
    (safe / "manifest.safe").write_text("not even XML")  # would be the error if anything was read
    path = packed(safe, tmp_path, lambda archive: archive.writestr(zipfile.ZipInfo(name), "outside"))
    with pytest.raises(
        ValueError, match=r"expected the name of a file inside the product, got .* which leads elsewhere"
    ):
        open_slc(path, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("name", [f"{ROOT}link", f"{ROOT}{ANNOTATION}.2", "link"])
def test_symbolic_link_in_a_zip_is_refused(safe: Path, tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = packed(safe, tmp_path, lambda archive: archive.writestr(info, "/etc/passwd"))
    with pytest.raises(ValueError, match=f"expected plain files, stored or deflated, got a symbolic link: {name}"):
        open_slc(path)


def test_encrypted_member_of_a_zip_is_refused(safe: Path, tmp_path: Path) -> None:
    path = tiny.zipped(safe, tmp_path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    content[start + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="got an encrypted file"):
        open_slc(path)


def test_member_of_another_compression_is_refused(safe: Path, tmp_path: Path) -> None:
    path = packed(safe, tmp_path, lambda archive: archive.writestr(f"{ROOT}a", "a", compress_type=zipfile.ZIP_LZMA))
    with pytest.raises(ValueError, match="got a file of compression 14"):
        open_slc(path)


def test_two_files_of_one_name_are_refused(safe: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = packed(safe, tmp_path, lambda archive: archive.write(safe / ANNOTATION, ROOT + ANNOTATION))
    with pytest.raises(ValueError, match=r"expected one file .*, the zip file has two"):
        open_slc(path)


def test_two_manifests_are_refused(safe: Path, tmp_path: Path) -> None:
    path = packed(safe, tmp_path, lambda archive: archive.writestr("other.SAFE/manifest.safe", "<a/>"))
    with pytest.raises(ValueError, match="expected a zip file of one SAFE product, found 2 manifests"):
        open_slc(path)


def test_zip_without_manifest_is_refused(safe: Path, tmp_path: Path) -> None:
    (safe / "manifest.safe").unlink()
    with pytest.raises(ValueError, match="found 0 manifests"):
        open_slc(tiny.zipped(safe, tmp_path))


@pytest.mark.parametrize("share", [0.0, 0.4, 0.98])
def test_truncated_zip_is_named(safe: Path, tmp_path: Path, share: float) -> None:
    path = tiny.zipped(safe, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="not a readable zip file"):
        open_slc(path)


def test_damaged_measurement_in_a_zip_leaves_no_file(safe: Path, tmp_path: Path) -> None:
    path = tiny.zipped(safe, tmp_path)
    content = bytearray(path.read_bytes())
    start = content.index(f"measurement/{tiny.stem('IW1', 'VV')}.tiff".encode()) + 120
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"iw1-slc-vv-.*\.tiff is corrupt in the zip file"):
        open_slc(path, tmp_path / "scratch").read("IW1", "VV", *PIXEL)
    assert not [p for p in (tmp_path / "scratch").rglob("*") if p.is_file()]


def test_zip_with_any_damaged_byte_is_read_or_refused_with_a_value_error(safe: Path, tmp_path: Path) -> None:
    path = tiny.zipped(safe, tmp_path)
    sound = path.read_bytes()
    random = np.random.default_rng(4)
    refused = 0
    for number in range(400):
        content = bytearray(sound)
        tail = len(sound) - 2500 if number % 2 else 0  # every other time in the directory at the end
        content[int(random.integers(tail, len(sound)))] = int(random.integers(256))
        path.write_bytes(content)
        try:
            product = open_slc(path, tmp_path / f"scratch{number}")
            product.read("IW1", "VV", *PIXEL)
            product.calibration("IW1", "VH")
        except ValueError as error:
            assert str(tmp_path) in str(error)
            refused += 1
    assert refused > 100


def test_image_larger_than_annotated_is_not_unpacked(safe: Path, tmp_path: Path) -> None:
    with (safe / f"measurement/{tiny.stem('IW1', 'VV')}.tiff").open("r+b") as stream:
        stream.truncate(65 * 2**20)
    product = open_slc(tiny.zipped(safe, tmp_path), tmp_path / "scratch")
    with pytest.raises(ValueError, match="is too large for its annotation; expected 12 lines × 10 samples"):
        product.read("IW1", "VV", *PIXEL)
    assert not (tmp_path / "scratch").exists()


def test_image_that_points_to_another_file_is_not_followed(safe: Path, tmp_path: Path) -> None:
    image = safe / f"measurement/{tiny.stem('IW1', 'VV')}.tiff"
    image.rename(tmp_path / "secret.tiff")
    image.write_text(
        '<VRTDataset rasterXSize="10" rasterYSize="12"><VRTRasterBand dataType="CInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{tmp_path}/secret.tiff</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(ValueError, match="not a readable raster"):
        open_slc(safe).read("IW1", "VV", *PIXEL)


@pytest.mark.parametrize(
    "href",
    [
        "../other.SAFE/annotation/a.xml",
        "./annotation/../../a.xml",
        "/etc/passwd",
        "annotation\\a.xml",
        "C:/a.xml",
        "file:///etc/passwd",
        "https://127.0.0.1/a.xml",
        "",
        ".",
    ],
)
def test_manifest_that_points_outside_the_product_is_refused(safe: Path, tmp_path: Path, href: str) -> None:
    tiny.changed(safe, "manifest.safe", f'href="./{ANNOTATION}"', f'href="{href}"')
    for path in (safe, tiny.zipped(safe, tmp_path)):
        with pytest.raises(ValueError, match=r"manifest\.safe: expected the name of a file inside the product"):
            open_slc(path)


@pytest.mark.parametrize("name", ["a.txt", "product.SAFE", "product.zip"])
def test_what_is_no_product_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected a SAFE folder or a zip file of one"):
        open_safe(tmp_path / name)


BROKEN = [
    ("<numberOfLines>12", "<numberOfLines>twelve", "expected a whole number in .*numberOfLines, got 'twelve'"),
    ("<numberOfLines>12", "<numberOfLines>12.5", "expected a whole number in .*numberOfLines, got '12.5'"),
    ("<numberOfLines>12", "<numberOfLines>18", "expected numberOfLines = linesPerBurst × bursts, got 18 for 6 × 2"),
    ("<linesPerBurst>6", "<linesPerBurst>0", "expected numberOfLines = linesPerBurst × bursts, got 12 for 0 × 2"),
    ("<samplesPerBurst>10", "<samplesPerBurst>8", "expected 0 <= firstValidSample <= lastValidSample < 8"),
    ("<samplesPerBurst>10", "<samples>10", "not readable XML"),
    ("linesPerBurst", "linesPerThing", "expected an element swathTiming/linesPerBurst, found none"),
    ('burstList count="2"', 'burstList count="3"', "expected 3 values in burstList as its count says, got 2"),
    (
        'firstValidSample count="6">-1 2',
        'firstValidSample count="6">-1',
        "expected 6 values in firstValidSample .* got 5",
    ),
    (
        'firstValidSample count="6">-1 2',
        'firstValidSample count="5">-1',
        "expected 6 numbers in firstValidSample, got 5",
    ),
    ('lastValidSample count="6">-1 8', 'lastValidSample count="6">-1 x', "expected numbers in lastValidSample"),
    ('lastValidSample count="6">-1 8', 'lastValidSample count="6">-1 8.5', "expected whole numbers in lastValidSample"),
    ('lastValidSample count="6">-1 8', 'lastValidSample count="6">-1 -1', "or -1 for both .* burst 1"),
    ('lastValidSample count="6">-1 8', 'lastValidSample count="6">-1 1', "expected 0 <= firstValidSample"),
    (tiny.SECOND["IW1"], tiny.START["IW1"], "expected the bursts in order of azimuthTime"),
    (tiny.SECOND["IW1"], "yesterday", "expected a time in azimuthTime, got 'yesterday'"),
    ("<azimuthTimeInterval>", "<azimuthTimeInterval>-", "expected a number above 0 in .*azimuthTimeInterval"),
    ("<azimuthTimeInterval>", "<azimuthTimeInterval>x", "expected numbers in .*azimuthTimeInterval"),
    ("slantRangeTime>0.005334431164884956", "slantRangeTime>nan", "expected finite numbers in .*slantRangeTime"),
    ("rangeSamplingRate>64345238.12571428", "rangeSamplingRate>inf", "expected finite numbers in .*rangeSamplingRate"),
    ("<latitude>45.5", "<latitude>north", "expected numbers in latitude"),
    ('PointList count="2"', 'PointList count="210"', "expected 210 values in geolocationGridPointList"),
    ("geolocationGridPoint>", "point>", "expected geolocationGrid/.*/geolocationGridPoint, found none"),
    ('orbitList count="3"', 'orbitList count="17"', "expected 17 values in orbitList"),
    ("Earth Fixed", "Inertial", r"expected state vectors of the frame Earth Fixed, got \['Inertial'\]"),
    ("23:59:40.000000", "23:59:25.000000", "expected the state vectors of orbitList in order of time"),
    ("<y>-7.0e+06", "<y>", "expected numbers in position/y"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_broken_annotation_names_element_and_file(safe: Path, old: str, new: str, message: str) -> None:
    tiny.changed(safe, ANNOTATION, old, new)
    with pytest.raises(ValueError, match=message) as caught:
        open_slc(safe)
    assert ANNOTATION in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<safe:relativeOrbitNumber type="start">', "", "not readable XML"),
        (">168<", ">x<", "expected a whole number in relativeOrbitNumber"),
        (">1234<", "><", "expected a whole number in orbitNumber"),
        ("2025-04-01T23:59:58.500000", "soon", "expected a time in acquisitionPeriod/startTime, got 'soon'"),
        ("45.5,12.0", "45.5", "expected pairs of degrees in coordinates"),
        ("45.5,12.0", "45.5,nan", "expected degrees in coordinates"),
        ("45.5,12.0", "95.5,12.0", "expected degrees in coordinates"),
        ("familyName", "family", "expected an element platform/familyName"),
    ],
)
def test_broken_manifest_names_the_element(safe: Path, old: str, new: str, message: str) -> None:
    tiny.changed(safe, "manifest.safe", old, new)
    with pytest.raises(ValueError, match=message) as caught:
        open_slc(safe)
    assert "manifest.safe" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (CALIBRATION, '<sigmaNought count="2">300.0', '<sigmaNought count="2">x', "expected numbers in sigmaNought"),
        (CALIBRATION, '<sigmaNought count="2">300.0', '<sigmaNought count="2">0', "expected sigmaNought above 0"),
        (CALIBRATION, '<sigmaNought count="2">300.0', '<sigmaNought count="3">300', "expected 3 values in sigmaNought"),
        (
            CALIBRATION,
            'pixel count="2">0 9',
            'pixel count="1">0',
            "expected as many sigmaNought as pixels, got 2 for 1",
        ),
        (CALIBRATION, ">0 9<", ">9 0<", "expected pixels of sigmaNought to ascend"),
        (CALIBRATION, 'VectorList count="2"', 'VectorList count="29"', "expected 29 values in calibrationVectorList"),
        (CALIBRATION, "<line>-3", "<line>first", "expected numbers in line"),
        (NOISE, '<noiseRangeLut count="2">500', '<noiseRangeLut count="2">x', "expected numbers in noiseRangeLut"),
        (NOISE, '<noiseAzimuthLut count="2">1', '<noiseAzimuthLut count="2">nan', "expected finite numbers in noiseAz"),
        (NOISE, "<lastAzimuthLine>11", "<lastAzimuthLine>11.5", "expected a whole number in lastAzimuthLine"),
    ],
)
def test_broken_tables_are_named(safe: Path, name: str, old: str, new: str, message: str) -> None:
    tiny.changed(safe, name, old, new, count=1)
    product = open_slc(safe)
    with pytest.raises(ValueError, match=message) as caught:
        product.calibration("IW1", "VV") if name == CALIBRATION else product.noise("IW1", "VV")
    assert name in str(caught.value)


def test_table_of_two_slices_is_brought_in_order() -> None:
    vectors = "".join(
        f"<calibrationVector><line>{line}</line><pixel>0 9</pixel><sigmaNought>{value} {value}</sigmaNought>"
        "</calibrationVector>"
        for line, value in ((0, 1), (20, 3), (10, 2), (20, 4))
    )
    text = f"<calibration><calibrationVectorList>{vectors}</calibrationVectorList></calibration>"
    table = parse_calibration(text.encode(), "a.xml", "sigma0")
    np.testing.assert_array_equal(table.line, [0, 10, 20])
    assert [float(value[0]) for value in table.value] == [1, 2, 3]


def test_times_with_a_zone_count_in_utc(safe: Path) -> None:
    text = (safe / ANNOTATION).read_text().replace(tiny.START["IW1"], "2025-04-02T01:59:58.500000+02:00")
    burst = parse_slc(text.encode(), "a.xml", datetime(2025, 4, 1)).swath.bursts[0]
    assert burst.azimuth_time == pytest.approx(86398.5)


def test_old_noise_annotation_is_read() -> None:
    text = (
        "<noise><noiseVectorList><noiseVector><line>0</line><pixel>0 9</pixel><noiseLut>5 6</noiseLut></noiseVector>"
        "</noiseVectorList></noise>"
    )
    noise = parse_noise(text.encode(), "a.xml")
    np.testing.assert_array_equal(noise.across.value[0], [5, 6])
    assert noise.along == ()
