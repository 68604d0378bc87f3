import pytest
import torch

from lczmap.channels import GRD4, S2_10, SO2SAT8, groups_for
from lczmap.models.registry import ModelOutput, Network, create_model, list_models, register
from lczmap.models.text.encoders import build_text_side
from lczmap.training.preset import NetworkPreset, load_preset

SO2SAT18 = SO2SAT8.channels + S2_10.channels
SMALL = {"widths": (4, 8, 8), "blocks": (1, 1, 1)}
NETWORKS = {
    "eb_cnn": (SO2SAT18, {}),
    "eb_cnn_large": (GRD4.channels + S2_10.channels, SMALL),
    "bp_lcz_eb_cnn": (SO2SAT18, {"text": None}),
    "bp_lcz_eb_cnn_large": (SO2SAT8.channels, {**SMALL, "text": None}),
    "bp_lcz_exvit": (S2_10.channels, {"text": None, "token_pool": 4}),
    "exvit": (SO2SAT18, {"token_pool": 4}),
    "fusion": (S2_10.channels, {}),
    "sen2lcz": (S2_10.channels, {}),
    "gul_s1": (SO2SAT8.channels, {}),
    "gul_s2": (S2_10.channels, {}),
    "resnet50": (SO2SAT18, {"width": 4, "blocks": (1, 1, 1, 1), "group_width": 4}),
    "resnext50": (SO2SAT18, {"width": 4, "blocks": (1, 1, 1, 1), "cardinality": 4, "group_width": 1}),
    "convnext_tiny": (SO2SAT18, {"widths": (8, 8, 8, 16), "blocks": (1, 1, 1, 1)}),
    "densenet121": (SO2SAT18, {"width": 8, "growth": 4, "blocks": (1, 1, 1, 1)}),
    "rsnnet": (S2_10.channels, {"widths": (32, 32, 32), "stages": (1, 1, 1)}),
    "lcznet": (S2_10.channels, {"widths": (16, 16, 16), "blocks": (1, 1, 1)}),
    "mscnn": (S2_10.channels, {"widths": (8, 8, 8)}),
    "cnn_yoo": (SO2SAT18, {"widths": (8, 8, 8)}),
}
FIXED_SIZE = ("cnn_yoo",)


def text_options(preset: str = "recipe", **text: object) -> object:
    network = create_model("bp_lcz_eb_cnn", S2_10.channels, preset=preset, **SMALL, width=8, text=text)
    return network.spec.options["text"]


def test_options_replace_single_keys_of_a_mapping_but_another_encoder_all() -> None:
    small = {"layers": 1, "width": 8, "heads": 1}
    assert text_options(**small) == {"encoder": "mini", "mode": "joint", **small}
    assert text_options("paper", encoder="prototype") == {"encoder": "prototype"}
    assert create_model("bp_lcz_eb_cnn", S2_10.channels, **SMALL, text=None).spec.options["text"] is None
    with pytest.raises(ValueError, match=r"expected a text `encoder` .*, got only \['layers'\]"):
        build_text_side({"layers": 1}, groups_for(S2_10.channels), 8)


def test_the_paper_preset_takes_its_text_model_from_another_source() -> None:
    preset = load_preset("bp_lcz_paper", model="bp_lcz_eb_cnn", options={"network": {"text": {"source": "/no/clip"}}})
    assert isinstance(preset, NetworkPreset)
    with pytest.raises(ValueError, match="text model '/no/clip' could not be loaded"):
        create_model("bp_lcz_eb_cnn", S2_10.channels, preset=preset.base, **SMALL, **preset.network)


def parameter_count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_network_is_listed_and_tested_here() -> None:
    assert list_models() == tuple(sorted(NETWORKS))


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("eb_cnn", SO2SAT18, 4_881_681),
        ("eb_cnn_large", SO2SAT18, 19_454_481),
        ("bp_lcz_eb_cnn", SO2SAT18, 5_389_713),
        ("bp_lcz_eb_cnn_large", SO2SAT18, 20_406_033),
        ("sen2lcz", S2_10.channels, 791_428),
        ("gul_s1", SO2SAT8.channels, 572_977),
        ("gul_s2", S2_10.channels, 573_409),
    ],
)
def test_default_networks_have_the_stated_number_of_parameters(
    name: str, channels: tuple[str, ...], expected: int
) -> None:
    options = {"text": None} if name.startswith("bp_lcz") else {}
    assert parameter_count(create_model(name, channels, **options)) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_of_two_trains_and_every_parameter_gets_a_gradient(name: str) -> None:
    channels, options = NETWORKS[name]
    network = create_model(name, channels, **options)
    network.prepare(torch.rand(2, len(channels), 32, 32))
    output = network(torch.randn(2, len(channels), 32, 32), features=True)
    assert isinstance(output, ModelOutput)
    assert output.logits.shape == (2, 17)
    assert output.features.shape[1] == 2
    output.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_single_patch_and_other_sizes_can_be_evaluated(name: str) -> None:
    channels, options = NETWORKS[name]
    network = create_model(name, channels, **options).eval()
    network.prepare(torch.rand(2, len(channels), 32, 32))
    for size in (32,) if name in FIXED_SIZE else (32, 48):
        logits = network(torch.randn(1, len(channels), size, size))
        assert logits.shape == (1, 17)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides_the_initial_weights(name: str) -> None:
    channels, options = NETWORKS[name]
    states = []
    for _ in range(2):
        torch.manual_seed(47)
        states.append(create_model(name, channels, **options).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_state_dict_goes_round(name: str) -> None:
    channels, options = NETWORKS[name]
    network = create_model(name, channels, **options).eval()
    network.prepare(torch.rand(2, len(channels), 32, 32))
    copy = create_model(name, channels, **options).eval()
    copy.load_state_dict(network.state_dict())
    x = torch.randn(2, len(channels), 32, 32)
    assert torch.equal(network(x), copy(x))


def test_spec_holds_all_options_so_that_the_network_can_be_built_again() -> None:
    network = create_model("eb_cnn", S2_10.channels, preset="paper", widths=(4, 8), blocks=(1, 1))
    assert network.spec.options == {"widths": (4, 8), "blocks": (1, 1), "dropout": 0.0}
    again = create_model(network.spec.name, network.spec.channels, network.spec.num_classes, **network.spec.options)
    assert parameter_count(again) == parameter_count(network)


def test_unknown_names_presets_and_options_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown network 'resnet'; known: bp_lcz_eb_cnn"):
        create_model("resnet", S2_10.channels)
    with pytest.raises(ValueError, match="unknown preset 'best'"):
        create_model("eb_cnn", S2_10.channels, preset="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no options \['width'\]; it takes \['widths', 'blocks', 'dropout'\]"):
        create_model("eb_cnn", S2_10.channels, width=3)


def test_channels_that_no_band_groups_cover_are_refused() -> None:
    with pytest.raises(ValueError, match="no band groups cover"):
        create_model("eb_cnn", ("B2", "B3"))


def test_a_wrong_number_of_channels_or_a_too_small_patch_is_refused() -> None:
    network = create_model("gul_s2", S2_10.channels)
    with pytest.raises(ValueError, match=r"expected \(batch, 10, height, width\).*got \(1, 9, 32, 32\)"):
        network(torch.zeros(1, 9, 32, 32))
    with pytest.raises(ValueError, match="at least 8 px"):
        network(torch.zeros(1, 10, 4, 32))


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="already registered"):
        register("eb_cnn")(Network)
