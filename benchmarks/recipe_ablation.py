"""Write what each switch of the training recipe does on simulated cities, and what it costs.

    for s in 1 2; do snakemake --cores 2 --configfile config/benchmarks/demo_seed$s.yaml \\
        --until select_patches stack_sentinel1 stack_sentinel2; done
    python benchmarks/recipe_ablation.py --train results/demo_seed1/PERIOD --other results/demo_seed2/PERIOD \\
        --out table.md [--runs FOLDER] [--seeds 2] [--epochs 10] [--switches NAME …]

Every switch changes the base recipe (recipe_runs.py) alone. Networks learn one simulated city and are tested on its
test polygons (`same city`) and on another city, of which they saw nothing (`other city`). A second table changes how
the base networks are used, without training (what is adapted to a city sees random cells of its area, as `adapt-model`
does); a third hides a sensor from them. The cities are simulated: it shows that
the switches work and what they cost, not what they bring on real cities. A finished training is kept in FOLDER.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from recipe_runs import STACKS, SWITCHES, Scores, TestedCity, open_city, read_tested, read_training, score, trained

from lczmap.channels import S2_10
from lczmap.evaluation.paired import over_seeds, paired_difference
from lczmap.files import write_text
from lczmap.mapping.adapt import adapt_model
from lczmap.models.adapt import Prior
from lczmap.models.checkpoint import Classifier, load_checkpoint, save_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.models.ensemble import EnsembleClassifier
from lczmap.models.inference import Inference
from lczmap.training.calibrate import fit_temperature, log_prior, predict
from lczmap.training.city_data import TrainingData
from lczmap.training.data import PatchDataset

BLIND = {"both sensors": None, "no Sentinel-1": "sentinel-1", "no Sentinel-2": "sentinel-2"}
ON_SENSORS = ("base", "group dropout 0.1", "modality dropout 0.2")


@dataclass(frozen=True)
class Network:
    """A trained base network, the class shares it was trained with, and its temperature on the validation polygons."""

    classifier: TorchClassifier
    prior: npt.NDArray[np.float64]
    temperature: float


@dataclass(frozen=True)
class Row:
    """One line of a table: scores on the same and on the other city, one per seed, and what it costs."""

    same: Sequence[Scores]
    other: Sequence[Scores]
    cost: float


@dataclass(frozen=True)
class Experiment:
    """What is learned and tested, and how long and how often."""

    data: TrainingData
    same: TestedCity
    other: TestedCity
    epochs: int
    seeds: Sequence[int]
    runs: Path

    def train(self, switch: str, seed: int, channels: tuple[str, ...] | None = None) -> tuple[TorchClassifier, float]:
        """Return a network and the seconds of its training."""
        given = self.data.channels if channels is None else channels
        classifier, record = trained(switch, self.data, seed, epochs=self.epochs, runs=self.runs, channels=given)
        assert isinstance(classifier, TorchClassifier)
        return classifier, float(record["seconds"])

    def network(self, seed: int) -> Network:
        """Return the base network of a seed, read anew: adapting it changes it."""
        _, record = trained("base", self.data, seed, epochs=self.epochs, runs=self.runs)
        classifier, _ = self.train("base", seed)
        validation = PatchDataset(*map(torch.from_numpy, (self.data.validation.patches, self.data.validation.targets)))
        heat = fit_temperature(predict(classifier.network, classifier.normaliser, validation), validation.targets)
        return Network(classifier, np.array(record["figures"]["class_prior"]), heat)


Use = Callable[[Network, TestedCity], Classifier]
USES: dict[str, Use] = {
    "base": lambda network, _: network.classifier,
    "8-fold test-time augmentation": lambda network, _: _with(network, tta=True),
    "temperature": lambda network, _: _with(network, temperature=network.temperature),
    "uniform class prior": lambda network, _: _with(network, log_prior=log_prior(network.prior, "uniform")),
    "class prior of the city (EM)": lambda network, city: _adapted(network, city, batch_norm=False, prior="em"),
    "batch norm of the city": lambda network, city: _adapted(network, city, batch_norm=True, prior="trained"),
}
JOINED: dict[str, Use] = {
    "mean of the seeds": USES["base"],
    "mean of the seeds, test-time augmentation, temperature": lambda network, _: _with(
        network, tta=True, temperature=network.temperature
    ),
}


def training_rows(experiment: Experiment, names: Sequence[str]) -> dict[str, Row]:
    """Train every switch with every seed; the cost is the seconds of a training."""
    rows = {}
    for name in names:
        kept = [experiment.train(name, seed) for seed in experiment.seeds]
        same, other = ([score(c, city) for c, _ in kept] for city in (experiment.same, experiment.other))
        rows[name] = Row(same, other, float(np.mean([seconds for _, seconds in kept])))
        print(f"{name}: {over_seeds([s.oa for s in other])}, {rows[name].cost:.0f} s a training", flush=True)
    return rows


def use_rows(experiment: Experiment) -> dict[str, Row]:
    """Use the base networks in other ways; the cost is the time of the answers."""
    rows = {}
    joined_uses = JOINED if len(experiment.seeds) > 1 else {}
    for name, use in (USES | joined_uses).items():
        by_city = []
        for city in (experiment.same, experiment.other):
            classifiers = [use(experiment.network(seed), city) for seed in experiment.seeds]
            joined = [EnsembleClassifier(classifiers)] if name in joined_uses else classifiers  # type: ignore[arg-type]
            by_city.append([score(classifier, city) for classifier in joined])
        rows[name] = Row(by_city[0], by_city[1], float(np.mean([s.seconds for s in by_city[1]])))
        print(f"{name}: {over_seeds([s.oa for s in rows[name].other])}", flush=True)
    return rows


def row_table(rows: Mapping[str, Row], experiment: Experiment, what: str, unit: float) -> list[str]:
    """Return a Markdown table; `unit` is the cost that counts as 1, 0 for seconds."""
    lines = [
        f"| {what} | same city: OA | minus base | other city: OA | minus base | AA | ECE | NLL | cost |",
        "|---" * 9 + "|",
    ]
    for name, row in rows.items():
        cells = []
        for city, base, scores in (
            (experiment.same, rows["base"].same, row.same),
            (experiment.other, rows["base"].other, row.other),
        ):
            cells += [
                str(over_seeds([s.oa for s in scores])),
                _difference(city, scores, base) if name != "base" else "",
            ]
        cells += [f"{np.mean([getattr(s, key) for s in row.other]):.3f}" for key in ("aa", "ece", "nll")]
        cost = f"{row.cost / unit:.1f} ×" if unit else f"{row.cost:.0f} s"
        lines.append(f"| {name} | {' | '.join(cells)} | {cost} |")
    return lines


def sensor_table(experiment: Experiment) -> list[str]:
    """Return the overall accuracy on the other city of networks that a sensor is hidden from."""
    lines = [f"| network | {' | '.join(BLIND)} |", "|---" * (1 + len(BLIND)) + "|"]
    for name in ON_SENSORS:
        networks = [experiment.train(name, seed)[0] for seed in experiment.seeds]
        lines.append(
            f"| {name} | {' | '.join(_blind(networks, experiment.other, hidden) for hidden in BLIND.values())} |"
        )
    networks = [experiment.train("base", seed, S2_10.channels)[0] for seed in experiment.seeds]
    optical = replace(experiment.other, patches=experiment.other.patches[:, -len(S2_10.channels) :])
    lines.append(f"| base, trained on Sentinel-2 alone | – | {_blind(networks, optical, None)} | – |")
    return lines


def _blind(networks: Sequence[Classifier], city: TestedCity, hidden: str | None) -> str:
    patches = city.patches if hidden is None else city.without(hidden)
    return str(over_seeds([score(network, city, patches).oa for network in networks]))


def _difference(city: TestedCity, scores: Sequence[Scores], base: Sequence[Scores]) -> str:
    right, reference = (np.mean([s.right for s in listed], axis=0) for listed in (scores, base))
    d = paired_difference(city.area, right, reference, seed=0)
    return f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})" + (f", {d.verdict}" if d.is_decided else "")


def _with(
    network: Network, *, tta: bool = False, temperature: float = 1.0, log_prior: tuple[float, ...] = ()
) -> Classifier:
    given = network.classifier
    inference = Inference(tta=tta, temperature=temperature, log_prior=log_prior)
    return TorchClassifier(given.network, given.normaliser, state=given.state, inference=inference)


def _adapted(network: Network, city: TestedCity, *, batch_norm: bool, prior: Prior) -> Classifier:
    """Adapt as `lczmap adapt-model` does: to random cells of the area of interest, not to the tested patches."""
    with TemporaryDirectory() as folder:
        given, out = (Path(folder) / f"{name}.safetensors" for name in ("given", "adapted"))
        save_checkpoint(given, network.classifier, extra={"class_prior": network.prior.tolist()})
        adapt_model(
            grid=city.place.grid,
            checkpoint=given,
            tiles_dir=city.place.tiles_dir,
            out_checkpoint=out,
            stacks=STACKS,
            batch_norm=batch_norm,
            prior=prior,
        )
        return load_checkpoint(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, help="results/<city>/<period> of the city to learn")
    parser.add_argument("--other", type=Path, required=True, help="results/<city>/<period> of another city")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--runs", type=Path, default=Path("results/recipe"), help="folder of the trainings")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--switches", nargs="+", default=list(SWITCHES), choices=list(SWITCHES))
    options = parser.parse_args()
    city, other = open_city(options.train), open_city(options.other)
    experiment = Experiment(
        read_training(city),
        read_tested(city, ("test",)),
        read_tested(other, ("train", "validation", "test")),
        options.epochs,
        range(1, options.seeds + 1),
        options.runs,
    )
    rows = training_rows(experiment, tuple(dict.fromkeys(["base", *options.switches])))
    uses = use_rows(experiment)
    use_lines = row_table(uses, experiment, "use", uses["base"].cost)
    note = (
        f"{options.seeds} seeds, {options.epochs} epochs, {len(experiment.data.train)} training patches; "
        f"{len(experiment.same.index)} patches of {len(np.unique(experiment.same.area))} polygons of the same city, "
        f"{len(experiment.other.index)} of {len(np.unique(experiment.other.area))} of the other. Mean ± standard "
        "deviation over seeds; differences with their 95 % interval from drawing polygons: `better` or `worse` where "
        "it leaves out 0. AA, ECE and NLL (nats) are those of the other city."
    )
    tables = (
        ["Switches of the training; the cost is one training.", "", *row_table(rows, experiment, "switch", 0)],
        ["Ways to use the base networks; the cost is the time of a map.", "", *use_lines],
        ["A sensor hidden from the networks: overall accuracy on the other city.", "", *sensor_table(experiment)],
        [note],
    )
    write_text(options.out, "\n\n".join("\n".join(lines) for lines in tables) + "\n")


if __name__ == "__main__":
    main()
