import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from so2sat.made_so2sat import Layout, make_so2sat, write_geo, write_so2sat

from lczmap.so2sat.files import CHANNELS
from lczmap.so2sat.reader import open_h5, shuffled_windows, stream

LAYOUTS: tuple[Layout, ...] = ("chunked", "contiguous", "compressed")


@pytest.fixture(scope="module", params=LAYOUTS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("so2sat") / "training.h5"
    make_so2sat(path, 3, layout=request.param, cities=["berlin", "rome"], chunk=8)
    return path


def expected(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        both = np.concatenate([file["sen1"][:], file["sen2"][:]], axis=-1)
    return np.moveaxis(both, -1, 1).astype(np.float32)


def test_any_rows_in_any_order_are_the_files_own_pixels(path: Path) -> None:
    rows = [50, 3, 4, 5, 17, 3, 0]
    assert np.array_equal(open_h5(path).read(rows), expected(path)[rows])


def test_chosen_channels_come_in_the_order_asked_for(path: Path) -> None:
    names = ["B12", "VV_lee", "B2", "VH_re"]
    columns = [CHANNELS.index(name) for name in names]
    assert np.array_equal(open_h5(path).read([9, 1], names), expected(path)[[9, 1]][:, columns])


def test_nothing_asked_for_is_nothing_read(path: Path) -> None:
    assert open_h5(path).read([], ["B2"]).shape == (0, 1, 32, 32)


def test_labels_are_class_indices_and_cities_come_from_the_file_beside(path: Path) -> None:
    file = open_h5(path)
    with h5py.File(path) as original:
        assert np.array_equal(file.labels, original["label"][:].argmax(axis=1))
    assert file.cities is not None and file.cities[:3].tolist() == ["berlin", "rome", "berlin"]


def test_an_open_file_reaches_another_process(path: Path) -> None:
    file = open_h5(path)
    again = pickle.loads(pickle.dumps(file))
    assert np.array_equal(again.read([2], ["B2"]), file.read([2], ["B2"]))


def test_an_epoch_has_each_patch_once_with_its_own_pixels(path: Path) -> None:
    file, pixels = open_h5(path), expected(path)
    batches = list(stream(file, 7, channels=["VV_lee", "B8"], seed=1, buffer_blocks=2))
    rows = np.concatenate([rows for _, rows in batches])
    assert sorted(rows.tolist()) == list(range(51))
    assert [len(rows) for _, rows in batches] == [7] * 7 + [2]
    columns = [CHANNELS.index("VV_lee"), CHANNELS.index("B8")]
    assert np.array_equal(np.concatenate([x for x, _ in batches]), pixels[rows][:, columns])


def test_the_order_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        windows = shuffled_windows(100, 8, 4, seed=seed, epoch=epoch)
        return [int(row) for window in windows for row in window]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


def test_a_buffer_holds_few_blocks_from_far_apart() -> None:
    windows = list(shuffled_windows(1000, 10, 5, seed=0, epoch=0))
    assert [len(np.unique(window // 10)) for window in windows] == [5] * 20
    assert np.mean([np.ptp(window) for window in windows]) > 500


def test_a_long_run_of_neighbours_is_read_in_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lczmap.so2sat.reader.BLOCK_ROWS", 4)
    monkeypatch.setattr("lczmap.so2sat.reader.MOST_ROWS", 4)
    asked: list[int] = []
    original = h5py.Dataset.__getitem__

    def counted(self: h5py.Dataset, key: object) -> object:
        result = original(self, key)
        if self.name == "/sen2":
            asked.append(len(result))
        return result

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    open_h5(path).read(range(40), ["B2"])
    assert asked == [4] * 10 and open_h5(path).block_rows == 4


def test_a_file_without_places_has_no_cities(tmp_path: Path) -> None:
    make_so2sat(tmp_path / "testing.h5", 1)
    assert open_h5(tmp_path / "testing.h5").cities is None
    write_geo(tmp_path / "testing_geo.h5", None, 17)
    assert open_h5(tmp_path / "testing.h5").cities is None


def test_cities_written_as_bytes_are_read_as_text(tmp_path: Path) -> None:
    make_so2sat(tmp_path / "testing.h5", 1)
    write_geo(tmp_path / "testing_geo.h5", ["tehran"] * 17, 17, text=False)
    cities = open_h5(tmp_path / "testing.h5").cities
    assert cities is not None and set(cities.tolist()) == {"tehran"}


def test_cities_of_another_file_are_refused(tmp_path: Path) -> None:
    make_so2sat(tmp_path / "testing.h5", 1)
    write_geo(tmp_path / "testing_geo.h5", ["tehran"] * 16, 16)
    with pytest.raises(ValueError, match=r"expected the cities of 17 patches, as testing.h5 has, got 16"):
        open_h5(tmp_path / "testing.h5")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "testing.h5"
    with h5py.File(path, "w") as file:
        file["sen1"], file["sen2"] = np.zeros((2, 32, 32, 8)), np.zeros((2, 32, 32, 10))
    with pytest.raises(ValueError, match=r"got \['sen1', 'sen2'\] \(the test file of version 1 has no labels"):
        open_h5(path)


@pytest.mark.parametrize(
    ("key", "shape"),
    [("sen1", (2, 32, 32, 10)), ("sen2", (2, 64, 64, 10)), ("label", (2, 16)), ("sen2", (3, 32, 32, 10))],
)
def test_a_wrong_shape_is_refused(tmp_path: Path, key: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "training.h5"
    write_so2sat(path, np.zeros((2, 32, 32, 8)), np.zeros((2, 32, 32, 10)), [0, 1])
    with h5py.File(path, "a") as file:
        del file[key]
        file[key] = np.zeros(shape)
    with pytest.raises(ValueError, match=rf"training.h5: expected .*{key}"):
        open_h5(path)


def test_labels_that_are_not_one_hot_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.h5"
    write_so2sat(path, np.zeros((3, 32, 32, 8)), np.zeros((3, 32, 32, 10)), [0, 1, 2])
    with h5py.File(path, "a") as file:
        file["label"][2, 5] = 1.0
    with pytest.raises(ValueError, match=r"expected one-hot labels, got .* in row 2"):
        open_h5(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.h5"
    make_so2sat(path, 1)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"not a whole HDF5 file .*truncated.*download it again"):
        open_h5(path)


def test_rows_and_channels_that_are_not_there_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="expected row numbers from 0 to 50, got 51 to 51"):
        open_h5(path).read([51])
    with pytest.raises(ValueError, match="So2Sat has no channels"):
        open_h5(path).read([0], ["VV"])
