from collections.abc import Callable
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from lczmap.so2sat.protocols import PROTOCOLS, SIZES, FileTable, Parts, protocol

TRAIN_COUNTS = [5068, 24431, 31693, 8651, 16493, 35290, 3269, 39326, 13584, 11954]
TRAIN_COUNTS += [42902, 9514, 9165, 41377, 2392, 7898, 49359]
SMALL = 340


def table(counts: list[int], cities: list[str] | None = None) -> FileTable:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(17), counts))
    return FileTable(labels, None if cities is None else np.resize(np.array(cities), len(labels)))


@pytest.fixture(scope="module")
def so2sat() -> dict[str, FileTable]:
    """The files of version 2 with So2Sat's numbers of patches."""
    each = {name: [size // 17] * 16 + [size - 16 * (size // 17)] for name, size in SIZES.items()}
    return {
        "training": table(TRAIN_COUNTS, ["berlin", "rome"]),
        "validation": table(each["validation"], ["munich", "san_francisco"]),
        "testing": table(each["testing"], ["Munich", "San Francisco"]),
    }


@pytest.fixture(scope="module")
def split(so2sat: dict[str, FileTable]) -> Callable[[str], Parts]:
    """The split of a protocol by its name, of whole files, dealt once."""
    return cache(lambda name: protocol(name).split(so2sat, city="MUNICH"))


@pytest.fixture(scope="module")
def small() -> dict[str, FileTable]:
    """Small files under every name, those of version 3 too, whose sizes are not known to us."""
    version_3 = [f"{kind}/{name}" for kind in ("random", "block") for name in ("training", "testing")]
    return {name: table([20] * 17, ["munich", "tehran"]) for name in (*SIZES, *version_3)}


def sizes(parts: Parts) -> tuple[int, ...]:
    return tuple(sum(len(indices) for _, indices in parts[role]) for role in ("train", "validation", "test"))


def labels_of(parts: Parts, role: str, files: dict[str, FileTable]) -> np.ndarray:
    return np.concatenate([files[name].labels[indices] for name, indices in parts[role]])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_patch_is_in_two_parts_and_the_same_seed_gives_the_same_split(
    name: str, small: dict[str, FileTable]
) -> None:
    parts = protocol(name).split(small, city="MUNICH", shrink=True)
    again = protocol(name).split(small, city="munich", shrink=True)
    for role in parts:
        assert [n for n, _ in parts[role]] == [n for n, _ in again[role]]
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(parts[role], again[role], strict=True))
        for file, indices in parts[role]:
            assert (np.diff(indices) > 0).all() and indices[0] >= 0 and indices[-1] < len(small[file])
    for one, two in combinations([part for role in parts.values() for part in role], 2):
        assert one[0] != two[0] or not np.intersect1d(one[1], two[1]).size


@pytest.mark.parametrize("name", ["bp_lcz", "gawlikowski_80_10_10", "zhou_64_16_20"])
def test_another_seed_gives_another_random_split(name: str, small: dict[str, FileTable]) -> None:
    one, other = (protocol(name).split(small, seed=seed, shrink=True)["test"][0][1] for seed in (47, 48))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bp_lcz", (22_202, 0, 12_117)),
        ("gawlikowski_80_10_10", (281_893, 35_236, 35_237)),  # 352,366 · 0.8 = 281,892.8, · 0.9 = 317,129.4
        ("zhou_64_16_20", (2611, 654, 818)),
        ("culture_10", (352_366, 24_119, 24_188)),
        ("culture_10_test", (0, 0, 24_188)),
        ("city_halves", (24_119, 0, 24_188)),
        ("own_city_halves", (12_060, 0, 12_094)),
        ("leave_one_city_out", (352_366 + 24_119 - 12_060 + 24_188 - 12_094, 0, 12_060 + 12_094)),
    ],
)
def test_counts_are_the_papers(name: str, expected: tuple[int, ...], split: Callable[[str], Parts]) -> None:
    assert sizes(split(name)) == expected


@pytest.mark.parametrize("kind", ["random", "block"])
def test_version_3_is_taken_as_it_comes(kind: str) -> None:
    files = {f"{kind}/training": table([40] * 17), f"{kind}/testing": table([10] * 17)}
    assert sizes(protocol(f"v3_{kind}").split(files, shrink=True)) == (680, 0, 170)


def test_bp_lcz_trains_balanced_and_tests_on_the_natural_distribution(
    so2sat: dict[str, FileTable], split: Callable[[str], Parts]
) -> None:
    parts = split("bp_lcz")
    train, test = (np.bincount(labels_of(parts, role, so2sat), minlength=17) for role in ("train", "test"))
    assert (train == 1306).all()
    rest = np.array(TRAIN_COUNTS) - 1306
    assert np.abs(test / 12_117 - rest / rest.sum()).max() < 0.01  # three standard deviations of the largest share
    assert (test / 12_117 @ (test / 12_117)) == pytest.approx(0.0958, abs=0.003)


