"""config/ holds what the code says; `python -m lczmap.configdocs` writes it anew."""

import json
from pathlib import Path

import jsonschema
import yaml

from lczmap.config import Config, Model
from lczmap.configdocs import keys_table, schema_text, with_table

FOLDER = Path(__file__).parent.parent / "config"


def test_the_schema_is_up_to_date() -> None:
    assert (FOLDER / "schema.json").read_text() == schema_text()


def test_the_schema_knows_the_short_forms_and_the_keys_of_the_long_ones() -> None:
    checker = jsonschema.validators.validator_for(schema := json.loads(schema_text()))(schema)
    right = "temperature: {air: a.csv, surface: {path: b.tif, unit: kelvin}}\ncompare: [gul_s2, {name: exvit}]"
    assert [*checker.iter_errors(yaml.safe_load(right))] == []
    for wrong in ("temperature: {air: {paht: a.csv}}", "compare: gul_s2", "compare: [{nmae: exvit}]", "temperature: 3"):
        assert [*checker.iter_errors(yaml.safe_load(wrong))] != [], wrong


def test_the_table_of_keys_is_up_to_date() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert with_table(readme) == readme
    assert keys_table() in readme


def test_every_key_is_described() -> None:
    empty = [row for row in keys_table().splitlines()[2:] if row.rsplit("|", 2)[1].strip() == ""]
    assert empty == []


def test_the_demo_file_shows_every_key_and_its_default() -> None:
    content = yaml.safe_load((FOLDER / "config.yaml").read_text())
    assert list(content) == list(Config.model_fields)
    shown = Config.model_validate(content).model_dump()
    default = Config().model_dump()
    shown["map"]["tile_px"] = default["map"]["tile_px"]  # the file says that and why these three differ
    shown["model"]["preset"] = default["model"]["preset"]
    shown["compare"] = default["compare"]
    assert shown == default
    assert list(content["model"]) == list(Model.model_fields)
