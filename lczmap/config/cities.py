"""What cities that are mapped together demand of each other: `training.cities: others`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lczmap.config.run import Config

_ALIKE = {
    "sentinel2": ("level", "season", "upsampling"),
    "sentinel1": ("channels", "calibration", "dates", "max_dates"),
}
"""Keys of a sensor that decide what its channels are; cities that share a network agree on them."""


def learned_from(config: Config, configs: Sequence[Config]) -> tuple[Config, ...]:
    """Return the runs whose patches a run's networks learn from: its own, or those of all other cities."""
    if config.training.cities == "own":
        return (config,)
    return tuple(other for other in configs if other.city != config.city)


def check_apart(configs: Sequence[Config], overlap: Callable[[Config, Config], bool]) -> None:
    """Refuse a city that shall learn from its own ground under another name; ValueError.

    `overlap` says whether the grids of two runs share ground, with a margin for the patches. Simulated cities of
    different seeds lie on the same coordinates and share nothing.
    """
    for config in configs:
        if config.training.cities == "own" or not any(m.is_trained for m in config.models):
            continue
        for other in learned_from(config, configs):
            if _ground(config) == _ground(other) and overlap(config, other):
                raise ValueError(
                    f"{config.city} shall learn from {other.city}, but their areas overlap or nearly touch: it would "
                    f"be tested where it was taught; leave {other.city} out of the call, or draw their areas apart"
                )


def _ground(config: Config) -> int | None:
    return config.simulation.seed if config.sentinel2.source == "simulate" else None


def check_cities(configs: Sequence[Config]) -> None:
    """Refuse runs that shall learn from other cities where none fits; ValueError names every reason."""
    problems = [
        problem
        for config in configs
        if config.training.cities == "others" and any(m.is_trained for m in config.models)
        for problem in _problems(config, learned_from(config, configs))
    ]
    if problems:
        raise ValueError("; ".join(dict.fromkeys(problems)))


def _problems(config: Config, others: Sequence[Config]) -> Iterator[str]:
    if not others:
        yield (
            f"`training.cities: others` of {config.city} needs a second city in the same call: give further "
            "configuration files, or set `training.cities: own`"
        )
    for other in others:
        if not other.has_labels:
            yield f"{config.city} shall learn from {other.city}, which has no training areas: set its `training.areas`"
        elif other.training.labels == "teacher":
            yield (
                f"{config.city} shall learn from {other.city}, whose patches a teacher labels: set its "
                "`training.labels: areas`"
            )
        for section, key, one, two in _differences(config, other):
            yield (
                f"{config.city} shall learn from {other.city}: expected the same `{section}.{key}`, got {one} and "
                f"{two}; set one value in both files"
            )
        if config.learns_from_radar and not other.sees_radar:
            yield (
                f"{config.city} shall learn from {other.city}: its networks see Sentinel-1 and those of {other.city} "
                "do not; let one network there see it too"
            )


def _differences(config: Config, other: Config) -> Iterator[tuple[str, str, object, object]]:
    sections = ("sentinel2", "sentinel1") if config.learns_from_radar else ("sentinel2",)
    keys = [("training", "patch_px"), *((section, key) for section in sections for key in _ALIKE[section])]
    for section, key in keys:
        one, two = (getattr(getattr(c, section), key) for c in (config, other))
        if one != two:
            yield section, key, one, two
