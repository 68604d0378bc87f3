"""What a run was made of (run.json), and what a person wants to see when it is done."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lczmap
from lczmap.channels import channel_sensor
from lczmap.classes import PALETTE_TAG
from lczmap.files import sha256
from lczmap.models.cards import card_line
from lczmap.scenes.used import stacked_scenes

if TYPE_CHECKING:
    from lczmap.config import Model

MAP_FACTS = ("LCZMAP_SENSORS", "LCZMAP_GAPS")
"""Tags of lcz.tif that a run's record repeats: the sensors that it was made from, the share without a class."""
PRODUCTS = (
    "report.html",
    "lcz.tif",
    "lcz_filtered.tif",
    "confidence.tif",
    "probabilities.tif",
    "explanation.tif",
    "accuracy.json",
    "area_quality.json",
    "agreement.json",
    "reliability.md",
    "map.png",
    "project.qgs",
    "run.json",
)
"""Files of a network's map that a summary lists."""
RELIABILITY_TAG = "LCZMAP_RELIABILITY"
FILTER_TAG = "LCZMAP_FILTER"
"""Says how a filtered map was filtered."""
LIBRARIES = ("torch", "lightning", "transformers", "numpy", "rasterio", "odc-geo", "scikit-learn", "numba")


def run_record(
    config: Mapping[str, Any],
    scenes: Mapping[str, Any],
    shifts: Mapping[str, Any] | None,
    checkpoints: Sequence[Path],
    stacks: Sequence[Path],
) -> dict[str, Any]:
    """Return what another person needs to repeat or to question a map.

    Software versions, the configuration with every default, ids of the scenes, the estimated shifts, and the
    SHA-256 of the weights. No paths of this machine beyond those the configuration names, no credentials.
    `checkpoints` are those of all networks of the configuration, the main one's first. A scene is `used` where one of
    `stacks`, the run's of all tiles, was made of it and a network saw its sensor. ValueError where there is not a
    checkpoint of each network, or a stack names a scene that `scenes` lacks.
    """
    from lczmap.config import Config  # brings pydantic, which the tags of a map do without
    from lczmap.config.untested import untested

    found = scenes["scenes"]
    stacked = stacked_scenes(stacks, [scene["id"] for scene in found])
    known = Config.model_validate(config)
    networks = _networks(known.models, checkpoints)
    seen = {channel_sensor(channel) for network in networks for channel in network["channels"]}
    return {
        "lczmap": lczmap.__version__,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "attribution": attribution({"scenes": [scene for scene in found if scene["id"] in stacked]}),
        "config": config,
        "scenes": [
            {key: scene[key] for key in ("id", "sensor", "datetime", "state")}
            | {"used": scene["id"] in stacked and scene["sensor"] in seen}
            for scene in found
        ],
        "coregistration": shifts,
        "networks": networks,
        "untested": untested(known),
    }


def attribution(scenes: Mapping[str, Any]) -> str:
    """Return the sentence that Copernicus data ask for, or say that the scenes are simulated."""
    if any(str(scene["id"]).startswith("simulated_") for scene in scenes["scenes"]):
        return "Simulated scenes: this map shows no real place."
    years = sorted({str(scene["datetime"])[:4] for scene in scenes["scenes"]})
    return f"Contains modified Copernicus Sentinel data {', '.join(years)}."


def map_tags(checkpoint: Path) -> dict[str, str]:
    """Return the tags of a map: software version, network, the SHA-256 of its weights, the sensors that it saw.

    RELIABILITY_TAG says how far the network can be trusted, where something is known (models/cards.py).
    """
    network = _network(checkpoint)
    sensors = sorted({channel_sensor(channel) for channel in network["channels"]})
    line = card_line(_description(checkpoint))
    return {
        **({} if line is None else {RELIABILITY_TAG: line}),
        "LCZMAP_SENSORS": " ".join(sensors),
        "TIFFTAG_SOFTWARE": f"lczmap {lczmap.__version__}",
        "LCZMAP_NETWORK": network["name"],
        "LCZMAP_WEIGHTS_SHA256": network["sha256"],
    }


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that say how a map was made; those of its file format and colours are left out."""
    return {k: text for k, text in tags.items() if k.startswith(("LCZMAP_", "TIFFTAG_")) and k != PALETTE_TAG}


def _description(checkpoint: Path) -> dict[str, Any]:
    """Read what is said beside a checkpoint; ValueError where there is nothing or something else."""
    path = checkpoint.with_suffix(".json")
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; a checkpoint is a .safetensors file with a .json of the same name beside it: copy "
            "both, or train the network again"
        )
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        description["name"], description["channels"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the description of a checkpoint, with name and channels, got something else "
            f"({error!r}); copy it anew, or train the network again"
        ) from error
    return description


def _network(path: Path) -> dict[str, Any]:
    description = _description(path)
    return {"name": description["name"], "sha256": sha256(path), "channels": description["channels"]}


def _networks(models: Sequence[Model], checkpoints: Sequence[Path]) -> list[dict[str, Any]]:
    """Return each network's key, architecture, SHA-256 and channels, of an ensemble also its members."""
    if len(models) != len(checkpoints):
        keys = ", ".join(model.key for model in models)
        raise ValueError(
            f"expected {len(models)} checkpoints, of the networks {keys}, got {len(checkpoints)}; give that of each "
            "network of the configuration, the main one first"
        )
    return [
        {"key": model.key, **_network(path), **_members(model, path)}
        for model, path in zip(models, checkpoints, strict=True)
    ]


