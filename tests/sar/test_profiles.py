"""Channel profiles from complex amplitudes: what each channel is, and what a stack says of it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from lczmap.channels import GRD4, RSNNET9, SO2SAT8
from lczmap.sar.polsar import boxcar, covariance, h_a_alpha, refined_lee
from lczmap.sar.profiles import MARGIN_PX, grd4_from_so2sat8, profile_state, radar_layers
from lczmap.scenes.simulate import simulate_city
from lczmap.scenes.sources.products.gul import S1_STATE
from lczmap.views import PIXEL_STATE

ALL = tuple(dict.fromkeys([*SO2SAT8.channels, *GRD4.channels, *RSNNET9.channels]))
Complex = npt.NDArray[np.complex64]


def amplitudes(shape: tuple[int, int], seed: int = 0) -> tuple[Complex, Complex]:
    """Draw one look with a correlation between VH and VV."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, 1, (4, *shape))
    vv = 0.35 * (parts[0] + 1j * parts[1])
    vh = 0.16 * (parts[2] + 1j * parts[3]) + 0.1j * vv
    return vh.astype(np.complex64), vv.astype(np.complex64)


def test_so2sat8_is_the_amplitudes_and_the_filtered_covariance() -> None:
    vh, vv = amplitudes((30, 40))
    c11, c12_re, c12_im, c22 = refined_lee(covariance(vh, vv), looks=1.0)
    expected = np.stack([vh.real, vh.imag, vv.real, vv.imag, c11, c22, c12_re, c12_im])
    got = radar_layers(vh, vv, SO2SAT8.channels)
    assert got.dtype == np.float32
    assert np.array_equal(got, expected)


def test_rsnnet9_is_decomposition_and_mean_of_the_covariance_and_intensities() -> None:
    vh, vv = amplitudes((30, 40))
    mean = boxcar(covariance(vh, vv), 5)
    entropy, anisotropy, alpha = h_a_alpha(mean)
    expected = np.stack(
        [alpha, anisotropy, entropy, mean[0], mean[2], mean[1], mean[3], np.abs(vh) ** 2, np.abs(vv) ** 2]
    )
    assert np.allclose(radar_layers(vh, vv, RSNNET9.channels), expected, rtol=1e-5)


def test_alpha_is_low_where_vh_is_strong() -> None:
    vh, vv = amplitudes((30, 40))
    assert radar_layers(vh, vv, ("Alpha",)).mean() > 60
    assert radar_layers(vv, vh, ("Alpha",)).mean() < 30


def test_grd4_is_the_power_and_the_filtered_power_of_one_look() -> None:
    vh, vv = amplitudes((30, 40))
    filtered = refined_lee(covariance(vh, vv), looks=1.0)
    got = radar_layers(vh, vv, GRD4.channels)
    assert np.allclose(got[:2], np.abs([vh, vv]) ** 2, rtol=1e-6)
    assert np.array_equal(got[2:], filtered[[0, 3]])


def test_grd4_of_so2sat8_pixels_is_the_grd4_of_their_amplitudes() -> None:
    vh, vv = amplitudes((30, 40))
    so2sat8 = radar_layers(vh, vv, SO2SAT8.channels)
    assert np.allclose(grd4_from_so2sat8(so2sat8), radar_layers(vh, vv, GRD4.channels), rtol=1e-6)
    patches = np.stack([so2sat8, so2sat8 * 2])[None]  # (1, 2, 8, y, x)
    assert grd4_from_so2sat8(patches).shape == (1, 2, 4, 30, 40)
    assert np.array_equal(grd4_from_so2sat8(patches)[0, 0], grd4_from_so2sat8(so2sat8))


def test_missing_pixels_stay_missing_in_patches() -> None:
    patch = np.ones((8, 3, 3), np.float32)
    patch[:, 1, 1] = np.nan
    assert np.argwhere(np.isnan(grd4_from_so2sat8(patch)[0])).tolist() == [[1, 1]]


