from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import torch

from lczmap.channels import S2_10
from lczmap.classes import LABELS
from lczmap.models.checkpoint import read_description
from lczmap.models.classifier import TorchClassifier, load_checkpoint
from lczmap.models.pretrained import PUBLIC, import_weights, read_keras_weights

Array = npt.NDArray[np.float32]
EUROSAT_ORDER = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
PLAUSIBLE = {
    "Forest": "A",
    "SeaLake": "G",
    "AnnualCrop": "D",
    "Industrial": "8 10",
    "Residential": "5 6 3 9",
    "Pasture": "D B",
    "River": "G",
}


def gul_file(real_data: Path) -> Path:
    return next((real_data / "pretrained" / "gul").glob("S2_RESNET20*.h5"))


def gul_s1_file(real_data: Path) -> Path:
    return next((real_data / "pretrained" / "gul").glob("S1_RESNET20*.h5"))


def sen2lcz_file(real_data: Path) -> Path:
    return real_data / "pretrained" / "sen2lcz" / "_32_weights.best.hdf5"


@pytest.fixture(scope="session")
def gul(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TorchClassifier:
    path = tmp_path_factory.mktemp("gul") / "gul_s2.safetensors"
    import_weights("gul_s2", gul_file(real_data), path)
    return read_torch(path)


@pytest.fixture(scope="session")
def sen2lcz(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TorchClassifier:
    path = tmp_path_factory.mktemp("sen2lcz") / "sen2lcz.safetensors"
    import_weights("sen2lcz", sen2lcz_file(real_data), path)
    return read_torch(path)


@pytest.fixture(scope="session")
def eurosat(real_data: Path) -> tuple[Array, list[list[str]]]:
    """Centres of the 70 patches of seven classes, (70, 10, 32, 32) reflectance, with their plausible LCZ."""
    order = [EUROSAT_ORDER.index(band) for band in S2_10.channels]
    patches, plausible = [], []
    for land_cover, labels in PLAUSIBLE.items():
        for number in range(1, 11):
            with rasterio.open(real_data / "eurosat" / land_cover / f"{land_cover}_{number}.tif") as file:
                patches.append(file.read()[order, 16:48, 16:48] / 10000)
            plausible.append(labels.split())
    return np.array(patches, np.float32), plausible


def read_torch(path: Path) -> TorchClassifier:
    classifier = load_checkpoint(path)
    assert isinstance(classifier, TorchClassifier)
    return classifier


def count_plausible(classifier: TorchClassifier, patches: Array, plausible: list[list[str]]) -> int:
    best = classifier.probabilities(patches).argmax(axis=1)
    return sum(LABELS[index] in labels for index, labels in zip(best, plausible, strict=True))


# An independent forward pass in numpy, channels last, straight from the Keras file.


def keras_layers(path: Path) -> Callable[[str], dict[str, Array]]:
    file = h5py.File(path)
    return lambda layer: {name.removesuffix(":0"): np.asarray(v) for name, v in file[layer][layer].items()}


def conv(x: Array, layer: dict[str, Array], stride: int = 1) -> Array:
    kernel, bias = layer["kernel"], layer["bias"]
    pad = kernel.shape[0] // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("bhwcij,ijco->bhwo", windows, kernel, optimize=True) + bias


def norm_relu(x: Array, layer: dict[str, Array]) -> Array:
    z = (x - layer["moving_mean"]) / np.sqrt(layer["moving_variance"] + 1e-3)
    return np.maximum(z * layer["gamma"] + layer["beta"], 0)


def dense_softmax(x: Array, layer: dict[str, Array]) -> Array:
    z = x @ layer["kernel"] + layer["bias"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gul_reference(path: Path, x: Array) -> Array:
    """Probabilities (N, 17) of what the first convolution sees (N, 32, 32, channels)."""
    layers = keras_layers(path)

    def c(number: int, x: Array, stride: int = 1) -> Array:
        return conv(x, layers(f"conv2d_{number}"), stride)

    def n(number: int, x: Array) -> Array:
        return norm_relu(x, layers(f"batch_normalization_{number}"))

    x = n(1, c(1, x))
    x = c(5, x) + c(4, n(3, c(3, n(2, c(2, x)))))
    x = x + c(8, n(6, c(7, n(5, c(6, n(4, x))))))
    x = c(12, x, 2) + c(11, n(9, c(10, n(8, c(9, n(7, x), 2)))))
    x = x + c(15, n(12, c(14, n(11, c(13, n(10, x))))))
    x = c(19, x, 2) + c(18, n(15, c(17, n(14, c(16, n(13, x), 2)))))
    x = x + c(22, n(18, c(21, n(17, c(20, n(16, x))))))
    return dense_softmax(n(19, x).mean(axis=(1, 2)), layers("dense_1"))


def sen2lcz_reference(path: Path, x: Array) -> Array:
    layers = keras_layers(path)
    probabilities = []
    for block, head in enumerate(("dense_1", "dense_2", "dense_5", "dense_4")):
        for number in range(4 * block + 1, 4 * block + 5):
            x = norm_relu(conv(x, layers(f"conv2d_{number}")), layers(f"batch_normalization_{number}"))
        if block < 3:
            b, h, w, c = x.shape
            cells = x.reshape(b, h // 2, 2, w // 2, 2, c)
            x = np.concatenate([cells.max(axis=(2, 4)), cells.mean(axis=(2, 4))], axis=-1)
        probabilities.append(dense_softmax(x.mean(axis=(1, 2)), layers(head)))
    return np.mean(probabilities, axis=0)


def test_gul_equals_a_numpy_forward_pass(
    gul: TorchClassifier, eurosat: tuple[Array, list[list[str]]], real_data: Path
) -> None:
    patches = eurosat[0][::14]
    expected = gul_reference(gul_file(real_data), patches.transpose(0, 2, 3, 1))
    assert gul.probabilities(patches) == pytest.approx(expected, abs=1e-5)


def test_the_radar_network_equals_a_numpy_forward_pass_on_its_features(real_data: Path, tmp_path: Path) -> None:
    source = gul_s1_file(real_data)
    classifier = import_weights("gul_s1", source, tmp_path / "x.safetensors")
    assert classifier.patch_px == 34
    assert classifier.state["sentinel-1"]["product"] == "slc"
    values = np.random.default_rng(0).normal(0, 0.3, (2, 8, 34, 34)).astype(np.float32)
    values[:, 4:6] = abs(values[:, 4:6])
    with pytest.raises(ValueError, match="run `lczmap adapt-model`"):
        classifier.probabilities(values)
    classifier.network.prepare(torch.from_numpy(values))
    seen: list[Array] = []
    classifier.network.stem.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].numpy()))
    actual = classifier.probabilities(values)
    assert seen[0].shape == (2, 7, 32, 32)
    expected = gul_reference(source, seen[0].transpose(0, 2, 3, 1))
    assert actual == pytest.approx(expected, abs=1e-5)


def test_sen2lcz_equals_a_numpy_forward_pass(
    sen2lcz: TorchClassifier, eurosat: tuple[Array, list[list[str]]], real_data: Path
) -> None:
    patches = eurosat[0][::14]
    expected = sen2lcz_reference(sen2lcz_file(real_data), patches.transpose(0, 2, 3, 1))
    assert sen2lcz.probabilities(patches) == pytest.approx(expected, abs=1e-5)


def test_gul_gives_real_patches_a_plausible_class_unless_bands_are_swapped(
    gul: TorchClassifier, eurosat: tuple[Array, list[list[str]]]
) -> None:
    patches, plausible = eurosat
    assert count_plausible(gul, patches, plausible) == 66
    swapped = patches[:, [2, 1, 0, *range(3, 10)]]  # B4 in the place of B2
    assert count_plausible(gul, swapped, plausible) == 24


def test_sen2lcz_gives_real_patches_a_plausible_class_with_every_head(
    sen2lcz: TorchClassifier, eurosat: tuple[Array, list[list[str]]]
) -> None:
    patches, plausible = eurosat
    assert count_plausible(sen2lcz, patches, plausible) == 63
    # dense_4 and dense_5 have the same shape. With each on its own map every head alone is right on 60 or more of the
    # 70; exchanged, those two heads are right on 20 and 16.
    right = []
    for head in sen2lcz.network.heads:
        seen: list[Array] = []
        hook = head.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output.numpy()))
        sen2lcz.probabilities(patches, batch=70)
        hook.remove()
        best = seen[0].argmax(axis=1)
        right.append(sum(LABELS[i] in labels for i, labels in zip(best, plausible, strict=True)))
    assert min(right) >= 58


