import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from lczmap.classes import (
    CLASSES,
    class_colors,
    code_to_index,
    code_to_wudapt,
    index_to_code,
    palette,
    palette_of,
    parse_class,
    rgb,
)


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


@pytest.mark.parametrize(
    ("tags", "name"),
    [({"LCZMAP_PALETTE": "colour_blind"}, "colour_blind"), ({"LCZMAP_PALETTE": "mine"}, "official"), ({}, "official")],
)
def test_a_map_says_which_palette_it_has(tags: dict[str, str], name: str) -> None:
    assert palette_of(tags) == name


def test_a_colour_is_three_integers() -> None:
    assert rgb("#ff9955") == (255, 153, 85)


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SIGHT = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "normal": np.eye(3),
}


def nearest_pair(colors: tuple[str, ...], sight: object) -> float:
    """The least CIEDE2000 difference of two of the colours as they are seen."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.asarray(sight).T
    clipped = np.clip(linear, 0, 1)
    seen = rgb2lab(np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)[np.newaxis])[0]
    differences = deltaE_ciede2000(seen[:, np.newaxis], seen[np.newaxis])
    return float(differences[np.triu_indices(17, 1)].min())


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_classes_of_the_colour_blind_palette_look_alike(sight: str) -> None:
    assert palette("colour_blind")[0] == (0, 0, 0, 0)
    assert nearest_pair(class_colors("colour_blind"), SIGHT[sight]) > 9.7
    if sight == "protanopia":
        assert nearest_pair(class_colors("official"), SIGHT[sight]) < 1  # what it is for: LCZ 3 and A


def test_an_unknown_palette_is_refused() -> None:
    with pytest.raises(ValueError, match="official or colour_blind, got 'rainbow'"):
        palette("rainbow")  # type: ignore[arg-type]
