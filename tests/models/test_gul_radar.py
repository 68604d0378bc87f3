"""The radar network of the GUL product: its seven features, and their statistics over a scene."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lczmap.channels import SO2SAT8
from lczmap.models.gul import GulRadar
from lczmap.models.radar_features import Moments, radar_features
from lczmap.models.registry import create_model

Array = npt.NDArray[np.float64]


def scene(size: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    """Channels of so2sat8 (count, 8, size, size): speckled amplitudes, and the 7 × 7 mean as filtered covariance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.3, (count, 8, size, size))
    x[:, 4:6] = rng.gamma(4.0, 0.05, (count, 2, size, size))
    x[:, 6:8] *= 0.3
    return torch.from_numpy(x.astype(np.float32))


def reference(x: Array) -> Array:
    """The seven features of one array (8, y, x) without missing pixels; border pixels from what is there."""
    vh, vv = x[0] + 1j * x[1], x[2] + 1j * x[3]

    def window(values: npt.NDArray[np.complex128], row: int, col: int) -> complex:
        return complex(values[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2].mean())

    out = np.empty((7, *vh.shape))
    for row, col in np.ndindex(vh.shape):
        power_vh, power_vv = window(abs(vh) ** 2, row, col).real, window(abs(vv) ** 2, row, col).real
        out[0, row, col] = 10 * np.log10(abs(vh[row, col]) ** 2 or power_vh or 2.0**-52)
        out[1, row, col] = 10 * np.log10(abs(vv[row, col]) ** 2 or power_vv or 2.0**-52)
        cross = window(vh * vv.conj(), row, col)
        out[2, row, col] = abs(cross) / np.sqrt(power_vh * power_vv) if power_vh * power_vv else 0
    out[3:5] = 10 * np.log10(x[4:6])
    out[5] = np.hypot(x[6], x[7]) / np.sqrt(x[4] * x[5])
    out[6] = x[6] / np.hypot(x[6], x[7])
    return out


@pytest.fixture(scope="module")
def network() -> GulRadar:
    torch.manual_seed(0)
    network = create_model("gul_s1", SO2SAT8.channels)
    assert isinstance(network, GulRadar)
    network.prepare(scene(12, count=3))
    return network.eval()


def test_the_seven_features_are_those_of_a_second_implementation() -> None:
    x = scene(6)
    x[0, :2, 2, 3] = 0  # no VH power in one pixel: the mean of the nine
    x[0, 2:4, :2, :2] = 0  # no VV power in a whole window: epsilon
    features, valid = radar_features(x)
    assert valid.all()
    expected = reference(x[0].numpy().astype(np.float64))
    assert expected[1, 0, 0] == pytest.approx(-156.54, abs=0.01)
    np.testing.assert_allclose(features[0].numpy(), expected, atol=2e-4)


def test_a_pixel_without_filtered_power_is_missing_and_outside_every_window() -> None:
    gap = scene(5)
    gap[0, :, 2, 2] = torch.nan
    features, valid = radar_features(gap)
    assert valid[0, 0].sum() == 24 and not valid[0, 0, 2, 2]
    assert features.isfinite().all()
    without = gap.clone()
    without[0, :2, 1, 1] = 0  # its power is then the mean of the eight valid pixels of its window, of which it is one
    power = (without[0, 0] ** 2 + without[0, 1] ** 2)[0:3, 0:3].nan_to_num()
    actual = radar_features(without)[0][0, 0, 1, 1].item()
    assert actual == pytest.approx(10 * np.log10(power.sum().item() / 8), abs=1e-4)
    assert actual != features[0, 0, 1, 1].item()


def test_moments_of_parts_are_those_of_the_whole() -> None:
    x = scene(16, count=5, seed=3)
    x[1, :, :9] = 0
    features, valid = radar_features(x)
    moments = Moments()
    for part in ((0, 2), (2, 2), (2, 5)):
        moments = moments.plus(features[slice(*part)], valid[slice(*part)])
    pixels = features.permute(0, 2, 3, 1)[valid[:, 0]].numpy().astype(np.float64)
    mean, std = moments.mean_and_std()
    assert moments.count == len(pixels) == 5 * 256 - 9 * 16
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(std, pixels.std(axis=0), rtol=1e-5)


def test_a_scene_without_radar_power_has_no_statistics() -> None:
    with pytest.raises(ValueError, match="expected radar pixels with power, got none"):
        Moments().plus(*radar_features(torch.zeros(1, 8, 4, 4))).mean_and_std()


def test_the_network_does_not_answer_before_it_knows_the_scene() -> None:
    fresh = create_model("gul_s1", SO2SAT8.channels)
    with pytest.raises(ValueError, match="run `lczmap adapt-model` with the city's stacks first, or train"):
        fresh(scene(32))


def test_features_are_standardised_over_the_training_patches(network: GulRadar) -> None:
    seen: list[torch.Tensor] = []
    hook = network.stem.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    with torch.no_grad():
        network(scene(12, count=3))
    hook.remove()
    pixels = seen[0].permute(0, 2, 3, 1).reshape(-1, 7).double()
    assert pixels.mean(dim=0).tolist() == pytest.approx([0] * 7, abs=1e-4)
    assert pixels.std(dim=0, correction=0).tolist() == pytest.approx([1] * 7, abs=1e-4)


def test_a_missing_pixel_is_the_mean_of_the_scene(network: GulRadar) -> None:
    gap = scene(12)
    gap[..., 4] = 0
    seen: list[torch.Tensor] = []
    hook = network.stem.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    with torch.no_grad():
        network(gap)
    hook.remove()
    assert (seen[0][..., 4] == 0).all()
    assert (seen[0][..., 5] != 0).all()


def test_a_margin_of_one_pixel_gives_the_features_of_the_whole_scene() -> None:
    whole = scene(20, seed=5)
    with_margin = create_model("gul_s1", SO2SAT8.channels, margin_px=1)
    assert isinstance(with_margin, GulRadar)
    with_margin.prepare(whole)
    features, _ = with_margin.features_of(whole)
    expected = (features - with_margin.scene_mean[:, None, None]) / with_margin.scene_std[:, None, None]
    seen: list[torch.Tensor] = []
    with_margin.stem.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    with torch.no_grad():
        with_margin.eval()(whole[:, :, 3:17, 2:16])
    assert seen[0].shape == (1, 7, 12, 12)
    np.testing.assert_allclose(seen[0], expected[:, :, 4:16, 3:15], atol=1e-4, rtol=1e-4)


def test_channels_are_taken_by_name(network: GulRadar) -> None:
    turned = create_model("gul_s1", SO2SAT8.channels[::-1])
    turned.load_state_dict(network.state_dict())
    x = scene(12)
    with torch.no_grad():
        assert torch.equal(turned.eval()(x.flip(1)), network(x))


def test_other_channels_margins_and_normalised_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gul_s1 needs the channels .*VH_re.*got \['VH', 'VV'\]"):
        create_model("gul_s1", ("VH", "VV"))
    with pytest.raises(ValueError, match="expected a margin of 0 or 1 px, got 2"):
        create_model("gul_s1", SO2SAT8.channels, margin_px=2)
    fresh = create_model("gul_s1", SO2SAT8.channels)
    with pytest.raises(ValueError, match=r"expected intensities >= 0, got -.*normalisation: none"):
        fresh.prepare(scene(12) - 5)
    constant = torch.ones(2, 8, 8, 8)
    with pytest.raises(ValueError, match=r"standard deviations .* expected positive ones"):
        fresh.prepare(constant)