def test_zhou_keeps_the_shares_of_the_classes(so2sat: dict[str, FileTable], split: Callable[[str], Parts]) -> None:
    parts = split("zhou_64_16_20")
    for role, total in (("train", 2611), ("validation", 654), ("test", 818)):
        counts = np.bincount(labels_of(parts, role, so2sat), minlength=17)
        assert np.abs(counts - np.array(TRAIN_COUNTS) * total / sum(TRAIN_COUNTS)).max() <= 2


def test_a_city_is_left_out_of_every_file_however_it_is_spelt(so2sat: dict[str, FileTable]) -> None:
    parts = protocol("leave_one_city_out").split(so2sat, city="san francisco")
    assert {name for name, _ in parts["test"]} == {"validation", "testing"}
    for role, inside in (("train", False), ("test", True)):
        found = np.concatenate([so2sat[name].cities[indices] for name, indices in parts[role]])  # type: ignore[index]
        assert ({"san_francisco", "San Francisco"} == set(found)) is inside
        assert ("berlin" in found) is not inside


def test_a_smaller_file_is_refused_and_shrunk_only_when_asked(small: dict[str, FileTable]) -> None:
    bp_lcz = protocol("bp_lcz")
    with pytest.raises(ValueError, match=r"training have 340 patches, So2Sat's have 352,366; .*`shrink`"):
        bp_lcz.split(small)
    parts = bp_lcz.split(small, shrink=True)
    # 20 of the rarest class against 2392: 1306 becomes 10, 12,117 becomes 101
    assert sizes(parts) == (170, 0, 101)
    assert (np.bincount(labels_of(parts, "train", small)) == 10).all()
    assert "340 patches" in bp_lcz.shrunken(small)


def test_shrunken_parts_keep_their_proportions(small: dict[str, FileTable]) -> None:
    assert sizes(protocol("gawlikowski_80_10_10").split(small, shrink=True)) == (272, 34, 34)
    assert sizes(protocol("zhou_64_16_20").split(small, shrink=True)) == (217, 55, 68)
    assert sizes(protocol("own_city_halves").split(small, shrink=True, city="tehran")) == (170, 0, 170)


def test_whole_files_are_not_called_shrunken(so2sat: dict[str, FileTable]) -> None:
    assert all(p.shrunken(so2sat) == "" for p in PROTOCOLS.values() if not p.name.startswith("v3"))
    halves = {f"block/{name}": FileTable(np.zeros(200_000, np.int64)) for name in ("training", "testing")}
    assert protocol("v3_block").shrunken(halves) == ""


def test_a_protocol_that_draws_few_patches_wants_the_whole_file_too() -> None:
    many = {"training": table([300] * 17)}  # more than the 4083 that are drawn
    with pytest.raises(ValueError, match="training have 5,100 patches, So2Sat's have 352,366"):
        protocol("zhou_64_16_20").split(many)
    assert sizes(protocol("zhou_64_16_20").split(many, shrink=True)) == (2611, 654, 818)


def test_the_official_split_says_what_its_validation_is() -> None:
    assert "west halves of the same cities are the validation" in PROTOCOLS["culture_10"].why


def test_what_is_missing_is_named(small: dict[str, FileTable]) -> None:
    with pytest.raises(ValueError, match="unknown protocol 'x'; known: bp_lcz"):
        protocol("x")
    with pytest.raises(
        ValueError, match=r"needs training, validation, testing; not there: validation, testing; given: training$"
    ):
        protocol("culture_10").split({"training": small["training"]})
    with pytest.raises(ValueError, match="needs the name of a city"):
        protocol("leave_one_city_out").split(small)
    with pytest.raises(ValueError, match="no patch of the city 'paris'; known: munich, tehran"):
        protocol("own_city_halves").split(small, city="paris", shrink=True)
    with pytest.raises(ValueError, match="no patch in training of LCZ G: Water"):
        protocol("bp_lcz").split({"training": table([20] * 16 + [0])}, shrink=True)
    with pytest.raises(ValueError, match=r"put \*_geo\.h5"):
        protocol("leave_one_city_out").split({n: table([20] * 17) for n in SIZES}, shrink=True, city="paris")


def test_random_splits_are_called_leaky_and_the_reason_is_given() -> None:
    leaky = {name for name, p in PROTOCOLS.items() if p.leaky}
    assert leaky == {"bp_lcz", "gawlikowski_80_10_10", "zhou_64_16_20", "v3_random"}
    assert all("overlap" in PROTOCOLS[name].why and "LEAKY" in PROTOCOLS[name].description for name in leaky)
    assert PROTOCOLS["culture_10"].description == "culture_10"
