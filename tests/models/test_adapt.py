"""Adapting a classifier to unlabelled patches: batch-norm statistics and class priors."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lczmap.channels import S2_10
from lczmap.models.adapt import (
    Adaptation,
    adapt,
    check_batch_norm,
    class_prior,
    em_prior,
    networks_of,
    reestimate_batch_norm,
)
from lczmap.models.classifier import TorchClassifier
from lczmap.models.ensemble import EnsembleClassifier
from lczmap.models.inference import PLAIN, Inference
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import create_model
from lczmap.models.rf import ForestClassifier, Trees

STATE = {"sentinel-2": {"level": "L1C"}}
UNIFORM = [1 / 17] * 17
Patches = npt.NDArray[np.float32]


def classifier(seed: int = 1, inference: Inference = PLAIN, **metadata: object) -> TorchClassifier:
    torch.manual_seed(seed)
    network = create_model("eb_cnn", S2_10.channels, widths=(4, 8), blocks=(1, 1))
    normaliser = ChannelNormaliser(identity(S2_10.channels))
    return TorchClassifier(network, normaliser, state=STATE, patch_px=8, metadata=metadata, inference=inference)


@pytest.fixture(scope="module")
def patches() -> Patches:
    return np.random.default_rng(1).normal(3, 2, (20, 10, 8, 8)).astype(np.float32)


def first_norm(one: TorchClassifier) -> torch.nn.BatchNorm2d:
    return next(layer for layer in one.network.modules() if isinstance(layer, torch.nn.BatchNorm2d))


def test_shares_of_the_target_are_found_from_probabilities_under_other_shares() -> None:
    rng = np.random.default_rng(0)
    trained, target = np.array([0.4, 0.4, 0.2]), np.array([0.1, 0.25, 0.65])
    index = rng.choice(3, 20_000, p=target)
    x = rng.normal(1.5 * index, 1)  # three overlapping classes on a line
    likelihood = np.exp(-0.5 * (x[:, None] - 1.5 * np.arange(3)) ** 2)
    posterior = likelihood * trained
    probabilities = np.zeros((len(x), 17))
    probabilities[:, :3] = posterior / posterior.sum(axis=1, keepdims=True)
    prior = np.zeros(17)
    prior[:3] = trained
    shares, log_prior = em_prior(probabilities, prior)
    assert shares[:3] == pytest.approx(target, abs=0.02)
    adjusted = probabilities * np.exp(log_prior)
    right = (probabilities.argmax(axis=1) == index).mean(), (adjusted.argmax(axis=1) == index).mean()
    assert right[1] > right[0] + 0.05


def test_shares_of_certain_answers_are_their_counts_and_no_class_is_ruled_out() -> None:
    probabilities = np.eye(17)[[0] * 30 + [3] * 10]
    shares, log_prior = em_prior(probabilities, np.array(UNIFORM))
    total = 0.75 + 0.25 + 15 * 1e-4
    assert shares[[0, 3, 5]] == pytest.approx(np.array([0.75, 0.25, 1e-4]) / total)
    assert log_prior == pytest.approx(np.log(shares * 17))


def test_a_class_that_was_never_trained_keeps_its_weight() -> None:
    prior = np.full(17, 1 / 16)
    prior[4] = 0
    probabilities = np.random.default_rng(2).dirichlet(np.ones(17), 50)
    _, log_prior = em_prior(probabilities, prior)
    assert log_prior[4] == 0
    assert np.isfinite(log_prior).all()


def test_batch_norm_takes_the_mean_over_whole_batches_of_the_city(patches: Patches) -> None:
    one = classifier()
    norm = first_norm(one)
    seen: list[torch.Tensor] = []
    hook = norm.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    momentum = norm.momentum
    count = reestimate_batch_norm(one, patches, seed=3, batch=8)
    hook.remove()
    assert count == sum(isinstance(m, torch.nn.BatchNorm2d) for m in one.network.modules())
    assert [len(part) for part in seen] == [8, 8]  # the last four patches are no whole batch
    expected = torch.stack([part.mean(dim=(0, 2, 3)) for part in seen]).mean(dim=0)
    variance = torch.stack([part.var(dim=(0, 2, 3)) for part in seen]).mean(dim=0)
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.running_mean.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert norm.running_var.tolist() == pytest.approx(variance.tolist(), rel=1e-5)
    assert norm.momentum == momentum
    assert not any(module.training for module in one.network.modules())


def test_fewer_patches_than_a_batch_are_one_batch_and_one_patch_is_refused(patches: Patches) -> None:
    one = classifier()
    reestimate_batch_norm(one, patches[:5], seed=3)
    stem = one.network(one.normaliser(torch.from_numpy(patches[:5])))
    assert torch.isfinite(stem).all()
    assert not torch.equal(first_norm(one).running_mean, torch.zeros(4))
    with pytest.raises(ValueError, match="at least 2 patches, got 1"):
        reestimate_batch_norm(one, patches[:1], seed=3)


def test_the_prior_is_estimated_without_the_one_that_was_set_before(patches: Patches) -> None:
    old = Inference(temperature=2.0, log_prior=tuple(np.linspace(-1, 1, 17)))
    what = Adaptation(False, "em", 47, {"note": "n"})
    adapted = adapt(classifier(inference=old, class_prior=UNIFORM), patches, what)
    assert isinstance(adapted, TorchClassifier)
    plain = classifier(inference=Inference(temperature=2.0)).probabilities(patches)
    shares, log_prior = em_prior(plain, np.array(UNIFORM))
    assert adapted.inference.temperature == 2.0
    assert adapted.inference.log_prior == pytest.approx(tuple(log_prior))
    assert adapted.metadata["adaptation"]["class_prior_estimate"] == pytest.approx(shares)
    assert adapted.metadata["adaptation"]["note"] == "n"


def test_members_of_an_ensemble_are_adapted_one_by_one(patches: Patches) -> None:
    skewed = np.linspace(1, 3, 17) / 34
    members = [classifier(1, class_prior=UNIFORM), classifier(2)]
    ensemble = EnsembleClassifier(members, records=[{}, {"extra": {"class_prior": skewed.tolist()}}])
    adapted = adapt(ensemble, patches, Adaptation(True, "em", 5, {}))
    one, two = networks_of(adapted)
    for number, (before, after, prior) in enumerate(((1, one, UNIFORM), (2, two, skewed))):
        alone = classifier(before)
        layers = reestimate_batch_norm(alone, patches, seed=5)
        expected = em_prior(alone.probabilities(patches), np.array(prior))[1]
        assert after.inference.log_prior == pytest.approx(tuple(expected)), number
        assert after.metadata["adaptation"]["batch_norm_layers"] == layers
    assert isinstance(adapted, EnsembleClassifier)
    assert adapted.records == ensemble.records


def test_batch_norm_is_refused_where_no_network_has_it() -> None:
    network = create_model("cnn_yoo", S2_10.channels, image_size=8, widths=[4], hidden=4)
    without = TorchClassifier(network, ChannelNormaliser(identity(S2_10.channels)), state=STATE, patch_px=8)
    for none in (without, EnsembleClassifier([without, without])):
        with pytest.raises(ValueError, match=r"has no batch norm whose statistics .* leave `--batch-norm` out"):
            check_batch_norm(none)
    check_batch_norm(EnsembleClassifier([without, classifier()]))


def test_a_classifier_that_does_not_know_its_prior_is_refused(patches: Patches) -> None:
    with pytest.raises(ValueError, match=r"eb_cnn does not say which class shares.*leave `--prior em` out"):
        adapt(classifier(), patches, Adaptation(False, "em", 1, {}))
    with pytest.raises(ValueError, match="expected a class_prior of 17 shares >= 0"):
        class_prior(classifier(class_prior=[0.5, 0.5]), {})
    assert class_prior(classifier(), {"class_prior": [2] * 17}) == pytest.approx(UNIFORM)


def test_a_forest_stays_as_it_is_but_has_no_prior_to_adapt(patches: Patches) -> None:
    leaf = np.zeros(1, np.int32)
    tree = Trees(leaf, leaf, leaf, np.zeros(1), np.full((1, 17), 1 / 17, np.float32), leaf)
    forest = ForestClassifier(
        tree, np.zeros(10, np.float32), features="pixel", channels=S2_10.channels, state=STATE, patch_px=8
    )
    assert adapt(forest, patches, Adaptation(True, "trained", 1, {})) is forest
    assert list(networks_of(forest)) == []
    with pytest.raises(ValueError, match=r"wudapt_rf has no batch norm .* leave `--batch-norm` out"):
        check_batch_norm(forest)
    with pytest.raises(ValueError, match="prior of wudapt_rf cannot be adapted"):
        adapt(forest, patches, Adaptation(False, "em", 1, {}))
