import pytest
import torch

from lczmap.channels import S2_10
from lczmap.models.registry import create_model

SMALL = {"widths": (4, 4, 4), "hidden": 8}


@pytest.mark.parametrize("shape", [(48, 48), (32, 48), (16, 16)])
def test_patches_of_another_size_are_refused_with_the_remedy(shape: tuple[int, int]) -> None:
    network = create_model("cnn_yoo", S2_10.channels, **SMALL)
    with pytest.raises(
        ValueError, match=rf"built for patches of 32 x 32 px, got {shape[0]} x {shape[1]}; .*image_size"
    ):
        network(torch.zeros(2, 10, *shape))


def test_a_wrong_number_of_channels_is_refused() -> None:
    network = create_model("cnn_yoo", S2_10.channels, **SMALL)
    with pytest.raises(ValueError, match=r"expected \(batch, 10, height, width\)"):
        network(torch.zeros(2, 9, 32, 32))


def test_an_odd_size_can_be_chosen_but_none_below_one_pixel_at_the_end() -> None:
    network = create_model("cnn_yoo", S2_10.channels, image_size=21, **SMALL)
    assert network.min_size_px == 21
    assert network(torch.zeros(2, 10, 21, 21)).shape == (2, 17)
    with pytest.raises(ValueError, match="expected an image_size of at least 8 px, got 7"):
        create_model("cnn_yoo", S2_10.channels, image_size=7, **SMALL)
