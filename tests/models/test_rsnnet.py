import pytest
import torch

from lczmap.channels import INPUTS
from lczmap.models.blocks import NonLocal2d
from lczmap.models.registry import create_model

SMALL = {"stem_width": 8, "widths": (8, 8, 8, 8), "stages": (1, 2, 1, 1), "cardinality": 4, "se_ratio": 4}


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_of_the_paper_is_taken(name: str) -> None:
    network = create_model("rsnnet", INPUTS[name], **SMALL).eval()
    assert network(torch.randn(1, len(INPUTS[name]), 16, 16)).isfinite().all()


def test_non_local_blocks_follow_the_first_two_stages_and_start_as_the_identity() -> None:
    torch.manual_seed(47)
    network = create_model("rsnnet", INPUTS["D2"], **SMALL).eval()
    names = [type(layer).__name__ for layer in network.trunk]
    block = "BottleneckBlock"
    assert names == [block, "NonLocal2d", block, block, "NonLocal2d", block, block, "GlobalAveragePool"]
    subsampled = create_model("rsnnet", INPUTS["D2"], **SMALL, nl_subsample=True).eval()
    subsampled.load_state_dict(network.state_dict())
    x = torch.randn(2, 10, 16, 16)
    assert torch.equal(network(x), subsampled(x))
    for module in (*network.modules(), *subsampled.modules()):
        if isinstance(module, NonLocal2d):
            assert module.query.weight.std().item() == pytest.approx(0.01, rel=0.2)  # the authors' start, not He's
            torch.nn.init.ones_(module.bn.weight)
            torch.nn.init.ones_(module.value.bias)
            torch.nn.init.normal_(module.value.weight, generator=torch.Generator().manual_seed(1))
            torch.nn.init.normal_(module.project.weight, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(network(x), subsampled(x))