def test_sets_may_be_mixed_and_reordered() -> None:
    vh, vv = amplitudes((20, 20))
    everything = dict(zip(ALL, radar_layers(vh, vv, ALL), strict=True))
    assert len(everything) == 17  # 8 + 4 + 9 less VH, VV and the filtered pair that two sets share
    for name, layer in everything.items():
        assert np.array_equal(radar_layers(vh, vv, (name,))[0], layer), name
    assert np.array_equal(radar_layers(vh, vv, ALL[::-1]), radar_layers(vh, vv, ALL)[::-1])


def test_pixel_without_one_polarisation_lacks_every_channel() -> None:
    vh, vv = amplitudes((20, 20))
    vh[3, 4] = np.nan
    vv[10, 11] = complex(np.nan, np.nan)
    layers = radar_layers(vh, vv, ALL)
    for layer in layers:
        assert np.argwhere(np.isnan(layer)).tolist() == [[3, 4], [10, 11]]


def test_the_margin_is_all_that_a_window_depends_on() -> None:
    vh, vv = amplitudes((60, 70), seed=3)
    whole = radar_layers(vh, vv, ALL)
    m = MARGIN_PX
    cut = (slice(20 - m, 40 + m), slice(30 - m, 50 + m))
    part = radar_layers(vh[cut], vv[cut], ALL)[:, m:-m, m:-m]
    assert np.array_equal(part, whole[:, 20:40, 30:50])
    tight = (slice(21 - m, 39 + m), slice(31 - m, 49 + m))
    short = radar_layers(vh[tight], vv[tight], ALL)[:, m - 1 : -(m - 1), m - 1 : -(m - 1)]
    assert not np.array_equal(short, whole[:, 20:40, 30:50])  # one pixel less would not do


def test_common_phase_of_a_burst_changes_the_complex_channels_only() -> None:
    vh, vv = amplitudes((40, 40))
    ramp = np.exp(1j * np.pi * 5.6 * np.arange(40) ** 2 / 20)[:, None]  # both polarisations share it
    turned = radar_layers((vh * ramp).astype(np.complex64), (vv * ramp).astype(np.complex64), ALL)
    plain = radar_layers(vh, vv, ALL)
    same = [np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(turned, plain, strict=True)]
    assert [name for name, equal in zip(ALL, same, strict=True) if not equal] == ["VH_re", "VH_im", "VV_re", "VV_im"]


def test_unknown_and_repeated_channels_are_named() -> None:
    vh, vv = amplitudes((5, 5))
    with pytest.raises(ValueError, match=r"expected different channels of VH_re.*got \['VH', 'HH'\]"):
        radar_layers(vh, vv, ("VH", "HH"))
    with pytest.raises(ValueError, match="expected different channels"):
        radar_layers(vh, vv, ("VH", "VH"))
    with pytest.raises(ValueError, match=r"so2sat8 pixels \(\.\.\., 8, y, x\), got \(4, 3, 3\)"):
        grd4_from_so2sat8(np.ones((4, 3, 3), np.float32))


@pytest.mark.slow
def test_state_of_so2sat8_is_that_of_the_global_product_and_of_simulated_scenes(tmp_path: Path) -> None:
    assert profile_state("so2sat8") == S1_STATE
    simulate_city(tmp_path, seed=1, size_m=3000)
    scenes = yaml.safe_load((tmp_path / "archive.yaml").read_text())["scenes"]
    simulated = [scene["state"] for scene in scenes if scene["sensor"] == "sentinel-1"]
    assert simulated == [profile_state("so2sat8")] * len(simulated)


def test_state_tells_grd4_of_one_look_from_that_of_ground_range_products() -> None:
    state = profile_state("grd4")
    assert (state["product"], state["looks"]) == ("slc", "1")
    assert profile_state("rsnnet9") == state | {"polarimetry": "mean 5x5, C11 VH"}
    assert set(profile_state("rsnnet9")) <= set(PIXEL_STATE)  # every key counts when a network checks a stack
    with pytest.raises(ValueError, match="not made from SLC products"):
        profile_state("s2_10")
