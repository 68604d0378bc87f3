"""What the networks of a run demand of each other and of the radar that they see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lczmap.channels import CHANNEL_SETS, channel_sensor, input_channels
from lczmap.config.parts import FOREST, WITHOUT_PRIOR, Adapt, Model
from lczmap.config.sensors import Sentinel1, Sentinel2


def network_problems(models: Sequence[Model], radar: Sentinel1, optical: Sentinel2) -> Iterator[str]:
    """Yield what is wrong with the networks of a run, one sentence each."""
    keys = [m.key for m in models]
    if len(set(keys)) != len(keys):
        yield f"two networks share a name in {keys}; give one of them an `id`"
    for model in models:
        if model.is_ensemble:
            yield from _ensemble_problems(model, models, optical)
        elif model.members:
            yield f"`members` of {model.key!r} is for the name `ensemble`; the name is {model.name}"
        if model.input is not None and not model.is_ensemble:
            yield from _input_problems(model, model.input, radar)
        if model.name == "gul_s1" and radar.channels != "so2sat8":
            yield (
                "the public network 'gul_s1' sees the radar channels of So2Sat: set `sentinel1.channels: so2sat8` "
                "(`sentinel1.source: slc` makes them)"
            )
        if model.name == FOREST and model.is_adapted:
            yield f"the random forest {model.key!r} has neither batch normalisation nor a prior; leave out its `adapt`"
        if model.adapt.prior == "em" and model.name in WITHOUT_PRIOR and model.checkpoint is None:
            yield (
                f"`adapt.prior: em` of {model.key!r} needs the class shares of its training, which the authors of "
                f"{model.name} do not tell; set `adapt.prior: trained`"
            )


def _ensemble_problems(model: Model, models: Sequence[Model], optical: Sentinel2) -> Iterator[str]:
    others = {m.key: m for m in models if m is not model}
    if len(set(model.members)) < 2:
        yield f"the ensemble {model.key!r} needs two `members` or more, got {list(model.members)}"
    for name in model.members:
        if name not in others:
            yield f"`members` of {model.key!r} must be other networks of the run {list(others)}, got {name!r}"
        elif others[name].is_ensemble:
            yield f"the member {name!r} of {model.key!r} is an ensemble too; name its members instead"
    seeing = [others[n] for n in model.members if n in others and "sentinel-2" in others[n].wanted_sensors]
    public = [m.key for m in seeing if m.is_pretrained and m.checkpoint is None]
    trained = [m.key for m in seeing if m.is_trained]
    if optical.level == "L2A" and public and trained:
        yield (
            f"the ensemble {model.key!r} joins {public}, of L1C pixels, and {trained}, trained on L2A; they must see "
            "pixels of one level: set `sentinel2.level: L1C`, or leave one of them out"
        )
    for key in ("checkpoint", "weights", "preset", "input"):
        if getattr(model, key) is not None:
            yield f"the ensemble {model.key!r} takes no `{key}`; its members do"
    if model.adapt != Adapt():
        yield f"the ensemble {model.key!r} is not adapted itself; set `adapt` of its members"


def _input_problems(model: Model, selection: str, radar: Sentinel1) -> Iterator[str]:
    if model.is_pretrained:
        yield f"the public network {model.key!r} brings its own channels; leave out `input`"
        return
    needed = [c for c in input_channels(selection) if channel_sensor(c) == "sentinel-1"]
    if needed and radar.use == "off":
        yield f"`input: {selection}` of {model.key!r} has radar channels and `sentinel1.use` is off; use D2 or radar"
    elif not set(needed) <= set(CHANNEL_SETS[radar.channels].channels):
        holders = " or ".join(s.name for s in CHANNEL_SETS.values() if set(needed) <= set(s.channels))
        yield (
            f"`input: {selection}` of {model.key!r} needs the radar channels {needed}, and `sentinel1.channels` is "
            f"{radar.channels}; set `sentinel1.channels: {holders}`"
        )
