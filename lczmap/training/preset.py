"""Training recipes: every key with its type, unit and default. presets/*.yaml are such recipes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from lczmap.config import Section
from lczmap.configfiles import merge

PRESET_FOLDER = Path(__file__).parent / "presets"
DEFAULT_PRESETS = {
    "bp_lcz_eb_cnn": "bp_lcz_recipe",
    "bp_lcz_eb_cnn_large": "bp_lcz_recipe",
    "eb_cnn": "eb_cnn_recipe",
    "eb_cnn_large": "eb_cnn_recipe",
    "wudapt_rf": "wudapt_rf",
}
"""Recipe of a network where the configuration names none."""


class Optimiser(Section):
    """How weights move."""

    name: Literal["sgd", "adamw"] = "adamw"
    """`sgd` decays all weights; `adamw` leaves biases and normalisation layers undecayed."""
    lr: float = Field(default=0.001, gt=0)
    """Learning rate, the highest of the schedule."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of `sgd`."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Weight decay."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """`cosine` falls to 0 at the last step."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps over which the learning rate rises linearly from 0, with `cosine`."""


class Augmentation(Section):
    """How training patches are varied; validation never is."""

    dihedral: bool = True
    """Turn and mirror each patch, all channels together, one of eight ways."""
    jitter: float = Field(default=0.0, ge=0, lt=1)
    """Random gain, and offset for reflectances and intensities, per patch and channel, in standard deviations."""
    mixup: float = Field(default=0.0, ge=0)
    """Parameter of the Beta distribution that mixes pairs of patches and their labels; 0 switches it off."""


class NetworkPreset(Section):
    """Recipe of a neural network."""

    kind: Literal["network"] = "network"
    """Which recipe this is."""
    description: str = ""
    """What it is for, in a sentence."""
    base: Literal["paper", "recipe"] = "recipe"
    """Defaults of network and loss: as published, or ours."""
    normalisation: Literal["paper", "recipe"] = "recipe"
    """`paper`: z-scores; `recipe`: intensities in dB and asinh of complex channels first."""
    network: dict[str, Any] = Field(default_factory=dict)
    """Options of the network, such as `widths`."""
    loss: dict[str, Any] = Field(default_factory=dict)
    """Options of the image-text loss, such as `beta`, `scale`, `msm`; networks without text take none."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of a label that is spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs classes inversely to their number of patches."""
    optimiser: Optimiser = Optimiser()
    augmentation: Augmentation = Augmentation()
    epochs: int = Field(default=100, ge=1)
    """Passes over the training patches, at most."""
    batch_size: int = Field(default=32, ge=2)
    """Patches per step."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a better validation accuracy; null trains all epochs."""
    keep: Literal["best", "last"] = "last"
    """Which epoch's weights become the checkpoint: best validation accuracy, or the last."""
    max_patches: int = Field(default=16_000, ge=17)
    """More training patches than this are thinned at random, to bound memory (1.2 GB at 18 channels)."""


class ForestPreset(Section):
    """Recipe of a random forest."""

    kind: Literal["random_forest"]
    """Which recipe this is."""
    description: str = ""
    """What it is for, in a sentence."""
    features: Literal["pixel", "patch_stats"] = "pixel"
    """`pixel`: mean of the central 10 × 10 px; `patch_stats`: statistics of the whole patch."""
    trees: int = Field(default=30, ge=1)
    """Number of trees."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs classes inversely to their number of patches."""
    max_patches: int = Field(default=16_000, ge=17)
    """More training patches than this are thinned at random."""


Preset = NetworkPreset | ForestPreset
_ADAPTER: TypeAdapter[Preset] = TypeAdapter(Annotated[Preset, Field(discriminator="kind")])


def load_preset(name: str | None, *, model: str, options: Mapping[str, Any] | None = None) -> Preset:
    """Read the recipe `name` (by default the network's own), with `options` replacing keys, also nested ones.

    ValueError for an unknown recipe or key, or a value out of range.
    """
    if name is None and model not in DEFAULT_PRESETS:
        raise ValueError(f"the network {model!r} has no recipe of its own; name one of {list_presets()} as `preset`")
    chosen = name or DEFAULT_PRESETS[model]
    path = PRESET_FOLDER / f"{chosen}.yaml"
    if chosen not in list_presets():
        raise ValueError(f"unknown preset {chosen!r}; known: {', '.join(list_presets())}")
    content = merge({"kind": "network"} | yaml.safe_load(path.read_text()), options or {})
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise ValueError(f"preset {chosen!r}: " + "; ".join(_explain(e) for e in error.errors())) from error


def list_presets() -> tuple[str, ...]:
    """Return the names of all recipes, sorted."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.yaml")))


def _explain(error: Any) -> str:
    kind, *location = [str(part) for part in error["loc"]] or [""]
    where = ".".join(location)
    if error["type"] == "extra_forbidden":
        section: Any = ForestPreset if kind == "random_forest" else NetworkPreset
        for part in location[:-1]:
            section = section.model_fields[part].annotation
        close = difflib.get_close_matches(location[-1], section.model_fields, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known: {list(section.model_fields)}"
        return f"unknown key `{where}`; {hint}"
    return f"`{where or 'kind'}`: {error['msg']}, got {error['input']!r}"
