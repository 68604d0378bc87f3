import json
import pickle
import shutil
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from so2sat.made_so2sat import make_so2sat, write_geo, write_so2sat

from lczmap.so2sat import convert as convert_module
from lczmap.so2sat.cache import So2SatCache, open_cache
from lczmap.so2sat.convert import convert
from lczmap.so2sat.encoding import decode, encode
from lczmap.so2sat.files import CHANNELS
from lczmap.so2sat.reader import open_h5

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("so2sat") / "validation.h5"
    make_so2sat(path, 8, cities=["rome", "berlin", "rome"])
    return path


@pytest.fixture(scope="module")
def cache(path: Path, tmp_path_factory: pytest.TempPathFactory) -> So2SatCache:
    return convert(path, tmp_path_factory.mktemp("cache") / "validation")


def pixels_of(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        both = np.concatenate([file["sen1"][:], file["sen2"][:]], axis=-1)
    return np.moveaxis(both, -1, 1)


def test_float32_is_exact(path: Path, tmp_path: Path) -> None:
    cache = convert(path, tmp_path, dtype="float32", md5=False)
    rows = [100, 2, 2, 50]
    assert np.array_equal(cache.read(rows), pixels_of(path)[rows].astype(np.float32))


def test_float16_keeps_a_thousandth_of_each_value(cache: So2SatCache, path: Path) -> None:
    expected = pixels_of(path)
    error = np.abs(cache.read(range(cache.n)) - expected)
    rooted = ["VH_lee", "VV_lee", "C12_re", "C12_im"]
    for i, name in enumerate(CHANNELS):
        share = 9.8e-4 if name in rooted else 4.9e-4
        assert (error[:, i] <= share * np.abs(expected[:, i]) + 3e-8).all(), name


def test_rows_and_channels_come_in_the_order_asked_for(cache: So2SatCache) -> None:
    names, rows = ["B12", "C12_im", "B2"], RNG.permutation(cache.n)
    whole = cache.read(range(cache.n))
    assert np.array_equal(cache.read(rows, names), whole[rows][:, [CHANNELS.index(name) for name in names]])


def test_labels_cities_and_counts_are_the_files(cache: So2SatCache, path: Path) -> None:
    file = open_h5(path)
    assert np.array_equal(cache.labels, file.labels) and cache.labels.dtype == np.int64
    assert cache.cities is not None and file.cities is not None
    assert cache.cities.tolist() == file.cities.tolist()
    assert cache.class_counts == (8,) * 17


def test_statistics_are_those_of_all_original_pixels(cache: So2SatCache, path: Path) -> None:
    pixels = pixels_of(path)
    assert cache.statistics.count == 136 * 1024
    np.testing.assert_allclose(cache.statistics.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cache.statistics.std, pixels.std(axis=(0, 2, 3)), rtol=1e-9)
    assert cache.statistics.maximum == tuple(pixels.max(axis=(0, 2, 3)))
    assert cache.statistics.missing == (0,) * 18


def test_a_compact_copy_has_a_quarter_of_the_bytes(cache: So2SatCache, path: Path) -> None:
    size = sum(file.stat().st_size for file in cache.folder.iterdir())
    assert size < 0.26 * path.stat().st_size


def test_the_description_says_what_it_is_a_copy_of(cache: So2SatCache, path: Path) -> None:
    text = (cache.folder / "cache.json").read_text()
    source = json.loads(text)["source"]
    assert source["name"] == "validation.h5" and source["size"] == path.stat().st_size
    assert source["md5"] == convert_module.file_md5(path) and source["known_as"] == []
    assert str(path.parent) not in text


def test_values_up_to_four_thousand_millions_are_held(tmp_path: Path) -> None:
    sen1 = np.full((1, 32, 32, 8), 0.5)
    sen1[0, 0, 0, 4:] = 1e9, 200_000.0, -4e5, 4e5
    write_so2sat(tmp_path / "training.h5", sen1, np.full((1, 32, 32, 10), 0.1), [3])
    read = convert(tmp_path / "training.h5", tmp_path / "c", md5=False).read([0])[0, 4:8, 0, 0]
    np.testing.assert_allclose(read, [1e9, 200_000.0, -4e5, 4e5], rtol=1e-3)


def test_a_value_too_large_for_float16_is_refused_by_name(tmp_path: Path) -> None:
    sen1 = np.full((1, 32, 32, 8), 0.5)
    sen1[0, 3, 3, 2] = -70_000.0
    write_so2sat(tmp_path / "training.h5", sen1, np.full((1, 32, 32, 10), 0.1), [3])
    with pytest.raises(ValueError, match=r"VV_re has the value 70000, too large for float16; .*--dtype float32"):
        convert(tmp_path / "training.h5", tmp_path / "c", md5=False)
    assert not (tmp_path / "c" / "cache.json").exists()
    assert (
        convert(tmp_path / "training.h5", tmp_path / "d", dtype="float32", md5=False).read([0])[0, 2, 3, 3] == -70_000
    )


def test_values_that_are_not_finite_are_missing_and_counted(tmp_path: Path) -> None:
    sen1 = np.full((2, 32, 32, 8), 0.5)
    sen1[0, 0, 0, 5], sen1[1, 0, 1, 5] = np.inf, np.nan
    write_so2sat(tmp_path / "training.h5", sen1, np.full((2, 32, 32, 10), 0.1), [3, 4])
    cache = convert(tmp_path / "training.h5", tmp_path / "c", md5=False)
    assert np.isnan(cache.read([0, 1])[:, 5]).sum() == 2
    assert cache.statistics.missing[5] == 2 and cache.statistics.mean[5] == 0.5


def test_a_killed_conversion_goes_on_and_gives_the_same(
    path: Path, cache: So2SatCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(convert_module, "PROGRESS_S", -1.0)
    blocks = iter(range(3))

    def dies(*arguments: object) -> object:
        if arguments[1] == CHANNELS[8:]:  # in the middle of a block: the radar of it is written
            next(blocks)
        return encode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("lczmap.so2sat.convert.encode", dies)
    with pytest.raises((StopIteration, RuntimeError)):
        monkeypatch.setattr("lczmap.so2sat.reader.BLOCK_ROWS", 16)
        convert(path, tmp_path)
    with pytest.raises(ValueError, match="no cache of So2Sat"):
        open_cache(tmp_path)
    monkeypatch.setattr("lczmap.so2sat.convert.encode", encode)
    again = convert(path, tmp_path)
    assert "goes on behind patch 48" in capsys.readouterr().out
    assert np.array_equal(again.read(range(again.n)), cache.read(range(cache.n)))
    assert again.statistics.mean == pytest.approx(cache.statistics.mean, rel=1e-12)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_full_disk_is_noticed_before_anything_is_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    with pytest.raises(ValueError, match=r"the copy of validation.h5 needs up to 0.01 GB more, the disk has 0.01 GB"):
        convert(path, tmp_path, md5=False)
    assert list(tmp_path.iterdir()) == []


def test_a_conversion_killed_between_two_names_is_finished(path: Path, cache: So2SatCache, tmp_path: Path) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_module, "_description", dies)
        with pytest.raises(RuntimeError, match="killed"):
            convert(path, tmp_path, md5=False)
    assert np.array_equal(convert(path, tmp_path, md5=False).read([7]), cache.read([7]))


def test_a_finished_cache_is_taken_as_it_is_and_one_of_another_file_is_refused(path: Path, tmp_path: Path) -> None:
    first = convert(path, tmp_path, md5=False)
    before = (tmp_path / "sen1.npy").stat().st_mtime_ns
    convert(path, tmp_path, md5=False)
    assert (tmp_path / "sen1.npy").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="delete the folder, or name another"):
        convert(path, first.folder, dtype="float32", md5=False)


