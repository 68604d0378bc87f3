"""The papers' tables as data: tables/*.yaml name each row's network, recipe, channels, protocol and published figures.

Snakemake reads them when it parses, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from lczmap.channels import CHANNEL_SETS, GROUP_SPECS, INPUTS
from lczmap.config.section import Name, Section
from lczmap.so2sat.protocols import Protocol, protocol

TABLE_FOLDER = Path(__file__).parent / "tables"


class Figures(Section):
    """What a paper prints for a row, 0..1; null where it is not known to us, which is not the same as not printed."""

    oa: float | None = Field(default=None, ge=0, le=1)
    """Overall accuracy."""
    kappa: float | None = Field(default=None, ge=-1, le=1)
    """Cohen's kappa."""
    aa: float | None = Field(default=None, ge=0, le=1)
    """Mean of the classes' recall."""
    source: str = ""
    """Paper and table."""

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if not self.source and {self.oa, self.kappa, self.aa} != {None}:
            raise ValueError("a published figure needs its `source`")
        return self


class Row(Section):
    """One line of a table."""

    id: Name
    """Name of its folder."""
    label: str
    """Words in the report."""
    network: Name
    """Architecture."""
    preset: Name | None = None
    """Training recipe; null: the network's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe to replace."""
    input: tuple[str, ...] = ("so2sat8", "s2_10")
    """Channels: names of channel sets, of inputs D1 to D7, of band groups such as bp7.RGB, or of single channels."""
    members: tuple[tuple[str, ...], ...] = ()
    """Inputs of networks that are trained one by one, whose probabilities are averaged; empty: one network."""
    protocol: str
    """Who trains and who is tested."""
    city: str | None = None
    """The city of a protocol that needs one."""
    ready: bool = False
    """True where public weights are tested and nothing is trained."""
    paper: Figures = Figures()
    """Published figures."""

    @property
    def inputs(self) -> tuple[tuple[str, ...], ...]:
        """Channels of each network of the row."""
        return tuple(resolve_channels(names) for names in self.members or (self.input,))

    @property
    def rules(self) -> Protocol:
        """The row's protocol."""
        return protocol(self.protocol)


class Table(Section):
    """A table or figure of a paper."""

    name: Name
    """File name without .yaml."""
    title: str
    """Heading of the report."""
    notes: tuple[str, ...] = ()
    """What a reader must know: where the data or the network differ from the paper's."""
    rows: tuple[Row, ...] = Field(min_length=1)
    """The lines, in the paper's order."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        ids = [row.id for row in self.rows]
        if repeated := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"two rows are called {repeated}")
        for row in self.rows:
            _ = row.inputs, row.rules
        return self

    def row(self, name: str) -> Row:
        """Return a row by its id; ValueError names the known ones."""
        for row in self.rows:
            if row.id == name:
                return row
        raise ValueError(f"the table {self.name!r} has no row {name!r}; it has {', '.join(r.id for r in self.rows)}")

    def choose(self, names: Iterable[str]) -> tuple[Row, ...]:
        """Return the named rows, all where none is named."""
        return tuple(self.row(name) for name in names) or self.rows


def load_table(name: str) -> Table:
    """Read a table; ValueError for an unknown name or a mistake in the file."""
    if name not in list_tables():
        raise ValueError(f"unknown table {name!r}; known: {', '.join(list_tables())}")
    return parse_table(name, yaml.safe_load((TABLE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def list_tables() -> tuple[str, ...]:
    """Return the names of all tables, sorted."""
    return tuple(sorted(path.stem for path in TABLE_FOLDER.glob("*.yaml")))


def parse_table(name: str, content: Mapping[str, Any]) -> Table:
    """Return a table from what YAML holds: the keys of `Table`, `defaults` that every row starts from, and `source` for
    published figures that name none.
    """
    fields = dict(content)
    defaults, source = fields.pop("defaults", {}), fields.pop("source", "")
    rows = [{**defaults, **row} for row in fields.pop("rows", [])]
    for row in rows:
        if "paper" in row:
            row["paper"] = {"source": source, **row["paper"]}
    try:
        return Table.model_validate({**fields, "name": name, "rows": rows})
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"table {name!r}: {where}") from error


def resolve_channels(names: Iterable[str]) -> tuple[str, ...]:
    """Return the channels behind names of channel sets, inputs D1 to D7, band groups and channels, in that order."""
    groups = {f"bp7.{group.name}": group.channels for group in GROUP_SPECS["bp7"].groups}
    known = {**{s.name: s.channels for s in CHANNEL_SETS.values()}, **INPUTS, **groups}
    single = {channel for s in CHANNEL_SETS.values() for channel in s.channels}
    channels: list[str] = []
    for name in names:
        if name not in known and name not in single:
            raise ValueError(f"unknown input {name!r}; known: {', '.join(known)} and single channels")
        channels += known.get(name, (name,))
    if len(set(channels)) != len(channels):
        raise ValueError(f"a channel comes twice in {list(names)}")
    return tuple(channels)
