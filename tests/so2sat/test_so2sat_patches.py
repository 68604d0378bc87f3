import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from so2sat.made_so2sat import make_so2sat

from lczmap.channels import CHANNEL_SETS, GRD4, INPUTS, RSNNET9, S2_10, SO2SAT8
from lczmap.models.checkpoint import require_state
from lczmap.sar.profiles import grd4_from_so2sat8, profile_state
from lczmap.so2sat.convert import convert
from lczmap.so2sat.files import CHANNELS, KNOWN_FILES, STATE, known_file, recognise
from lczmap.so2sat.patches import So2SatPatches, So2SatSource, derived_state
from lczmap.so2sat.reader import open_h5
from lczmap.so2sat.statistics import (
    PUBLISHED_MEAN,
    PUBLISHED_STD,
    RunningStatistics,
    Statistics,
    compare_counts,
    compare_statistics,
)


@pytest.fixture(scope="module", params=["file", "cache"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> So2SatSource:
    folder = tmp_path_factory.mktemp("so2sat")
    make_so2sat(folder / "training.h5", 2, seed=5)
    file = open_h5(folder / "training.h5")
    return file if request.param == "file" else convert(file.path, folder / "c", dtype="float32", md5=False)


def test_a_batch_has_the_pixels_and_classes_of_its_rows(source: So2SatSource) -> None:
    rows = np.array([30, 2, 17, 9])
    patches = So2SatPatches(source, rows)
    pixels, targets = patches[[3, 0]]
    assert pixels.dtype == torch.float32 and targets.dtype == torch.int64
    assert np.array_equal(pixels, source.read([9, 30]))
    assert targets.tolist() == source.labels[[9, 30]].tolist()
    assert len(patches) == 4 and patches.targets.tolist() == source.labels[rows].tolist()


def test_powers_are_those_of_the_complex_amplitudes(source: So2SatSource) -> None:
    own = source.read([1, 2], SO2SAT8.channels)
    made, _ = So2SatPatches(source, [1, 2], GRD4.channels)[[0, 1]]
    assert np.array_equal(made, grd4_from_so2sat8(own))


def test_rsnnet_channels_follow_from_the_filtered_covariance(source: So2SatSource) -> None:
    vh, vv, re, im = source.read([4], ["VH_lee", "VV_lee", "C12_re", "C12_im"])[0].astype(float)
    y, x = 20, 11
    matrix = np.array([[vh[y, x], re[y, x] + 1j * im[y, x]], [re[y, x] - 1j * im[y, x], vv[y, x]]])
    values, vectors = np.linalg.eigh(matrix)
    share = values / values.sum()
    expected = {
        "Alpha": float(share @ np.degrees(np.arccos(np.abs(vectors[0])))),
        "Anisotropy": float((values[1] - values[0]) / values.sum()),
        "Entropy": float(-(share * np.log2(share)).sum()),
        "C11_mean": vh[y, x],
        "C12_im_mean": im[y, x],
        "C12_re_mean": re[y, x],
        "C22_mean": vv[y, x],
    }
    made, _ = So2SatPatches(source, [4], RSNNET9.channels)[[0]]
    for name, value in expected.items():
        assert float(made[0, RSNNET9.channels.index(name), y, x]) == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize("name", INPUTS)
def test_every_named_input_can_be_made_in_its_order(source: So2SatSource, name: str) -> None:
    channels = INPUTS[name]
    made, _ = So2SatPatches(source, [3, 0], channels)[[0, 1]]
    assert made.shape == (2, len(channels), 32, 32) and made.isfinite().all()
    if "B8A" in channels:
        assert np.array_equal(made[:, channels.index("B8A")], source.read([3, 0], ["B8A"])[:, 0])


def test_the_state_is_so2sats_own_for_its_own_channels() -> None:
    assert derived_state(CHANNELS) == STATE
    assert derived_state(S2_10.channels) == {"sentinel-2": {"level": "L1C"}}
    assert derived_state(GRD4.channels) == {"sentinel-1": profile_state("grd4")}


def test_networks_of_so2sats_covariance_refuse_the_mean_of_scenes() -> None:
    trained = derived_state(INPUTS["D6"])
    assert trained["sentinel-1"]["polarimetry"] == "refined lee 7x7, C11 VH"
    with pytest.raises(ValueError, match="polarimetry: expected 'refined lee 7x7, C11 VH', got 'mean 5x5, C11 VH'"):
        require_state(trained, {"sentinel-1": profile_state("rsnnet9"), "sentinel-2": {"level": "L1C"}})


def test_channels_that_do_not_follow_are_refused(source: So2SatSource) -> None:
    assert {c for s in CHANNEL_SETS.values() for c in s.channels} >= set(CHANNELS)
    with pytest.raises(ValueError, match="no channel 'B1' follows"):
        So2SatPatches(source, [0], ["B1"])
    with pytest.raises(ValueError, match="expected different channels"):
        So2SatPatches(source, [0], ["B2", "B2"])
    with pytest.raises(ValueError, match="expected row numbers from 0 to 33"):
        So2SatPatches(source, [34])


def test_the_digest_follows_rows_channels_and_source(source: So2SatSource, tmp_path: Path) -> None:
    patches = So2SatPatches(source, [0, 1], ["B2"])
    assert patches.fingerprint() == So2SatPatches(source, [0, 1], ["B2"]).fingerprint()
    make_so2sat(tmp_path / "training.h5", 2, seed=6)
    others = [
        So2SatPatches(source, [1, 0], ["B2"]),
        So2SatPatches(source, [0, 1], ["B3"]),
        So2SatPatches(open_h5(tmp_path / "training.h5"), [0, 1], ["B2"]),
    ]
    assert patches.fingerprint() not in [other.fingerprint() for other in others]


def test_statistics_in_blocks_are_those_of_the_whole_even_after_a_break() -> None:
    pixels = np.random.default_rng(0).lognormal(0, 2, (1000, 3)) + 1000.0
    pixels[5, 1] = np.nan
    running = RunningStatistics("abc")
    for start in range(0, 1000, 130):
        running = RunningStatistics("abc", json.loads(json.dumps(running.state())))
        running.add(0, pixels[start : start + 130])
    found = running.result()
    np.testing.assert_allclose(found.mean, np.nanmean(pixels, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, np.nanstd(pixels, axis=0), rtol=1e-9)
    assert found.missing == (0, 1, 0) and found.count == 1000


def published(**changes: float) -> Statistics:
    mean = PUBLISHED_MEAN | changes
    zeros = (0.0,) * 18
    return Statistics(CHANNELS, 1, tuple(mean.values()), tuple(PUBLISHED_STD.values()), zeros, zeros, (0,) * 18)


def test_published_statistics_agree_with_themselves_and_differences_are_named() -> None:
    assert compare_statistics(published()) == []
    assert compare_statistics(published(B4=0.1030)) == ["B4: mean 0.103, published 0.101086"]


def test_published_statistics_agree_with_those_of_another_source(real_data: Path) -> None:
    other = json.loads((real_data / "so2sat" / "so2sat_stats.json").read_text())["culture_10"]
    for i, band in enumerate(S2_10.channels):
        assert math.isclose(PUBLISHED_MEAN[band], other["mean"][i], rel_tol=1e-4)
        assert math.isclose(PUBLISHED_STD[band], other["std"][i], rel_tol=1e-4)


def test_published_counts_add_up_and_tell_the_files_apart() -> None:
    assert [known_file("v2", name).n for name in ("training", "validation", "testing")] == [352_366, 24_119, 24_188]
    assert known_file("v3", "culture_10/testing").n == 48_307
    assert {known.name for known in recognise(24_188)} == {"testing"}
    assert [known.name for known in recognise(1, "e81426102b488623a723beab52b31a8a")] == ["testing"]
    with pytest.raises(ValueError, match="no file 'testing' of version 'v1'"):
        known_file("v1", "testing")
    assert all(known.class_counts is None or len(known.class_counts) == 17 for known in KNOWN_FILES)


def test_another_number_of_a_class_is_named() -> None:
    known = known_file("v2", "testing")
    assert known.class_counts is not None
    counts = [*known.class_counts[:16], 2541]
    assert compare_counts(counts, known) == ["class 16: 2541 patches, published 2540"]