def test_a_cache_without_the_cities_that_came_later_is_refused(tmp_path: Path) -> None:
    make_so2sat(tmp_path / "testing.h5", 1)
    assert convert(tmp_path / "testing.h5", tmp_path / "c", md5=False).cities is None
    write_geo(tmp_path / "testing_geo.h5", ["cairo"] * 17, 17)
    with pytest.raises(ValueError, match="'places_size': None"):
        convert(tmp_path / "testing.h5", tmp_path / "c", md5=False)


def test_a_shortened_cache_is_refused(path: Path, tmp_path: Path) -> None:
    convert(path, tmp_path, md5=False)
    whole = (tmp_path / "sen2.npy").read_bytes()
    (tmp_path / "sen2.npy").write_bytes(whole[:-4096])
    with pytest.raises(ValueError, match=r"sen2.npy: .*delete its folder and convert again"):
        open_cache(tmp_path)


def test_a_cache_reaches_another_process_as_a_name(cache: So2SatCache) -> None:
    sent = pickle.dumps(cache)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).read([3]), cache.read([3]))


def test_the_digest_follows_the_pixels(cache: So2SatCache, path: Path, tmp_path: Path) -> None:
    assert open_cache(cache.folder).fingerprint() == cache.fingerprint()
    changed = tmp_path / "validation.h5"
    changed.write_bytes(path.read_bytes())
    with h5py.File(changed, "a") as file:
        file["sen2"][70, 3, 3, 1] += 0.01
    assert convert(changed, tmp_path / "c", md5=False).fingerprint() != cache.fingerprint()


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lczmap.so2sat.reader.BLOCK_ROWS", 8)
    peaks = []
    for n in (32, 160):
        path = tmp_path / f"{n}.h5"
        write_so2sat(path, np.zeros((n, 32, 32, 8)), np.full((n, 32, 32, 10), 0.1), np.zeros(n), layout="contiguous")
        tracemalloc.start()
        convert(path, tmp_path / str(n), md5=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 12e6


def test_encoding_refuses_nothing_that_it_can_hold() -> None:
    values = np.array([0.0, -0.0, 6e4, -6e4, 1e-9]).reshape(1, 1, 1, 5)
    assert decode(encode(values, ["VV_re"], "float16"), ["VV_re"]) == pytest.approx(values, rel=5e-4, abs=3e-8)
    assert decode(encode(values, ["C12_re"], "float16"), ["C12_re"]) == pytest.approx(values, rel=1e-3, abs=4e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.int16])
def test_integers_keep_their_roots(dtype: npt.DTypeLike) -> None:
    pixels = np.array([2, -3], dtype).reshape(1, 2, 1, 1)
    names = ["VV_lee", "VH_lee"]
    assert decode(encode(pixels, names, "float16"), names).ravel() == pytest.approx([2, -3], rel=1e-3)
