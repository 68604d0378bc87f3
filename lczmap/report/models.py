"""The networks: what they are, how they were trained, how far they can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lczmap.provenance import network_label
from lczmap.report.json_file import read_record
from lczmap.report.markup import Html, folded, join, table, tag
from lczmap.report.prose import rendered
from lczmap.report.run_folder import RunFolder, Section, absent
from lczmap.report.values import flat_table

_WIDTH, _HEIGHT = 520, 180  # of a chart, in units of its drawing
_LEFT, _BOTTOM = 44, 24


def models_section(run: RunFolder) -> Section:
    """Return the card of each network, the main one first."""
    names = ["", *run.networks()]
    described = [read_record(path.with_suffix(".json")) for path in run.checkpoints]
    titles = _titles(described, run.record.get("networks", []))
    if titles and run.checkpoints[0].parent.name not in names:
        titles[0] += ", the main network"
    cards = [_card(*one) for one in zip(titles, described, strict=True)]
    if not cards:
        cards = [absent("The descriptions of the networks (checkpoint.json) were not given to `write-report`.")]
    return Section("networks", "Networks", join([*cards, *_reliability(run, names)]))


def _titles(described: Sequence[Mapping[str, Any]], recorded: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each checkpoint is called: run.json knows its key by the weights, in the order of the networks."""
    left, titles = list(recorded), []
    for one in described:
        known = next((network for network in left if network["sha256"] == one.get("weights_sha256")), None)
        if known is not None:
            left.remove(known)
        titles.append(network_label(known or one))
    return titles


def _card(title: str, described: Mapping[str, Any]) -> Html:
    extra = described.get("extra") or {}
    lines = [
        ("kind", described.get("kind")),
        ("channels", ", ".join(described["channels"])),
        ("patch", f"{described['patch_px']} × {described['patch_px']} px of 10 m"),
        ("numbers learned", f"{described['values']:,}" if "values" in described else None),
        ("recipe", (extra.get("recipe") or {}).get("description")),
        ("preset", extra.get("preset")),
        ("patches to train on", extra.get("train_patches")),
        ("epochs", extra.get("epochs")),
        ("overall accuracy on validation polygons", extra.get("validation_oa")),
        ("seed", extra.get("seed")),
        ("seconds to train", extra.get("seconds")),
        ("SHA-256 of the weights", described.get("weights_sha256")),
    ]
    rows = [
        [name, tag("code", str(value)) if "SHA" in name else str(value)] for name, value in lines if value is not None
    ]
    more = {key: described.get(key) for key in ("options", "normalisation", "state", "inference", "metadata")}
    parts = [
        tag("h3", title),
        table(["", ""], rows),
        *_history(extra.get("history") or []),
        folded("All parameters", flat_table({**{k: v for k, v in more.items() if v}, **_without(extra, "history")})),
    ]
    return join(parts)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _history(epochs: Sequence[Mapping[str, float]]) -> Iterator[Html]:
    for key, other, title in (
        ("loss", "validation_loss", "Loss by epoch: training (blue), validation (orange)"),
        ("validation_oa", None, "Overall accuracy on validation patches by epoch"),
    ):
        lines = [[one.get(name) for one in epochs] for name in (key, other) if name is not None]
        lines = [line for line in lines if any(value is not None for value in line)]
        if len(epochs) > 1 and lines:
            yield tag("figure", _chart(lines, title), tag("figcaption", title))


def _chart(lines: Sequence[Sequence[float | None]], title: str) -> Html:
    """Return curves over epochs 1, 2, … with the lowest and the highest value at the axis."""
    values = [value for line in lines for value in line if value is not None]
    low, high = min(values), max(values)
    span = high - low or 1.0
    count = max(len(line) for line in lines)

    def point(epoch: int, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 8) * epoch / max(count - 1, 1)
        return f"{x:.1f},{8 + (_HEIGHT - _BOTTOM - 8) * (1 - (value - low) / span):.1f}"

    drawn = [
        tag("polyline", points=" ".join(point(i, v) for i, v in enumerate(line) if v is not None), fill="none",
            stroke=color, stroke_width=2)
        for line, color in zip(lines, ("#14567d", "#c8690a"), strict=False)
    ]  # fmt: skip
    words = [
        tag("text", f"{high:.2f}", x=_LEFT - 6, y=14, text_anchor="end"),
        tag("text", f"{low:.2f}", x=_LEFT - 6, y=_HEIGHT - _BOTTOM, text_anchor="end"),
        tag("text", "1", x=_LEFT, y=_HEIGHT - 8),
        tag("text", f"epoch {count}", x=_WIDTH - 8, y=_HEIGHT - 8, text_anchor="end"),
    ]
    frame = tag("path", d=f"M{_LEFT} 4V{_HEIGHT - _BOTTOM + 4}H{_WIDTH - 4}", fill="none", stroke="#8b959e")
    return tag(
        "svg", frame, *drawn, *words, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="chart", role="img", aria_label=title
    )


def _reliability(run: RunFolder, names: Sequence[str]) -> Iterator[Html]:
    """Yield what is known about networks whose weights are public."""
    for name in names:
        path = run.folder / (f"models/{name}/reliability.md" if name else "reliability.md")
        if run.shows(path):
            title = f"Reliability of {name or 'the main network'}, from what its authors published"
            yield folded(title, rendered(path.read_text(encoding="utf-8")))
