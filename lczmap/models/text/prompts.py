"""Prompts of BP-LCZ: one per band group and class, from the paper's template.

Source: Lan et al., BP-LCZ: template, group words (in lczmap.channels) and three class descriptions; the other fourteen
descriptions are ours (descriptions.yaml). The template's grammar ("a photo of a bodies of water ...") is the paper's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml

from lczmap.channels import GroupSpec
from lczmap.classes import CLASSES, LABELS, LczClass

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


def build_prompts(groups: GroupSpec, *, class_text: ClassText = "extended", group_text: bool = True) -> Prompts:
    """Return prompts[group][class], groups in their order, classes in network order (17).

    Without `group_text` all groups share the same 17 prompts.
    """
    phrases = [class_phrase(lcz, class_text) for lcz in CLASSES]
    template = TEMPLATE if group_text else TEMPLATE_WITHOUT_GROUP
    return tuple(tuple(template.format(cls=phrase, group=g.prompt) for phrase in phrases) for g in groups.groups)


def prompts_sha256(prompts: Prompts) -> str:
    """Return the hash that ties stored text features to their prompts and their order."""
    return hashlib.sha256("\n".join(text for row in prompts for text in row).encode()).hexdigest()
