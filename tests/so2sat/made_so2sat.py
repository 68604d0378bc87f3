"""Generated files in the format of So2Sat LCZ42: float64 pixels, one-hot labels, classes that differ in both sensors.

labels = make_so2sat(tmp_path / "training.h5", 4, seed=1, cities=["berlin", "rome"])  # 4 patches of each class
make_release(tmp_path, per_class=(6, 2, 2))  # training.h5, validation.h5, testing.h5

From other folders of tests: `from so2sat.made_so2sat import make_so2sat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Layout = Literal["chunked", "contiguous", "compressed"]
Float = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

SIZE = 32
CLASSES = 17
RELEASE = ("training", "validation", "testing")


def write_so2sat(
    path: Path,
    sen1: npt.ArrayLike,
    sen2: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    layout: Layout = "chunked",
    label_dtype: npt.DTypeLike = np.float64,
    chunk: int = 16,
) -> None:
    """Write (N,32,32,8) and (N,32,32,10) pixels with labels (N,) 0..16 as float64 and one-hot, as So2Sat has them."""
    one_hot = np.eye(CLASSES)[np.asarray(labels, np.int64)].astype(label_dtype)
    with h5py.File(path, "w") as file:
        for key, values in (("sen1", sen1), ("sen2", sen2), ("label", one_hot)):
            array = np.asarray(values, one_hot.dtype if key == "label" else np.float64)
            options: dict[str, object] = {}
            if layout != "contiguous":
                options["chunks"] = (min(chunk, len(array)), *array.shape[1:])
            if layout == "compressed":
                options["compression"] = "gzip"
            file.create_dataset(key, data=array, **options)


def write_geo(path: Path, cities: Sequence[str] | None, n: int, *, text: bool = True) -> None:
    """Write a `*_geo.h5` of n patches: epsg, tfw, and the city of each where `cities` are given."""
    with h5py.File(path, "w") as file:
        file["epsg"] = np.full((n, 1), 32633, np.int32)
        file["tfw"] = np.tile([672937.8, 10.0, 0.0, 5307165.4, 0.0, 10.0], (n, 1))
        if cities is not None:
            kind = h5py.string_dtype() if text else "S24"
            file.create_dataset("city", data=np.array(cities, dtype=object if text else "S24"), dtype=kind)


def made_pixels(labels: npt.ArrayLike, *, seed: int = 0) -> tuple[Float, Float]:
    """Return radar (N,32,32,8) and reflectance (N,32,32,10) of patches whose classes are `labels` (N,) 0..16.

    Radar amplitudes are complex Gaussian speckle of a power that a class and a heavy-tailed texture give, VH and VV
    partly alike; the filtered covariance is the mean of 7×7 pixels. Reflectance is a spectrum per class with noise, in
    steps of 0.0001.
    """
    which = np.asarray(labels, np.int64)
    random = np.random.default_rng(seed)
    fixed = np.random.default_rng(42)  # what the classes look like does not depend on the seed
    return _radar(which, random, fixed), _reflectance(which, random, fixed)


def make_so2sat(
    path: Path,
    counts: int | Sequence[int],
    *,
    seed: int = 0,
    layout: Layout = "chunked",
    cities: Sequence[str] | None = None,
    chunk: int = 16,
    label_dtype: npt.DTypeLike = np.float64,
) -> Labels:
    """Write a file with `counts` patches of each class (one number, or 17) in random order; returns its labels (N,).

    With `cities` a `*_geo.h5` lies beside it, the cities taken in turns along the file.
    """
    each = [counts] * CLASSES if isinstance(counts, int) else list(counts)
    labels = np.random.default_rng([seed, 1]).permutation(np.repeat(np.arange(CLASSES), each)).astype(np.int64)
    sen1, sen2 = made_pixels(labels, seed=seed)
    write_so2sat(path, sen1, sen2, labels, layout=layout, label_dtype=label_dtype, chunk=chunk)
    if cities is not None:
        geo = path.with_name(f"{path.stem}_geo.h5")
        write_geo(geo, [cities[i % len(cities)] for i in range(len(labels))], len(labels))
    return labels


def make_release(
    folder: Path,
    *,
    per_class: tuple[int, int, int] = (4, 2, 2),
    seed: int = 0,
    layout: Layout = "chunked",
    cities: tuple[Sequence[str], Sequence[str], Sequence[str]] | None = None,
) -> dict[str, Path]:
    """Write training.h5, validation.h5 and testing.h5 with so many patches of each class; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.h5" for name in RELEASE}
    for i, path in enumerate(paths.values()):
        own = None if cities is None else cities[i]
        make_so2sat(path, per_class[i], seed=1000 * seed + i, layout=layout, cities=own)
    return paths


def _radar(labels: Labels, random: np.random.Generator, fixed: np.random.Generator) -> Float:
    n = len(labels)
    vh_power = 10 ** fixed.permutation(np.linspace(-2.6, -0.8, CLASSES))[labels]
    vv_power = 10 ** fixed.permutation(np.linspace(-1.8, 0.2, CLASSES))[labels]
    texture = random.lognormal(-0.72, 1.2, (n, SIZE, SIZE))  # mean 1, a heavy tail
    shared, own = (_speckle(random, n) for _ in range(2))
    vv = np.sqrt(vv_power[:, None, None] * texture) * shared
    vh = np.sqrt(vh_power[:, None, None] * texture) * (0.5 * shared + np.sqrt(0.75) * own)
    c12 = vh * vv.conj()
    filtered = [
        ndimage.uniform_filter(x, (0, 7, 7), mode="nearest") for x in (abs(vh) ** 2, abs(vv) ** 2, c12.real, c12.imag)
    ]
    return np.stack([vh.real, vh.imag, vv.real, vv.imag, *filtered], axis=-1)


def _speckle(random: np.random.Generator, n: int) -> npt.NDArray[np.complex128]:
    parts = random.normal(0.0, np.sqrt(0.5), (n, SIZE, SIZE, 2))
    return parts.view(np.complex128)[..., 0]


def _reflectance(labels: Labels, random: np.random.Generator, fixed: np.random.Generator) -> Float:
    spectra = fixed.uniform(0.03, 0.4, (CLASSES, 10))[labels]
    brightness = random.lognormal(0.0, 0.15, (len(labels), 1, 1, 1))
    noise = random.normal(1.0, 0.2, (len(labels), SIZE, SIZE, 10))
    return np.clip(np.round(spectra[:, None, None] * brightness * noise, 4), 0.0001, 2.8)
