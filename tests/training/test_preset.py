import pytest

from lczmap.models.registry import list_models
from lczmap.training.optimisers import step_factor
from lczmap.training.preset import DEFAULT_PRESETS, ForestPreset, NetworkPreset, list_presets, load_preset


def test_every_preset_file_is_valid() -> None:
    for name in list_presets():
        assert load_preset(name, model="any").description


def test_paper_preset_is_the_published_schedule() -> None:
    preset = load_preset("bp_lcz_paper", model="bp_lcz_eb_cnn")
    assert isinstance(preset, NetworkPreset)
    optimiser = preset.optimiser
    assert (optimiser.name, optimiser.lr, optimiser.momentum, optimiser.weight_decay) == ("sgd", 1e-4, 0.9, 0.002)
    assert (optimiser.schedule, preset.epochs, preset.batch_size) == ("constant", 200, 32)
    assert (preset.base, preset.normalisation, preset.keep, preset.patience) == ("paper", "paper", "last", None)
    assert not (preset.augmentation.dihedral or preset.augmentation.jitter or preset.augmentation.mixup)
    assert preset.label_smoothing == 0


# name, learning rate, epochs, batch, patience, what it watches, and what else the source states
PAPERS = {
    "bp_lcz_no_msm": ("sgd", 1e-4, 200, 32, None, "validation_oa", {"loss": {"msm": False}}),
    "bp_lcz_no_msm_softmax": (
        "sgd",
        1e-4,
        200,
        32,
        None,
        "validation_oa",
        {"loss": {"msm": False, "contrast": "softmax"}},
    ),
    "bp_lcz_baseline": ("sgd", 1e-4, 200, 32, None, "validation_oa", {"seed": 47}),
    "exvit_paper": ("adam", 5e-4, 500, 64, None, "validation_oa", {"seed": 1}),
    "gawlikowski_paper": ("adam", 1e-3, 100, 32, 25, "validation_oa", {"class_weights": "inverse"}),
    "rsnnet_paper": ("nadam", 2e-3, 200, 16, 50, "validation_loss", {"criterion": "focal"}),
    "sen2lcz_paper": ("nadam", 2e-3, 100, 32, 40, "validation_loss", {"keep_by": "validation_oa"}),
    "lcznet_paper": ("adam", 1e-3, 100, 32, 25, "validation_oa", {}),
    "mscnn_paper": ("nadam", 2e-3, 100, 32, 15, "validation_loss", {}),
    "cnn_yoo_paper": ("adam", 1e-3, 100, 32, 25, "validation_oa", {}),
    "gul_paper": ("adam", 2e-4, 100, 16, 25, "validation_oa", {"normalisation": "none"}),
    "gul_s1_paper": ("adam", 1e-4, 100, 32, 25, "validation_oa", {"normalisation": "none"}),
}


@pytest.mark.parametrize("name", PAPERS)
def test_papers_settings_are_those_of_their_sources(name: str) -> None:
    preset = load_preset(name, model="any")
    assert isinstance(preset, NetworkPreset)
    optimiser = preset.optimiser
    *expected, others = PAPERS[name]
    stated = [optimiser.name, optimiser.lr, preset.epochs, preset.batch_size, preset.patience, preset.monitor]
    assert stated == expected
    assert {key: getattr(preset, key) for key in others} == others
    assert optimiser.weight_decay == (0.002 if optimiser.name == "sgd" else 0)
    assert not any(preset.augmentation.model_dump().values())
    assert (preset.base, preset.ema, preset.tta, preset.temperature) == ("paper", 0, False, False)


def test_step_schedules_fall_as_published() -> None:
    for name, epoch, share in (("exvit_paper", 40, 0.81), ("rsnnet_paper", 14, 0.25), ("sen2lcz_paper", 4, 1)):
        preset = load_preset(name, model="any")
        assert isinstance(preset, NetworkPreset)
        assert step_factor(epoch, preset.optimiser) == pytest.approx(share)


def test_networks_have_a_preset_of_their_own() -> None:
    assert set(DEFAULT_PRESETS) <= {*list_models(), "wudapt_rf"}
    assert set(DEFAULT_PRESETS.values()) <= set(list_presets())
    assert isinstance(load_preset(None, model="wudapt_rf"), ForestPreset)
    assert load_preset(None, model="gul_s2") == load_preset("gul_paper", model="any")
    assert load_preset(None, model="gul_s1") == load_preset("gul_s1_paper", model="any")
    assert load_preset(None, model="densenet121") == load_preset("recipe", model="any")


def test_options_replace_single_keys_also_nested_ones() -> None:
    options = {"epochs": 3, "optimiser": {"lr": 0.01}, "network": {"text": {"layers": 1}}}
    preset = load_preset("bp_lcz_recipe", model="any", options=options)
    plain = load_preset("bp_lcz_recipe", model="any")
    assert isinstance(preset, NetworkPreset)
    assert isinstance(plain, NetworkPreset)
    assert (preset.epochs, preset.optimiser.lr) == (3, 0.01)
    assert preset.optimiser.weight_decay == plain.optimiser.weight_decay
    assert preset.network["text"] == {**plain.network["text"], "layers": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, r"preset 'bp_lcz_recipe': unknown key `epoch`; did you mean `epochs`\?"),
        ({"optimiser": {"weightdecay": 1}}, r"unknown key `optimiser\.weightdecay`; did you mean `weight_decay`\?"),
        ({"zzz": 1}, r"unknown key `zzz`; known: \['kind', "),
        ({"epochs": 0}, r"`epochs`: Input should be greater than or equal to 1, got 0"),
        ({"focal": {"gama": 1}}, r"unknown key `focal\.gama`; did you mean `gamma`\?"),
        ({"criterion": "focal", "focal": {"alpha": "max"}, "class_weights": "inverse"}, "both weigh classes; set one"),
        ({"focal": {"gamma": 1}}, r"`focal` is without effect unless `criterion: focal`"),
        ({"keep": "last", "keep_by": "validation_oa"}, r"`keep_by` is without effect with `keep: last`"),
        ({"normalisation": "none"}, r"preset 'bp_lcz_recipe': `augmentation\.jitter` is in standard deviations"),
        ({"kind": "tree"}, r"preset 'bp_lcz_recipe': .*'network', 'random_forest'"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_preset("bp_lcz_recipe", model="any", options=options)


def test_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown preset 'fast'; known: bp_lcz_baseline, bp_lcz_no_msm, "):
        load_preset("fast", model="any")