def test_every_stored_value_of_the_radar_network_is_used_once(real_data: Path, tmp_path: Path) -> None:
    classifier = import_weights("gul_s1", gul_s1_file(real_data), tmp_path / "x.safetensors")
    arrays = read_keras_weights(gul_s1_file(real_data))
    description = read_description(tmp_path / "x.safetensors")
    assert sum(array.size for array in arrays.values()) == PUBLIC["gul_s1"].values == 576_465
    assert description["values"] == 576_465 + 2 * 7  # and the scene's mean and standard deviation
    assert sum(p.numel() for p in classifier.network.parameters()) == 572_977
    assert description["metadata"]["card"].startswith("gul_s1: no per-class figures")
    assert "class_prior" not in description["metadata"]


@pytest.mark.parametrize(("name", "values", "learnable"), [("gul_s2", 576_897, 573_409), ("sen2lcz", 793_348, 791_428)])
def test_every_stored_value_is_used_once(
    name: str, values: int, learnable: int, real_data: Path, tmp_path: Path
) -> None:
    source = gul_file(real_data) if name == "gul_s2" else sen2lcz_file(real_data)
    classifier = import_weights(name, source, tmp_path / "x.safetensors")
    description = read_description(tmp_path / "x.safetensors")
    assert description["values"] == values
    assert sum(p.numel() for p in classifier.network.parameters()) == learnable
    assert description["channels"] == list(S2_10.channels)
    assert description["state"] == {"sentinel-2": {"level": "L1C"}}
    assert description["metadata"]["weights"]["licence"] == "MIT"


