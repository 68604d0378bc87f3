"""Whole runs on a generated file: what is written, and that nothing of it is taken for a result on So2Sat."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from so2sat.made_so2sat import make_so2sat

from lczmap.channels import S2_10, SO2SAT8
from lczmap.cli.app import app
from lczmap.models.checkpoint import load_checkpoint
from lczmap.models.pretrained import import_weights
from lczmap.reproduce import data
from lczmap.reproduce import run as run_module
from lczmap.reproduce.data import JoinedPatches, describe_data, identify, open_source, patches_of, table_of
from lczmap.reproduce.figures import draw_reproduction, draw_training, embed
from lczmap.reproduce.predict import sample_per_class
from lczmap.reproduce.report import tabulate_reproduction
from lczmap.reproduce.run import run_reproduction
from lczmap.so2sat.cache import So2SatCache
from lczmap.so2sat.patches import So2SatPatches
from lczmap.so2sat.protocols import protocol

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n"
WEIGHTS = "pretrained/sen2lcz/_32_weights.best.hdf5"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("so2sat")
    make_so2sat(folder / "training.h5", 4, seed=1, cities=["berlin", "rome"])
    make_so2sat(folder / "testing.h5", 2, seed=2)
    return {name: folder / f"{name}.h5" for name in ("training", "testing")}


@pytest.fixture(scope="module")
def finished(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks, one for each sensor, whose probabilities are summed; one epoch."""
    folder = tmp_path_factory.mktemp("reproduce") / "sar_optical_s6_independent" / "seed47"
    run_reproduction(
        "gawlikowski_fig4_random",
        "sar_optical_s6_independent",
        {"training": files["training"]},
        folder / "result.json",
        folder / "features.npz",
        seed=47,
        options={"epochs": 1},
        shrink=True,
    )
    return folder


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def test_a_run_writes_what_a_report_needs(finished: Path) -> None:
    result = read(finished)
    assert result["data"]["patches"] == {"train": 54, "validation": 7, "test": 7}
    assert np.sum(result["confusion_matrix"]) == 7
    assert result["protocol"]["leaky"] is True and "overlap" in result["protocol"]["why"]
    assert [len(h) for h in result["histories"]] == [1, 1]
    assert result["recipe"]["epochs"] == 1 and result["recipe"]["class_weights"] == "inverse"
    assert set(result["by_city"]) <= {"berlin", "rome"}
    assert not (finished / ".training").exists()


def test_a_generated_file_is_never_called_so2sat(finished: Path) -> None:
    rehearsal = read(finished)["data"]["rehearsal"]
    assert "training is not So2Sat's file" in rehearsal and "68 patches, So2Sat's have 352,366" in rehearsal


def test_networks_of_a_sum_are_saved_one_by_one(finished: Path) -> None:
    seen = [load_checkpoint(finished / f"checkpoint_{n}.safetensors").channels for n in (1, 2)]
    assert seen == [SO2SAT8.channels, S2_10.channels]
    extra = json.loads((finished / "checkpoint_2.json").read_text())["extra"]
    assert extra["leaky"] is True and "training is not So2Sat's file" in extra["rehearsal"]
    with np.load(finished / "features.npz") as stored:
        assert stored["features"].shape == (7, 2 * 128)


def test_a_run_is_drawn_and_tabulated(finished: Path, tmp_path: Path) -> None:
    pictures = [tmp_path / f"{name}.png" for name in ("confusion", "tsne", "training")]
    draw_reproduction(finished / "result.json", finished / "features.npz", *pictures)
    assert all(p.read_bytes()[:8] == PNG and p.stat().st_size > 10_000 for p in pictures)
    tabulate_reproduction("gawlikowski_fig4_random", [finished / "result.json"], tmp_path / "report.md")
    report = (tmp_path / "report.md").read_text()
    assert report.startswith("# Gawlikowski et al., Fig. 4, random 80/10/10: REHEARSAL")
    with pytest.raises(ValueError, match="a result of the table 'gawlikowski_fig4_random', expected 'cities'"):
        tabulate_reproduction("cities", [finished / "result.json"], tmp_path / "other.md")


