"""Whether the recipes of a run's networks can be read, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lczmap.config.parts import FOREST
from lczmap.config.run import Config
from lczmap.training.preset import ForestPreset, load_preset


def check_recipes(configs: Sequence[Config]) -> None:
    """Refuse an unknown preset, an unknown key of `options` or one out of range; ValueError names every one.

    Only of networks that are trained. Options of the network itself (`options.network`) are checked when it is built.
    """
    if problems := [problem for config in configs for problem in _problems(config)]:
        raise ValueError("; ".join(dict.fromkeys(problems)))


def _problems(config: Config) -> Iterator[str]:
    for model in config.models:
        if not model.is_trained:
            continue
        try:
            recipe = load_preset(model.preset, model=model.name, options=model.options)
        except ValueError as error:
            yield f"network {model.key!r} of {config.city}: {error}"
            continue
        if isinstance(recipe, ForestPreset) != (model.name == FOREST):
            yield (
                f"network {model.key!r} of {config.city}: the preset {model.preset!r} is a recipe for a {recipe.kind}, "
                f"not for {model.name!r}"
            )
