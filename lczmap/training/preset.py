"""Training recipes: every key with its type, unit and default. presets/*.yaml are such recipes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from lczmap.config import Section
from lczmap.configfiles import merge

PRESET_FOLDER = Path(__file__).parent / "presets"
ANY_NETWORK = "recipe"
"""Recipe of a network that has none of its own."""
DEFAULT_PRESETS = {
    "bp_lcz_eb_cnn": "bp_lcz_recipe",
    "bp_lcz_eb_cnn_large": "bp_lcz_recipe",
    "bp_lcz_exvit": "bp_lcz_recipe",
    "eb_cnn": "eb_cnn_recipe",
    "eb_cnn_large": "eb_cnn_recipe",
    "gul_s1": "gul_s1_paper",
    "gul_s2": "gul_paper",
    "wudapt_rf": "wudapt_rf",
}
"""Recipe of a network where the configuration names none."""

Figure = Literal["validation_oa", "validation_loss"]


class Optimiser(Section):
    """How weights move."""

    name: Literal["sgd", "adam", "adamw", "nadam"] = "adamw"
    """`sgd`, `adam` and `nadam` decay all weights; `adamw` leaves biases and normalisation layers undecayed."""
    lr: float = Field(default=0.001, gt=0)
    """Learning rate, the highest of the schedule."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of `sgd`."""
    momentum_decay: float = Field(default=0.004, ge=0)
    """How fast the momentum of `nadam` grows to its full value; Keras calls it schedule_decay."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Weight decay."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """`cosine` falls to 0 at the last step; `step` multiplies by `step_factor` every `step_epochs` epochs."""
    step_epochs: int = Field(default=20, ge=1)
    """Epochs between two falls of `step`."""
    step_factor: float = Field(default=0.9, gt=0, le=1)
    """What `step` multiplies the learning rate by."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps over which the learning rate rises linearly from 0, with `cosine`."""


class Focal(Section):
    """Focal loss of several classes: -alpha_i (1 - p_i)^gamma log p_i."""

    gamma: float = Field(default=2.0, ge=0)
    """How much less a sure patch counts; 0 is the cross-entropy."""
    alpha: Literal["none", "max", "mean1", "sum1"] = "none"
    """Weight of a class by inverse frequency, scaled to a maximum, mean or sum of 1; `none`: all classes weigh 1."""


class Augmentation(Section):
    """How training patches are varied; validation never is."""

    dihedral: bool = True
    """Turn and mirror each patch, all channels together, one of eight ways."""
    shift: int = Field(default=0, ge=0)
    """Move each patch by up to so many pixels along both axes; its border is filled by reflection."""
    jitter: float = Field(default=0.0, ge=0, lt=1)
    """Random gain, and offset for reflectances and intensities, per patch and channel, in standard deviations."""
    speckle: float = Field(default=0.0, ge=0, le=1)
    """Radar noise: standard deviation of a gain of mean 1 per pixel and polarisation (gamma distributed)."""
    group_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a patch loses one of its band groups: its channels become missing."""
    modality_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a patch loses one of its two sensors, never both; without effect where only one is seen."""
    mixup: float = Field(default=0.0, ge=0)
    """Parameter of the Beta distribution that mixes pairs of patches and their labels; 0 switches it off."""
    cutmix: float = Field(default=0.0, ge=0)
    """Parameter of the Beta distribution of the area that a patch takes from another; beside `mixup` in turn."""


class NetworkPreset(Section):
    """Recipe of a neural network."""

    kind: Literal["network"] = "network"
    """Which recipe this is."""
    description: str = ""
    """What it is for, in a sentence."""
    base: Literal["paper", "recipe"] = "recipe"
    """Defaults of network and loss: as published, or ours."""
    normalisation: Literal["paper", "recipe", "none"] = "recipe"
    """`paper`: z-scores; `recipe`: intensities in dB and asinh of complex channels first; `none`: physical units."""
    network: dict[str, Any] = Field(default_factory=dict)
    """Options of the network, such as `widths`."""
    loss: dict[str, Any] = Field(default_factory=dict)
    """Options of the image-text loss, such as `beta`, `scale`, `msm`; networks without text take none."""
    criterion: Literal["cross_entropy", "focal"] = "cross_entropy"
    """What a wrong class costs."""
    focal: Focal = Focal()
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of a label that is spread over all classes."""
    class_weights: Literal["none", "balanced", "inverse"] = "none"
    """`balanced` weighs classes inversely to their number of patches, mean 1; `inverse` by n/n_i, over the batch."""
    sampling: Literal["natural", "balanced", "sqrt"] = "natural"
    """Patches of an epoch: each once; or drawn so that classes are equally frequent; or as the root of their number."""
    optimiser: Optimiser = Optimiser()
    augmentation: Augmentation = Augmentation()
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Share of the old value in a moving average of the weights, which is validated and kept; 0 switches it off."""
    epochs: int = Field(default=100, ge=1)
    """Passes over the training patches, at most."""
    batch_size: int = Field(default=32, ge=2)
    """Patches per step, of all devices together."""
    validations_per_epoch: int = Field(default=1, ge=1)
    """How often in an epoch the validation patches are looked at, at equal distances, the last at its end."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many validations without a better `monitor`; null trains all epochs."""
    monitor: Figure = "validation_oa"
    """What `patience` watches: the highest overall accuracy, or the lowest loss."""
    keep: Literal["best", "last"] = "last"
    """Which weights become the checkpoint: those of the best validation, or the last."""
    keep_by: Figure | None = None
    """What makes a validation the best; null: `monitor`."""
    temperature: bool = False
    """Fit one number on the validation patches that makes the probabilities neither too sure nor too unsure."""
    tta: bool = False
    """Average the probabilities of eight turned and mirrored patches whenever the network is used: 8 times slower."""
    prior: Literal["trained", "uniform"] = "trained"
    """Class frequencies that the network expects where it is used: those it was trained with, or equal ones."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Precision of the network's arithmetic; losses are always computed in float32."""
    seed: int = 47
    """Seed where nothing else gives one: the reproduction of a paper's tables counts on from it."""
    max_patches: int = Field(default=16_000, ge=17)
    """More training patches of cities than this are thinned at random, to bound memory (1.2 GB at 18 channels)."""

    @model_validator(mode="after")
    def _check(self) -> NetworkPreset:
        if self.criterion == "focal" and self.focal.alpha != "none" and self.class_weights != "none":
            raise ValueError("`focal.alpha` and `class_weights` both weigh classes; set one of them to `none`")
        if self.criterion != "focal" and self.focal != Focal():
            raise ValueError("`focal` is without effect unless `criterion: focal` is set; set it, or leave `focal` out")
        if self.keep == "last" and self.keep_by is not None:
            raise ValueError("`keep_by` is without effect with `keep: last`; set `keep: best`, or `keep_by` to null")
        if self.normalisation == "none" and self.augmentation.jitter:
            raise ValueError("`augmentation.jitter` is in standard deviations; with `normalisation: none` set it to 0")
        return self


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
    chosen = name or DEFAULT_PRESETS.get(model, ANY_NETWORK)
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
    if error["type"] == "value_error" and not location:  # two keys that do not go together
        return str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        section: Any = ForestPreset if kind == "random_forest" else NetworkPreset
        for part in location[:-1]:
            section = section.model_fields[part].annotation
        close = difflib.get_close_matches(location[-1], section.model_fields, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known: {list(section.model_fields)}"
        return f"unknown key `{where}`; {hint}"
    return f"`{where or 'kind'}`: {error['msg']}, got {error['input']!r}"
