import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_city import CHANNELS, STATE, cell_box, city_grid, write_stacks

from lczmap.channels import S2_10
from lczmap.models.classifier import load_checkpoint
from lczmap.training.module import TrainingModule
from lczmap.training.optimisers import cosine_factor
from lczmap.training.patches import select_patches, select_teacher_patches
from lczmap.training.preset import NetworkPreset, load_preset
from lczmap.training.train import CityPatches, LabelledPatches, TrainingData, fit_model, train_model
from lczmap.views import combine

pytestmark = pytest.mark.slow

TINY = {"widths": [8, 16], "blocks": [1, 1], "dropout": 0.1}
RECIPE = {
    "network": TINY,
    "epochs": 4,
    "batch_size": 32,
    "patience": None,
    "augmentation": {"dihedral": True, "jitter": 0.05, "mixup": 0.2},
    "optimiser": {"lr": 0.005},
}
TEXT = {"encoder": "mini", "layers": 1, "width": 32, "heads": 2}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def labelled(count: int, seed: int) -> LabelledPatches:
    """Patches of four classes that differ in mean and in texture; classes 0 and 1 differ in texture only."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 4, count)
    level = np.array([0.1, 0.1, 0.2, 0.3])[index][:, None, None, None]
    spread = np.array([0.01, 0.05, 0.02, 0.02])[index][:, None, None, None]
    patches = level + spread * rng.normal(size=(count, 10, 16, 16))
    return LabelledPatches(patches.astype(np.float32), index)


def toy(train: int = 128, validation: int = 48) -> TrainingData:
    state = {"sentinel-2": {"level": "L1C"}}
    return TrainingData(labelled(train, 1), labelled(validation, 2), S2_10.channels, state, patch_px=16)


def recipe(**changes: object) -> NetworkPreset:
    preset = load_preset("eb_cnn_recipe", model="eb_cnn", options={**RECIPE, **changes})
    assert isinstance(preset, NetworkPreset)
    return preset


def weights(folder: Path, data: TrainingData, preset: NetworkPreset, seed: int = 47) -> dict[str, np.ndarray]:
    classifier, _ = fit_model("eb_cnn", preset, data, seed=seed, folder=folder)
    return classifier.to_checkpoint()[0]


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_loop_learns_what_only_texture_tells_apart(tmp_path: Path) -> None:
    data = toy(256, 64)
    classifier, figures = fit_model("eb_cnn", recipe(epochs=8), data, seed=47, folder=tmp_path / "f")
    unseen = labelled(100, 3)
    assert (classifier.probabilities(unseen.patches).argmax(axis=1) == unseen.index).mean() > 0.95
    assert figures["best_validation_oa"] > 0.95
    assert len(figures["history"]) == 8
    assert figures["history"][-1]["loss"] < figures["history"][0]["loss"]


def test_bp_lcz_logs_cosines_and_leaves_its_text_tower_behind(tmp_path: Path) -> None:
    options = {**RECIPE, "epochs": 5, "network": {**TINY, "width": 16, "text": TEXT}}
    preset = load_preset("bp_lcz_recipe", model="bp_lcz_eb_cnn", options=options)
    classifier, figures = fit_model("bp_lcz_eb_cnn", preset, toy(), seed=47, folder=tmp_path / "f")
    assert figures["cos_pos"] > figures["cos_neg"]
    assert 0 <= figures["zero_shot_oa"] <= 1
    assert {"cls", "con", "zero_shot_oa"} <= set(figures["history"][0])
    arrays, _ = classifier.to_checkpoint()
    assert not any(name.startswith("text.") for name in arrays)
    assert np.abs(arrays["text_bank"]).sum() > 0


def test_paper_preset_starts_near_the_loss_of_zero_similarity(tmp_path: Path) -> None:
    # ln 17 + 2 ln 2 = 4.22 for uniform logits and similarities of zero; SGD at 1e-4 hardly moves it
    text = {"encoder": "mini", "mode": "joint", "source": None, "layers": 1, "width": 32, "heads": 2}
    options = {"epochs": 1, "network": {**TINY, "width": 16, "text": text}}
    preset = load_preset("bp_lcz_paper", model="bp_lcz_eb_cnn", options=options)
    classifier, figures = fit_model("bp_lcz_eb_cnn", preset, toy(64, 0), seed=47, folder=tmp_path / "f")
    assert figures["history"][0]["loss"] == pytest.approx(np.log(17) + 2 * np.log(2), abs=0.3)
    assert set(classifier.normaliser.normalisation.transforms) == {"none"}


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = weights(tmp_path / "a", toy(), recipe(epochs=2))
    assert same(first, weights(tmp_path / "b", toy(), recipe(epochs=2)))
    assert not same(first, weights(tmp_path / "c", toy(), recipe(epochs=2), seed=1))


def test_interrupted_training_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = weights(tmp_path / "whole", toy(), recipe())
    started: list[int] = []
    start = TrainingModule.on_train_epoch_start

    def killed(self: TrainingModule) -> None:
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        start(self)

    def counted(self: TrainingModule) -> None:
        started.append(self.current_epoch)
        start(self)

    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", killed)
    with pytest.raises(RuntimeError, match="killed"):
        weights(tmp_path / "f", toy(), recipe())
    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", counted)
    resumed = weights(tmp_path / "f", toy(), recipe())
    assert started == [2, 3]
    assert same(expected, resumed)
    assert "going on with an interrupted training" in capsys.readouterr().out


def test_folder_of_another_training_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights(tmp_path / "f", toy(), recipe(epochs=1))
    fresh = weights(tmp_path / "g", toy(), recipe(epochs=2))
    assert same(fresh, weights(tmp_path / "f", toy(), recipe(epochs=2)))
    assert "going on" not in capsys.readouterr().out


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    preset = recipe(epochs=30, patience=2)
    _, figures = fit_model("eb_cnn", preset, toy(256, 64), seed=47, folder=tmp_path / "f")
    history = [row["validation_oa"] for row in figures["history"]]
    assert figures["epochs"] < 30
    assert figures["validation_oa"] == max(history) == history[figures["chosen_epoch"] - 1]
    assert figures["chosen_epoch"] == history.index(max(history)) + 1


def test_without_validation_the_last_epoch_is_kept_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, figures = fit_model("eb_cnn", recipe(epochs=2, patience=1), toy(64, 0), seed=47, folder=tmp_path / "f")
    assert figures["epochs"] == figures["chosen_epoch"] == 2
    assert "best_validation_oa" not in figures
    assert "no validation patches" in capsys.readouterr().out


def test_progress_is_a_line_per_tenth_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_model("eb_cnn", recipe(epochs=20, keep="last"), toy(16, 4), seed=47, folder=tmp_path / "f")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("train: ")]
    assert [line.split(",")[0] for line in lines] == [f"train: {p} %" for p in range(10, 101, 10)]
    assert "validation_oa" in lines[0]


def test_cosine_rises_then_falls_to_zero() -> None:
    factors = [cosine_factor(step, 100, 10) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)


def city(tmp_path: Path) -> tuple[Path, Path]:
    """Stacks whose west is smooth and whose east is rough, and four training areas in each."""
    noise = np.random.default_rng(0).normal(size=(700, 700))

    def paint(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
        rough = np.where(x < 200, 0.01, 0.05)
        return 0.2 + channel / 100 + rough * noise[y + 50, x + 50]

    write_stacks(tmp_path / "tiles", city_grid(), paint)
    areas = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
        "features": [
            {
                "type": "Feature",
                "properties": {"lcz": code},
                "geometry": cell_box(row, col, 3, 4).__geo_interface__,
            }
            for code, col in ((14, 3), (14, 11), (6, 22), (6, 31))
            for row in (2, 10, 18, 26)
        ],
    }
    (tmp_path / "areas.geojson").write_text(json.dumps(areas))
    return tmp_path / "areas.geojson", tmp_path / "tiles"


def test_city_is_trained_from_areas_and_stacks_to_a_checkpoint(tmp_path: Path) -> None:
    areas, tiles = city(tmp_path)
    grid = city_grid()
    table, out = tmp_path / "patches.gpkg", tmp_path / "model" / "checkpoint.safetensors"
    select_patches(grid, areas, table, tmp_path / "p.json", validation=0.15, test=0.25, seed=47)
    common = {"cities": [CityPatches(grid, table, tiles)], "seed": 47}
    options = {**RECIPE, "epochs": 6}
    train_model(name="eb_cnn", out_checkpoint=out, views=combine(["s1.tif", "s2.tif"]), options=options, **common)
    classifier = load_checkpoint(out)
    assert classifier.channels == CHANNELS
    assert classifier.state == STATE
    extra = json.loads(out.with_suffix(".json").read_text())["extra"]
    assert extra["validation_oa"] > 0.9
    assert extra["recipe"]["epochs"] == 6
    assert extra["seconds"] > 0
    folder = f"{tmp_path.parent.name}/{tmp_path.name}"
    assert extra["cities"] == [{"folder": folder, "patches_sha256": sha256(table.read_bytes()).hexdigest()}]
    assert sorted(p.name for p in out.parent.iterdir()) == ["checkpoint.json", "checkpoint.safetensors"]
    forest = tmp_path / "forest.safetensors"
    train_model(name="wudapt_rf", out_checkpoint=forest, views=combine(["s2.tif"]), **common)
    assert load_checkpoint(forest).channels == S2_10.channels
    with pytest.raises(ValueError, match="'wudapt_rf' is a recipe for a random_forest, not for 'eb_cnn'"):
        train_model(name="eb_cnn", out_checkpoint=out, views=combine(["s2.tif"]), preset="wudapt_rf", **common)


def test_student_learns_the_teachers_probabilities(tmp_path: Path) -> None:
    from lczmap.raster import write_cells

    _, tiles = city(tmp_path)
    grid = city_grid()
    teacher = np.full((17, 30, 40), 0.2 / 15, np.float32)
    teacher[13], teacher[5] = 0.1, 0.7
    teacher[13, :, :20], teacher[5, :, :20] = 0.7, 0.1
    path, table, out = tmp_path / "t.tif", tmp_path / "p.gpkg", tmp_path / "s.safetensors"
    write_cells(path, teacher, grid.cell_geobox, names=[str(i) for i in range(17)], nodata=np.nan)
    select_teacher_patches(grid, path, table, tmp_path / "p.json", half="north")
    options = {**RECIPE, "epochs": 3, "label_smoothing": 0.0, "max_patches": 200}
    train_model(
        name="eb_cnn",
        cities=[CityPatches(grid, table, tiles)],
        out_checkpoint=out,
        views=combine(["s2.tif"]),
        seed=47,
        options=options,
        teacher_probabilities=path,
    )
    extra = json.loads(out.with_suffix(".json").read_text())["extra"]
    assert extra["soft_labels"]
    assert extra["train_patches"] == 200
    # soft targets: the loss cannot fall below the teacher's entropy of 1.25
    entropy = -(0.7 * np.log(0.7) + 0.1 * np.log(0.1) + 0.2 * np.log(0.2 / 15))
    assert entropy < extra["history"][-1]["loss"] < entropy + 0.6


def test_single_class_is_refused(tmp_path: Path) -> None:
    _, tiles = city(tmp_path)
    areas = {"type": "Feature", "properties": {"lcz": 6}, "geometry": None}
    areas["geometry"] = {
        "type": "Polygon",
        "coordinates": [[[13.53, 52.33], [13.54, 52.33], [13.54, 52.335], [13.53, 52.33]]],
    }
    (tmp_path / "one.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [areas]}))
    grid, table = city_grid(), tmp_path / "p.gpkg"
    select_patches(grid, tmp_path / "one.geojson", table, tmp_path / "p.json", validation=0.1, test=0.1, seed=1)
    with pytest.raises(ValueError, match="expected training patches of two classes or more"):
        train_model(
            name="eb_cnn",
            cities=[CityPatches(grid, table, tiles)],
            out_checkpoint=tmp_path / "x.safetensors",
            views=combine(["s2.tif"]),
            seed=1,
        )