def _members(model: Model, checkpoint: Path) -> dict[str, Any]:
    names = [member["name"] for member in _description(checkpoint).get("members", ())]
    keys = model.members if model.is_ensemble else names
    return {"members": [{"key": k, "name": n} for k, n in zip(keys, names, strict=True)]} if names else {}


def network_label(network: Mapping[str, Any]) -> str:
    """Return what an entry of run.json's `networks` is called: key and architecture, of an ensemble its members too.

    `optical (rsnnet)`; `gul_s2` where both are the same; `mean (ensemble of radar (rsnnet) and optical (rsnnet))`.
    """
    key, kind = network.get("key", network["name"]), network_kind(network)  # records of earlier versions have no key
    return kind if key == network["name"] else f"{key} ({kind})"


def network_kind(network: Mapping[str, Any]) -> str:
    """Return the architecture of a network, an ensemble's with its members."""
    members = [network_label(member) for member in network.get("members", ())]
    if not members:
        return str(network["name"])
    return f"{network['name']} of {', '.join(members[:-1])} and {members[-1]}"


def summary(folder: Path, benchmarks: Path) -> str:
    """Return what a run made, its accuracy and the time of each step, as text for a terminal.

    `folder` is results/<city>/<period>, `benchmarks` the folder where Snakemake put its measurements.
    """
    lines = [f"{folder}:"]
    lines += [f"  {path.relative_to(folder)}" for path in sorted(_products(folder))]
    record = json.loads((folder / "run.json").read_text()) if (folder / "run.json").is_file() else {}
    lines += ["", *_facts(record), *_accuracy_lines(folder, record.get("untested"))]
    steps = dict(measured_steps(benchmarks, folder.parent.name, folder.name))
    if steps:
        lines += ["", f"{'step':<18}{'jobs':>5}{'seconds':>9}{'peak MiB':>10}"]
        lines += [f"{name:<18}{jobs:>5}{seconds:>9.1f}{peak:>10.0f}" for name, (jobs, seconds, peak) in steps.items()]
    return "\n".join(lines)


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    if {"sensors", "gaps"} <= set(record):  # records of earlier versions lack them
        yield f"made from {record['sensors']}; {record['gaps']} of the area of interest has no class"


def _products(folder: Path) -> Iterator[Path]:
    for name in PRODUCTS:
        yield from (path for path in folder.rglob(name) if "tiles" not in path.parts)


def _accuracy_lines(folder: Path, untested: str | None) -> Iterator[str]:
    yield from () if untested is None else (untested,)
    for path in sorted(folder.rglob("accuracy.json")) if untested is None else ():
        result = json.loads(path.read_text())
        tested = f"reference polygons ({result.get('split', 'test')})"
        filtered = f"; filtered map {_figure(result['filtered']['oa'])}" if "filtered" in result else ""
        yield f"{_network_of(path, folder)}: overall accuracy {_figure(result['oa'])} on {tested}{filtered}"
    for path in sorted(folder.rglob("agreement.json")):
        result = json.loads(path.read_text())
        if path.parent.parent.name == "other_maps":
            network, other = _network_of(path.parents[1], folder), f"map {path.parent.name}"
        else:
            network, other = _network_of(path, folder), "teacher"
        yield f"{network}: agreement with the {other} {_figure(result['agreement'])}"


def _figure(estimate: Mapping[str, Any]) -> str:
    interval = f" ({estimate['low']:.3f}..{estimate['high']:.3f})" if estimate["low"] is not None else ""
    return f"{estimate['value']:.3f}{interval}"


def _network_of(path: Path, folder: Path) -> str:
    return "main network" if path.parent == folder else path.parent.name


def measured_steps(benchmarks: Path, city: str, period: str) -> Iterator[tuple[str, tuple[int, float, float]]]:
    """Yield each rule of a run with its number of jobs, their seconds together and the largest memory of one in MiB.

    `benchmarks` is the folder where Snakemake put its measurements; nothing where it is not there.
    """
    for rule in sorted(benchmarks.iterdir()) if benchmarks.is_dir() else []:
        files = [f for f in rule.glob("*.tsv") if f.stem == city or f.stem.startswith(f"{city}_{period}")]
        rows = [row for row in map(_measurement, files) if row is not None]
        if rows:
            peak = max(_number(row["max_rss"]) for row in rows)
            yield rule.name, (len(rows), sum(_number(row["s"]) for row in rows), peak)


def _measurement(path: Path) -> dict[str, str] | None:
    """Return the first row of a file of Snakemake's, None where a job that was stopped left it empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        return next(csv.DictReader(stream, delimiter="\t"), None)


def _number(text: str) -> float:
    return float(text) if text not in ("-", "NA") else 0.0