def test_a_missing_pixel_counts_as_the_mean_of_so2sat(gul: TorchClassifier) -> None:
    patch = np.full((1, 10, 32, 32), np.nan, np.float32)
    means = [0.12376, 0.10928, 0.10109, 0.11424, 0.15927, 0.18147, 0.17457, 0.19502, 0.15428, 0.10905]
    filled = np.broadcast_to(np.float32(means)[None, :, None, None], (1, 10, 32, 32))
    assert np.array_equal(gul.probabilities(patch), gul.probabilities(filled))


def test_a_file_of_another_network_is_refused(real_data: Path, tmp_path: Path) -> None:
    s1 = gul_s1_file(real_data)
    with pytest.raises(ValueError, match=r"expected conv2d_1/kernel as \(16, 10, 3, 3\), got \(16, 7, 3, 3\)"):
        import_weights("gul_s2", s1, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"expected conv2d_2/kernel|lacks conv2d_17/kernel"):
        import_weights("gul_s2", sen2lcz_file(real_data), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_hdf5_or_lacks_or_has_too_many_layers_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(ValueError, match=r"text\.h5 cannot be read as a Keras HDF5"):
        import_weights("gul_s2", tmp_path / "text.h5", out)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["conv2d_99/conv2d_99/kernel:0"] = np.zeros((1, 1, 1, 1), np.float32)
    with pytest.raises(ValueError, match=r"empty\.h5 lacks conv2d_1/kernel"):
        import_weights("gul_s2", tmp_path / "empty.h5", out)
    with pytest.raises(ValueError, match="no public weights are known for 'eb_cnn'; known: gul_s1, gul_s2, sen2lcz"):
        import_weights("eb_cnn", tmp_path / "empty.h5", out)


def test_layers_that_are_left_over_are_refused(real_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "more.h5"
    copy.write_bytes(gul_file(real_data).read_bytes())
    with h5py.File(copy, "a") as file:
        file["conv2d_23/conv2d_23/bias:0"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"holds \['conv2d_23/bias'\], for which gul_s2 has no place"):
        import_weights("gul_s2", copy, tmp_path / "x.safetensors")
