"""Label files: only those of the sample count; people agree, differ, and somebody decides."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from sklearn.metrics import cohen_kappa_score

from lczmap.evaluation.labels import (
    CANNOT_TELL,
    UNLABELLED,
    Labels,
    agree,
    mean_kappa,
    read_all_labels,
    read_labels,
    settle,
    skipped,
)
from lczmap.evaluation.sampling import Design, draw_sample

HEADER = "sample,cell,class,sure,comment,labeller"


@pytest.fixture(scope="module")
def design() -> Design:
    codes = np.repeat(np.array([[6], [14]], np.uint8), 5, axis=1)
    geobox = GeoBox(codes.shape, Affine(100, 0, 0, 0, -100, 0), "EPSG:32633")
    return draw_sample(codes, geobox, np.bincount(codes.ravel() - 1, minlength=17), map_name="lcz.tif", seed=1)


def write(path: Path, design: Design, *rows: str, header: str = HEADER, name: str = "Ana") -> Path:
    path.write_text("\n".join([header, *(f"{design.sample_id},{row},{name}" for row in rows)]) + "\n")
    return path


def people(*codes: list[int]) -> list[Labels]:
    return [Labels(f"p{k}", np.array(code), np.ones(len(code), np.bool_)) for k, code in enumerate(codes)]


def test_a_file_gives_codes_in_the_designs_order(design: Design, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", design, "3,A,yes,", '1,10,no,"roofs, ""grey"""', "10,?,yes,")
    labels = read_labels(path, design)
    assert labels.labeller == "Ana"
    assert labels.code.tolist() == [10, -1, 11, -1, -1, -1, -1, -1, -1, CANNOT_TELL]
    assert labels.sure.tolist() == [False] + [True] * 9


def test_a_file_that_a_spreadsheet_wrote_with_semicolons_is_read_too(design: Design, tmp_path: Path) -> None:
    text = write(tmp_path / "a.csv", design, "3,A,yes,").read_text().replace(",", ";")
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_labels(tmp_path / "b.csv", design).code[2] == 11


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("11,A,yes,", r"row 2: expected a cell 1\.\.10"),
        ("x,A,yes,", r"row 2: expected a cell 1\.\.10"),
        ("1,H,yes,", r"row 2: expected an LCZ class.*or \? for cannot tell"),
    ],
)
def test_a_bad_row_is_named(design: Design, tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_labels(write(tmp_path / "a.csv", design, row), design)


def test_two_labels_of_one_cell_and_two_people_in_one_file_are_refused(design: Design, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cell 2 has two labels"):
        read_labels(write(tmp_path / "a.csv", design, "2,A,yes,", "2,B,yes,"), design)
    one = write(tmp_path / "b.csv", design, "2,A,yes,")
    one.write_text(one.read_text() + f"{design.sample_id},3,A,yes,,Ben\n")
    with pytest.raises(ValueError, match="expected the labels of one person, got Ana, Ben"):
        read_labels(one, design)
    again = write(tmp_path / "c.csv", design, "2,A,yes,")
    with pytest.raises(ValueError, match="two of Ana"):
        read_all_labels([again, again], design)


def test_polygons_and_labels_of_another_sample_are_no_probability_sample(design: Design, tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text("lcz,wkt\n6,POLYGON ((0 0, 1 0, 1 1, 0 0))\n")
    (tmp_path / "areas.gpkg").write_bytes(b"SQLite format 3\x00\xff\xfe")
    for name in ("areas.csv", "areas.gpkg"):
        with pytest.raises(ValueError, match="not a probability sample"):
            read_labels(tmp_path / name, design)
    path = write(tmp_path / "a.csv", design, "2,A,yes,")
    path.write_text(path.read_text().replace(design.sample_id, "0123456789abcdef"))
    with pytest.raises(ValueError, match="only from the cells that the design drew"):
        read_labels(path, design)


def test_an_empty_and_a_missing_file_are_named(design: Design, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no label in it"):
        read_labels(write(tmp_path / "a.csv", design), design)
    with pytest.raises(ValueError, match="no such file"):
        read_labels(tmp_path / "none.csv", design)


def test_a_text_of_unlikely_length_is_an_error_with_its_line(design: Design, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", design, "2,A,yes,fine", f"3,A,yes,{'x' * 140_000}")
    with pytest.raises(ValueError, match=r"a\.csv, line 3: not readable as CSV \(field larger than field limit"):
        read_labels(path, design)


@pytest.mark.parametrize(("written", "name"), [("'=Ana", "=Ana"), ("''-Ana", "'-Ana"), ("'Ana'", "'Ana'")])
def test_an_apostrophe_before_what_looks_like_a_formula_is_taken_off(
    design: Design, tmp_path: Path, written: str, name: str
) -> None:
    assert read_labels(write(tmp_path / "a.csv", design, "2,A,yes,", name=written), design).labeller == name


def test_agreement_equals_scikit_learns_on_cells_that_both_could_tell() -> None:
    random = np.random.default_rng(4)
    one, other = random.integers(-1, 18, 400), random.integers(-1, 18, 400)
    other[:250] = one[:250]
    both = (one > 0) & (other > 0)
    (pair,) = agree(people(one.tolist(), other.tolist()))
    assert pair.cells == both.sum()
    assert pair.kappa == pytest.approx(cohen_kappa_score(one[both], other[both]))
    assert pair.agreement == pytest.approx((one == other)[both].mean())
    assert pair.weighted > pair.agreement
    assert len(agree(people([1], [2], [3]))) == 3


def test_two_who_share_no_cell_leave_the_mean_kappa_to_the_other_pairs() -> None:
    pairs = agree(people([6, 5, -1, -1], [-1, -1, 6, 5], [6, 5, 6, 6]))
    assert [np.isnan(pair.kappa) for pair in pairs] == [True, False, False]
    assert mean_kappa(pairs) == pytest.approx((pairs[1].kappa + pairs[2].kappa) / 2)
    assert np.isnan(mean_kappa(pairs[:1])) and np.isnan(mean_kappa([]))


def test_the_reference_is_what_all_who_could_tell_agree_on() -> None:
    reference = settle(people([6, 6, 6, 0, 0, -1, 6], [6, 5, 0, 0, -1, -1, -1]))
    assert reference.code.tolist() == [6, CANNOT_TELL, 6, CANNOT_TELL, CANNOT_TELL, UNLABELLED, 6]
    assert reference.disputed.tolist() == [False, True] + [False] * 5


def test_an_adjudicator_decides_disputes_and_nothing_else() -> None:
    (decision,) = people([3, 4, -1, 0])
    reference = settle(people([6, 6, 2, 8], [6, 5, 3, 10]), decision)
    assert reference.code.tolist() == [6, 4, CANNOT_TELL, CANNOT_TELL]
    assert reference.disputed.tolist() == [False, False, True, False]
    assert reference.adjudicated == 2


def test_cells_left_out_differ_from_cells_not_reached() -> None:
    assert skipped(settle(people([6, -1, 0, 6, -1, -1]))).tolist() == [False, True, False, False, False, False]
