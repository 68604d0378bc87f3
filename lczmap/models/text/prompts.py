"""Prompts of BP-LCZ: one per band group and class, from the paper's template.

Source: Lan et al., BP-LCZ: template, group words (in lczmap.channels) and three class descriptions; the other fourteen
descriptions are ours (descriptions.yaml). The template's grammar ("a photo of a bodies of water ...") is the paper's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml

from lczmap.channels import GroupSpec
from lczmap.classes import CLASSES, LABELS, NUM_CLASSES, LczClass

TEMPLATE = "a photo of a {cls} with {group} bands"
TEMPLATE_WITHOUT_GROUP = "a photo of a {cls}"

ClassText = Literal["extended", "name", "index"]
Prompts = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Description:
    """Extended description of a class; `origin` is `paper` (quoted) or `lczmap` (our own words)."""

    text: str
    origin: Literal["paper", "lczmap"]


@cache
def load_descriptions() -> dict[str, Description]:
    """Return the extended descriptions by class label (1..10, A..G), in class order."""
    text = resources.files("lczmap.models.text").joinpath("descriptions.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(text)
    if tuple(entries) != LABELS:
        raise ValueError(f"descriptions.yaml: expected the classes {list(LABELS)} in order, got {list(entries)}")
    return {label: Description(**entry) for label, entry in entries.items()}


def class_phrase(lcz: LczClass, kind: ClassText) -> str:
    """Return the words for a class: extended description, its name, or its label (`local climate zone 6`)."""
    if kind == "extended":
        return load_descriptions()[lcz.label].text
    if kind == "name":
        return lcz.name.lower()
    if kind == "index":
        return f"local climate zone {lcz.label}"
    raise ValueError(f"expected class_text extended, name or index, got {kind!r}")


def class_phrases(
    num_classes: int, *, class_text: ClassText = "extended", phrases: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the words of all classes in network order: `phrases` where given, else those of the 17 LCZ.

    ValueError for another number of classes without phrases, for as many phrases as there are not classes, and for
    empty or equal ones, which would give two classes one prompt.
    """
    if phrases is None:
        if num_classes != NUM_CLASSES:
            raise ValueError(
                f"words are known for the {NUM_CLASSES} Local Climate Zones, got {num_classes} classes: give one "
                "phrase per class as text option class_phrases, or choose text encoder prototype, which needs no words"
            )
        return tuple(class_phrase(lcz, class_text) for lcz in CLASSES)
    if isinstance(phrases, str) or len(phrases) != num_classes:
        raise ValueError(f"expected class_phrases for {num_classes} classes, got {len(phrases)}: {phrases!r}")
    if len({phrase.strip() for phrase in phrases} - {""}) != num_classes:
        raise ValueError(f"expected {num_classes} different class_phrases with words, got {list(phrases)}")
    return tuple(phrases)


def build_prompts(
    groups: GroupSpec,
    *,
    class_text: ClassText = "extended",
    group_text: bool = True,
    num_classes: int = NUM_CLASSES,
    phrases: Sequence[str] | None = None,
) -> Prompts:
    """Return prompts[group][class], groups in their order, classes in network order.

    `phrases` replace the words of the classes, for other class sets. Without `group_text` all groups share the same
    prompts. ValueError as `class_phrases` says.
    """
    words = class_phrases(num_classes, class_text=class_text, phrases=phrases)
    template = TEMPLATE if group_text else TEMPLATE_WITHOUT_GROUP
    return tuple(tuple(template.format(cls=phrase, group=g.prompt) for phrase in words) for g in groups.groups)


def prompts_sha256(prompts: Prompts) -> str:
    """Return the hash that ties stored text features to their prompts and their order."""
    return hashlib.sha256("\n".join(text for row in prompts for text in row).encode()).hexdigest()
