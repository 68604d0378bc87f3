import pytest
import torch
from torch import nn

from lczmap.training.average import WeightAverage


def test_average_follows_the_weights_and_the_batch_statistics() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(0.0)
    average = WeightAverage(network, decay=0.2)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0)):
        with torch.no_grad():
            network[0].weight.fill_(value)
            network[1].running_mean.fill_(10 * value)
            network[1].num_batches_tracked.fill_(step)
        average.update()
        decay = min(0.2, (1 + step) / (10 + step))  # 0.1, 0.1818, 0.2
        expected = decay * expected + (1 - decay) * value
    assert float(average.values["0.weight"]) == pytest.approx(expected)
    assert float(average.values["1.running_mean"]) == pytest.approx(10 * expected)
    assert int(average.values["1.num_batches_tracked"]) == 2
    average.swap()
    assert network[0].weight.item() == pytest.approx(expected)
    average.swap()
    assert network[0].weight.item() == 4.0
    assert float(average.values["0.weight"]) == pytest.approx(expected)


def test_each_process_has_an_average_of_its_own() -> None:
    average = WeightAverage(nn.Linear(1, 1), decay=0.2)
    shared = average.values["weight"].share_memory_()  # as a started process finds it
    average.to(torch.device("cpu"))
    assert torch.equal(average.values["weight"], shared)
    assert average.values["weight"].data_ptr() != shared.data_ptr()