def test_a_smaller_file_is_refused_without_shrink(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ask for `shrink`"):
        run_reproduction("bp_lcz_table2", "eb_cnn", files, tmp_path / "a.json", tmp_path / "a.npz", seed=1)
    with pytest.raises(ValueError, match="needs training; not there: training; given: train"):
        wrong = {"train": files["training"]}
        run_reproduction("bp_lcz_table2", "eb_cnn", wrong, tmp_path / "a.json", tmp_path / "a.npz", seed=1)
    with pytest.raises(ValueError, match="name their checkpoint"):
        run_reproduction(
            "sen2lcz_official", "sen2lcz", files, tmp_path / "a.json", tmp_path / "a.npz", seed=1, shrink=True
        )
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_process_writes_and_prints(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "is_first_process", lambda: False)
    fitted = SimpleNamespace(classifier=lambda: None, figures={})
    monkeypatch.setattr("lczmap.training.network.fit_network", lambda *_, **__: fitted)
    (tmp_path / ".training").mkdir()
    out = tmp_path / "result.json", tmp_path / "features.npz"
    assert run_reproduction("bp_lcz_table2", "eb_cnn", files, *out, seed=1, shrink=True) is None
    assert [path.name for path in tmp_path.iterdir()] == [".training"] and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("draw-reproduction no.json no.npz a b c", "no.json: cannot be read .*`run-reproduction` writes it"),
        ("tabulate-reproduction cities r.md list.json", "list.json: expected the result.json .*; got list"),
        ("tabulate-reproduction cities r.md other.json", "other.json: expected the result.json .*; it lacks by_city"),
        ("tabulate-reproduction cities r.md text.json", "text.json: not readable as JSON"),
        ("reproduce no.md", "no.md: cannot be read .*`tabulate-reproduction` writes it"),
        ("run-reproduction t r a b --source training=x --options []", r"--options: expected keys and values .*'\[\]'"),
        ("run-reproduction t r a b --source training=x --options {", "--options: expected JSON such as"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("list", "[]"), ("other", "{}"), ("text", "x")):
        Path(f"{name}.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        app(arguments.split(), standalone_mode=False)


def test_features_of_something_else_are_refused(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "f.npz").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"f\.npz: expected the features.npz"):
        draw_reproduction(finished / "result.json", tmp_path / "f.npz", *[tmp_path / n for n in "abc"])


def test_official_weights_are_tested_as_they_are(files: dict[str, Path], real_data: Path, tmp_path: Path) -> None:
    if not (real_data / WEIGHTS).is_file():
        pytest.skip(f"{WEIGHTS} not found in {real_data}")
    classifier = import_weights("sen2lcz", real_data / WEIGHTS, tmp_path / "sen2lcz.safetensors")
    result = run_reproduction(
        "sen2lcz_official",
        "sen2lcz",
        {"testing": files["testing"]},
        tmp_path / "result.json",
        tmp_path / "features.npz",
        seed=47,
        shrink=True,
        checkpoint=tmp_path / "sen2lcz.safetensors",
    )
    with h5py.File(files["testing"]) as file:  # the same, past all of our readers
        pixels, labels = file["sen2"][()].astype(np.float32), file["label"][()].argmax(axis=1)
    predicted = classifier.probabilities(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).argmax(axis=1)
    expected = np.zeros((17, 17), int)
    np.add.at(expected, (labels, predicted), 1)
    assert np.array_equal(result["confusion_matrix"], expected)
    assert result["recipe"] is None and result["train_seconds"] == 0 and result["parameters"] == 791_428
    draw_training(result["histories"], tmp_path / "training.png", title="t")


class Stored:
    """A source of known labels, whose pixels say which row they are."""

    def __init__(self, labels: Any, start: float = 0.0) -> None:
        self.labels, self.cities, self.n, self.start = np.asarray(labels), None, len(labels), start

    def read(self, indices: Any, channels: Any) -> Any:
        rows = self.start + np.asarray(indices, np.float32)
        return np.broadcast_to(rows[:, None, None, None], (len(rows), len(channels), 32, 32)).copy()

    def fingerprint(self) -> str:
        return str(self.start)


def test_parts_of_two_files_are_one_set_of_patches() -> None:
    one, two = Stored([0, 1, 2]), Stored([3, 4], start=100)
    joined = JoinedPatches([So2SatPatches(one, [2, 0], ["B2"]), So2SatPatches(two, [1], ["B2"])])
    patches, targets = joined[[2, 0, 1]]
    assert patches[:, 0, 0, 0].tolist() == [101, 2, 0]
    assert targets.tolist() == [4, 2, 0]
    assert joined.targets.tolist() == [2, 0, 4] and len(joined) == 3
    assert joined.fingerprint() != JoinedPatches([So2SatPatches(one, [2, 0], ["B2"])]).fingerprint()


TESTING = [266, 1262, 2465, 857, 763, 1936, 503, 3496, 2013, 908, 2368, 433, 1166, 2435, 205, 572, 2540]
MD5 = "e81426102b488623a723beab52b31a8a"  # of testing.h5 of version 2


def copied(md5: str | None, counts: list[int] = TESTING) -> Any:
    """A compact copy as far as `identify` looks."""
    labels = np.repeat(np.arange(17), counts)
    source = {} if md5 is None else {"md5": md5}
    return So2SatCache(Path("x"), "float16", labels, None, None, tuple(counts), source, {})  # type: ignore[arg-type]


def test_a_known_md5_that_differs_is_never_outweighed_by_counts() -> None:
    assert identify("testing", copied(MD5))["by"] == "MD5"
    other = identify("testing", copied("0" * 32))
    assert other["known_as"] == "v4 testing" and other["by"] == "patches per class, no MD5 known"
    assert not identify("culture_10/testing", copied("0" * 32, [v + 1 for v in TESTING]))["is_published"]
    assert identify("testing", copied(None))["by"] == "patches per class, no MD5 computed"


def test_an_edition_whose_md5_differs_is_not_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "KNOWN_FILES", [k for k in data.KNOWN_FILES if k.version == "v2"])
    assert identify("testing", copied("0" * 32)) == {
        **{"patches": sum(TESTING), "is_published": False, "by": "nothing", "known_as": "", "md5": "0" * 32}
    }


