import numpy as np
import pytest

from lczmap.classes import CLASSES, class_colors, code_to_index, code_to_wudapt, index_to_code, palette, parse_class


def test_codes_and_indices_are_one_apart() -> None:
    codes = np.arange(1, 18)
    assert code_to_index(codes).tolist() == list(range(17))
    assert index_to_code(np.arange(17)).tolist() == codes.tolist()


@pytest.mark.parametrize("bad", [0, 18, 101, -1])
def test_a_code_outside_1_to_17_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match=rf"1\.\.17, got \[{bad}\]"):
        code_to_index(np.array([1, bad]))


@pytest.mark.parametrize(
    ("text", "code"),
    [("6", 6), ("A", 11), ("g", 17), ("LCZ 10", 10), ("lcz_b", 12), (14, 14), ("104", 14), ("11", 11), ("6.0", 6)],
)
def test_people_write_classes_in_many_ways(text: str | int, code: int) -> None:
    assert parse_class(text).code == code


@pytest.mark.parametrize("text", ["0", "18", "H", "", "108", "urban"])
def test_anything_else_is_no_class(text: str) -> None:
    with pytest.raises(ValueError, match="expected an LCZ class"):
        parse_class(text)


def test_wudapt_codes_start_land_cover_at_101() -> None:
    assert code_to_wudapt(np.array([0, 1, 10, 11, 17])).tolist() == [0, 1, 10, 101, 107]


def test_the_palette_is_the_official_one_and_nodata_is_transparent() -> None:
    colours = palette()
    assert colours[0] == (0, 0, 0, 0)
    assert colours[15] == (0, 0, 0, 255)  # class E is black and opaque
    assert colours[6] == (255, 153, 85, 255)
    assert len(colours) == 18
    assert len({c.color for c in CLASSES}) == 17


def test_the_colour_blind_palette_is_that_of_lcz4r():
    colours = palette("colour_blind")
    assert colours[0] == (0, 0, 0, 0)
    assert colours[1] == (0xE1, 0x6A, 0x86, 255) and colours[17] == (0xE2, 0x64, 0xA9, 255)
    assert len(set(class_colors("colour_blind"))) == 17


def test_an_unknown_palette_is_refused() -> None:
    with pytest.raises(ValueError, match="official or colour_blind, got 'rainbow'"):
        palette("rainbow")  # type: ignore[arg-type]
