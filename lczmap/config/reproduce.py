"""The section of a configuration that asks for a paper's table on So2Sat LCZ42."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lczmap.config.section import Name, Section


class Reproduce(Section):
    """One table of a paper: `snakemake reproduce --configfile config/reproduce/<table>.yaml`."""

    table: Name
    """Name of a table in lczmap/reproduce/tables, such as bp_lcz_table2."""
    so2sat: str | None = None
    """Folder of So2Sat's .h5 files on your disk; null: they are fetched into resources/so2sat/<version>, which must be
    asked for by `fetch: true` where they are not there."""
    version: Literal["v2", "v4"] = "v2"
    """With `so2sat: null`: which edition; v4 is v2 with the cities of the patches. Protocols of v3 take v3."""
    fetch: bool = False
    """Download what is not there: up to 59 GB."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(47,), min_length=1)
    """Seeds of the trainings, all different; each row is trained once with each."""
    split_seed: int = Field(default=47, ge=0)
    """Seed of the split, the same for all rows and seeds."""
    rows: tuple[Name, ...] = ()
    """Rows to run; none named: all of the table."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keys of every row's recipe to replace, such as epochs."""
    row_options: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """The same for single rows, by their name."""
    shrink: bool = False
    """Deal a protocol from smaller files than So2Sat's, in proportion: a rehearsal, and called so everywhere."""

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("expected different seeds")
        return seeds
