"""What a run was made of: run.json, and the tags of its maps."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
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
