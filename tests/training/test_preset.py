import pytest

from lczmap.models.registry import list_models
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


def test_networks_have_a_preset_of_their_own() -> None:
    assert set(DEFAULT_PRESETS) <= {*list_models(), "wudapt_rf"}
    assert set(DEFAULT_PRESETS.values()) <= set(list_presets())
    assert isinstance(load_preset(None, model="wudapt_rf"), ForestPreset)
    with pytest.raises(ValueError, match="'gul_s2' has no recipe of its own"):
        load_preset(None, model="gul_s2")


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
        ({"kind": "tree"}, r"preset 'bp_lcz_recipe': .*'network', 'random_forest'"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_preset("bp_lcz_recipe", model="any", options=options)


def test_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown preset 'fast'; known: bp_lcz_paper, bp_lcz_recipe, "):
        load_preset("fast", model="any")