def test_published_files_are_known_by_their_counts() -> None:
    real: Any = Stored(np.repeat(np.arange(17), TESTING))
    found = identify("testing", real)
    assert (
        found["is_published"]
        and found["by"] == "patches per class, no MD5 computed"
        and "v2 testing" in found["known_as"]
    )
    assert not identify("validation", real)["is_published"]
    moved: Any = Stored(np.repeat(np.arange(17), [*TESTING[:15], 571, 2541]))
    assert not identify("testing", moved)["is_published"]  # as many patches prove nothing
    used = protocol("culture_10_test")
    parts = used.split({"testing": table_of(real)})
    assert describe_data({"testing": real}, used, parts)["rehearsal"] == ""


def test_the_files_of_a_part_are_read_in_place(files: dict[str, Path]) -> None:
    source = open_source(files["training"])
    patches = patches_of([("training", np.array([3, 5]))], {"training": source}, ("B2", "VH"))
    assert patches[[1]][0].shape == (1, 2, 32, 32)
    assert patches.targets.tolist() == source.labels[[3, 5]].tolist()


def test_samples_are_up_to_so_many_of_each_class() -> None:
    labels = np.repeat([0, 3, 16], [5, 2, 1])
    chosen = sample_per_class(labels, 3, seed=0)
    assert np.bincount(labels[chosen], minlength=17)[[0, 3, 16]].tolist() == [3, 2, 1]
    assert (np.diff(chosen) > 0).all()


def test_a_t_sne_keeps_clusters_apart() -> None:
    dice = np.random.default_rng(0)
    features = np.concatenate([dice.normal(c, 1, (20, 8)) for c in (0, 30)]).astype(np.float32)
    places = embed(features)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(40)
    assert (apart.argmin(axis=1) // 20 == np.arange(40) // 20).all()  # everyone's nearest is of the same cluster
