"""What exports say of a run in words: title, description, attribution, accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from lczmap.exports.map_accuracy import MapAccuracy
from lczmap.provenance import network_label

SIMULATED = "simulated_"  # how the ids of simulated scenes begin
NOT_MEASURED = "Its accuracy has not been measured."
_FIGURES = (("oa", "overall accuracy"), ("aa", "average accuracy"))


@dataclass(frozen=True)
class RunFacts:
    """A run as run.json tells it.

    `network` names it in words, `network_key` by its folder; `members` of an ensemble are (key, architecture).
    `scenes` are the ids of each sensor's scenes that the network saw, which may be fewer than were found; `accuracy` is
    the content of accuracy.json, None where there is none; `untested` says why no area tests the map, where none does.
    """

    city: str
    start: date
    end: date
    pixel_size_m: int
    sensors: tuple[str, ...]
    network: str
    network_key: str
    architecture: str
    weights_sha256: str
    attribution: str
    scenes: Mapping[str, tuple[str, ...]]
    software: Mapping[str, str]
    gaps: str
    accuracy: Mapping[str, Any] | None = None
    members: tuple[tuple[str, str], ...] = ()
    map_accuracy: MapAccuracy | None = None
    untested: str | None = None

    @property
    def scene_ids(self) -> list[str]:
        """Ids of all scenes that the map was made from."""
        return [scene for scenes in self.scenes.values() for scene in scenes]

    @property
    def is_simulated(self) -> bool:
        """True where the scenes come from the simulation: the map shows no real place."""
        return any(scene.startswith(SIMULATED) for scene in self.scene_ids)

    @property
    def place(self) -> str:
        """The city's name as people write it."""
        return self.city.replace("_", " ").replace("-", " ").title()

    @property
    def title(self) -> str:
        """What the map is, in one line."""
        simulated = " (simulated, no real place)" if self.is_simulated else ""
        return f"Local Climate Zones of {self.place}, {self.start} to {self.end}{simulated}"

    @property
    def lineage(self) -> str:
        """How the map was made, in one sentence."""
        sensors = " and ".join(sensor.title() for sensor in self.sensors)
        scenes = "1 scene" if len(self.scene_ids) == 1 else f"{len(self.scene_ids)} scenes"
        return (
            f"{self.network} classified every cell of {self.pixel_size_m} m from {scenes} of {sensors}, "
            f"with lczmap {self.software['lczmap']}."
        )

    @property
    def accuracy_sentence(self) -> str:
        """What is known of the accuracy of the filtered map and of the map before the filter, never more."""
        known = (_sampled(self.map_accuracy), _on_polygons(self.accuracy))
        return " ".join(filter(None, known)) or " ".join(filter(None, (NOT_MEASURED, self.untested)))

    @property
    def description(self) -> str:
        """Several sentences for a person who holds the files and nothing else."""
        return " ".join(
            (
                f"Local Climate Zones (Stewart and Oke 2012) of {self.place}, pixel size {self.pixel_size_m} m.",
                self.lineage,
                f"{self.gaps} of the area of interest has no class.",
                self.accuracy_sentence,
                self.attribution,
            )
        )


def read_facts(
    run_path: Path, accuracy_path: Path | None = None, *, map_accuracy: MapAccuracy | None = None
) -> RunFacts:
    """Read run.json and, where there is one, accuracy.json; ValueError for a file that is none of them.

    `map_accuracy` is what `assess` wrote of a map of the run.
    """
    run = _read(run_path, ("lczmap", "attribution", "config", "scenes", "networks", "sensors", "gaps"), "record-run")
    accuracy = None
    if accuracy_path is not None:
        accuracy = _read(accuracy_path, ("what", "oa", "aa", "cells", "polygons"), "assess-map")
    with _expected(run_path, "record-run"):
        facts = _facts(run, accuracy)
    if accuracy_path is not None:
        with _expected(accuracy_path, "assess-map"):
            str(facts.accuracy_sentence)
    if map_accuracy is None:
        return facts
    with _expected(map_accuracy.path, "assess"):
        _sampled(map_accuracy)
    return replace(facts, map_accuracy=map_accuracy)


def _facts(run: Mapping[str, Any], accuracy: Mapping[str, Any] | None) -> RunFacts:
    config, network, sensors = run["config"], run["networks"][0], tuple(run["sensors"].split())
    return RunFacts(
        city=config["city"],
        start=date.fromisoformat(config["start"]),
        end=date.fromisoformat(config["end"]),
        pixel_size_m=config["map"]["pixel_size_m"],
        sensors=sensors,
        network=network_label(network),
        network_key=network["key"],
        architecture=network["name"],
        weights_sha256=network["sha256"],
        attribution=run["attribution"],
        scenes={s: tuple(x["id"] for x in run["scenes"] if x["used"] and x["sensor"] == s) for s in sensors},
        software={"lczmap": run["lczmap"], "Python": run["python"], **run["libraries"]},
        gaps=run["gaps"],
        accuracy=accuracy,
        members=tuple((member["key"], member["name"]) for member in network.get("members", ())),
        untested=run.get("untested"),  # records of earlier versions lack it
    )


@contextmanager
def _expected(path: Path, verb: str) -> Iterator[None]:
    """Name the file, and the verb that makes it, where its content is not what it is taken for."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the JSON that `{verb}` writes, got something else ({error!r})") from error


def _read(path: Path, keys: tuple[str, ...], verb: str) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `{verb}` makes it")
    with _expected(path, verb):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(
            f"{path}: expected the keys {', '.join(keys)}, missing {', '.join(missing)}; `{verb}` writes them"
        )
    return content


def _sampled(found: MapAccuracy | None) -> str:
    """Return what a probability sample says of the whole map, empty where there is none."""
    if found is None:
        return ""
    content = found.content
    covered = f" These figures cover {content['assessed_share']:.1%} of the mapped area."
    return (
        f"Map accuracy of {found.map_name}, estimated from a probability sample: overall accuracy "
        f"{_figure(content['oa'])}, from {content['labels']['used']} labelled cells."
        f"{'' if content['assessed_share'] == 1 else covered}"
    )


def _on_polygons(accuracy: Mapping[str, Any] | None) -> str:
    """Return what accuracy.json says, empty where there is none."""
    if accuracy is None:
        return ""
    filtered = accuracy.get("filtered")
    maps = [] if filtered is None else [_measured(filtered, "the filtered map (lcz_filtered.tif)")]
    maps.append(_measured(accuracy, "the map before the filter (lcz.tif)"))
    return (
        f"{str(accuracy['what']).capitalize()}: {'; '.join(maps)}. These figures hold for the polygons, which "
        "were chosen and not sampled, and are no estimate for the whole map."
    )


def _measured(report: Mapping[str, Any], what: str) -> str:
    """Return the figures of one map of accuracy.json in words."""
    figures = ", ".join(f"{name} {_figure(report[key])}" for key, name in _FIGURES)
    return f"{figures} of {what}, on {report['cells']} cells of {report['polygons']} polygons"


def _figure(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "not defined"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} (95 % interval {estimate['low']:.3f} to {estimate['high']:.3f})"
