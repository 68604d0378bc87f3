import pytest

from lczmap.channels import (
    BP6,
    BP7,
    CHANNEL_SETS,
    GRD4,
    RSNNET9,
    S2_10,
    SEN12LCZ_BP,
    SO2SAT8,
    channel_kind,
    channel_set,
    groups_for,
)

EIGHTEEN = SO2SAT8.channels + S2_10.channels


def test_the_seven_groups_take_the_papers_channels() -> None:
    """Zero-based positions in So2Sat's order: VH {1,2,5}, VV {3,4,6}, PolSAR {7,8} of Sentinel-1 and so on."""
    assert BP7.indices(EIGHTEEN) == ((0, 1, 4), (2, 3, 5), (6, 7), (8, 9, 10), (11, 12, 13, 15), (14,), (16, 17))
    assert [len(g.channels) for g in BP7.groups] == [3, 3, 2, 3, 4, 1, 2]


def test_the_prompt_words_are_the_papers() -> None:
    assert {g.name: g.prompt for g in BP7.groups} == {
        "VH": "vh",
        "VV": "vv",
        "PolSAR": "pol",
        "RGB": "red green blue",
        "VRE": "vegetation red edge",
        "NIR": "near infrared",
        "SWIR": "short wave infrared",
    }


def test_groups_follow_the_channels_a_network_sees() -> None:
    assert groups_for(EIGHTEEN) == BP7
    assert groups_for(GRD4.channels + S2_10.channels) == BP6
    assert [g.name for g in groups_for(S2_10.channels).groups] == ["RGB", "VRE", "NIR", "SWIR"]
    assert [g.name for g in groups_for(SO2SAT8.channels).groups] == ["VH", "VV", "PolSAR"]
    assert [g.name for g in groups_for(GRD4.channels).groups] == ["VH", "VV"]


def test_rsnnets_channels_have_eight_groups() -> None:
    nineteen = RSNNET9.channels + S2_10.channels
    assert len(nineteen) == 19
    assert groups_for(nineteen) == SEN12LCZ_BP
    # zero-based: VH, VV, C11 C22 Re C12 Im C12, alpha anisotropy entropy, then the optical groups
    radar = ((7,), (8,), (3, 6, 5, 4), (0, 1, 2))
    assert SEN12LCZ_BP.indices(nineteen) == (*radar, (9, 10, 11), (12, 13, 14, 16), (15,), (17, 18))
    prompts = [g.prompt for g in SEN12LCZ_BP.groups]
    assert prompts[:4] == ["vh", "vv", "pol", "polarimetric decomposition"]
    assert [g.name for g in groups_for(RSNNET9.channels).groups] == ["VH", "VV", "PolSAR", "HAA"]


def test_a_name_means_the_same_in_every_set() -> None:
    kinds: dict[str, set[str]] = {}
    for one in CHANNEL_SETS.values():
        assert len(one.channels) == len(one.kinds) == len(set(one.channels))
        for channel, kind in zip(one.channels, one.kinds, strict=True):
            kinds.setdefault(channel, set()).add(kind)
    assert all(len(kind) == 1 for kind in kinds.values())
    shared = set(RSNNET9.channels) & (set(SO2SAT8.channels) | set(GRD4.channels))
    assert shared == {"VH", "VV"}  # the covariance of rsnnet9 is averaged otherwise than the Lee-filtered one


def test_angles_and_ratios_are_no_powers() -> None:
    assert [channel_kind(c) for c in ("Alpha", "Entropy", "Anisotropy")] == ["angle", "ratio", "ratio"]
    assert channel_kind("C11_mean") == "intensity"
    assert channel_kind("C12_re_mean") == "covariance"


def test_groups_that_do_not_fit_name_the_difference() -> None:
    with pytest.raises(ValueError, match=r"missing \['B12'\], unused \['B1'\]"):
        BP7.indices((*EIGHTEEN[:-1], "B1"))
    with pytest.raises(ValueError, match="no band groups cover"):
        groups_for(("B2", "B3"))


def test_only_the_unfiltered_radar_channels_are_complex() -> None:
    assert [c for c in EIGHTEEN if channel_kind(c) == "complex"] == ["VH_re", "VH_im", "VV_re", "VV_im"]
    assert channel_kind("C12_im") == "covariance"


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="grd4, rsnnet9, s2_10, so2sat8"):
        channel_set("rsnnet")
    with pytest.raises(ValueError, match="unknown channel 'HH'"):
        channel_kind("HH")
