"""What a configuration asks of a table, checked when it is read: rows, recipes, and the files that they need.

Snakemake asks here when it parses, so nothing heavy is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lczmap.config import Reproduce
from lczmap.configfiles import merge
from lczmap.reproduce.tables import Row, load_table
from lczmap.training.preset import NetworkPreset, load_preset

COPIES = Path("resources/so2sat")
"""Where files and compact copies lie, relative to the working directory."""


def chosen_rows(section: Reproduce, own: Path | None) -> dict[str, Row]:
    """Return the rows that a section asks for, by their id; `own` is its folder `so2sat`, expanded.

    ValueError for an unknown table or row, a key that no recipe has, and a file that is not there.
    """
    table = load_table(section.table)
    for name in section.row_options:
        table.row(name)
    rows = {row.id: row for row in table.choose(section.rows)}
    for row in rows.values():
        if not row.ready:
            recipe_of(row, row_options(section, row.id))
    for row in rows.values():
        _check_files(row, section, own)
    return rows


def row_options(section: Reproduce, row: str) -> dict[str, Any]:
    """Return the keys of a row's recipe that the configuration replaces."""
    return merge(section.options, section.row_options.get(row, {}))


def recipe_of(row: Row, options: Mapping[str, Any]) -> NetworkPreset:
    """Return the recipe of a row with its own and the configuration's `options`; ValueError names the row."""
    try:
        recipe = load_preset(row.preset, model=row.network, options=merge(row.options, options))
    except ValueError as error:
        raise ValueError(f"row {row.id}: {error}") from error
    if not isinstance(recipe, NetworkPreset):
        raise ValueError(f"row {row.id}: expected the recipe of a network, got one of a {recipe.kind}")
    return recipe


def definition_of(row: Row, options: Mapping[str, Any]) -> str:
    """Return, as JSON, all that a run's result depends on beside its files and seeds.

    A published figure, which only the report reads, and the words that describe a recipe are left out.
    """
    recipe = None if row.ready else recipe_of(row, options).model_dump(mode="json", exclude={"description"})
    return json.dumps({"row": row.model_dump(mode="json", exclude={"paper"}), "recipe": recipe}, sort_keys=True)


def edition_of(section: Reproduce, name: str) -> str:
    """Return below which folder of resources/so2sat a file's copy lies."""
    if section.so2sat is not None:
        return "own"
    return "v3" if "/" in name else section.version


def _check_files(row: Row, section: Reproduce, own: Path | None) -> None:
    if row.rules.needs_city and own is None and section.version == "v2":
        raise ValueError(
            f"the row {row.id} of {section.table} needs the cities of the patches; set `reproduce.version: v4`"
        )
    for name in row.rules.files:
        if own is not None:
            _check_own(row, own, name)
        elif not section.fetch:
            _check_published(section, name)


def _check_own(row: Row, own: Path, name: str) -> None:
    if not (own / f"{name}.h5").is_file():
        raise ValueError(f"the row {row.id} needs {own / f'{name}.h5'}, which is not there; see `reproduce.so2sat`")
    if row.rules.needs_city and not (own / f"{name}_geo.h5").is_file():
        raise ValueError(
            f"the row {row.id} needs the cities of the patches, and {own / f'{name}_geo.h5'} is not there; put those "
            "of version 4 beside the .h5 files"
        )


def _check_published(section: Reproduce, name: str) -> None:
    edition = edition_of(section, name)
    if (COPIES / edition / name / "cache.json").exists():
        return
    for ending in ("", "_geo") if edition == "v4" else ("",):
        path = COPIES / edition / f"{name}{ending}.h5"
        if not path.exists():
            raise ValueError(
                f"{path} is not there. Put or link So2Sat's file there, name your own folder as `reproduce.so2sat`, or "
                "set `reproduce.fetch: true` to download it (training: 52 GB, others 3.5 GB)"
            )
