"""Every verb explains itself: a summary, and examples that its own parser takes."""

import shlex

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from lczmap.cli import app
from lczmap.clidocs import PAGE, Verb, commands_page, verbs

VERBS = list(verbs())


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_has_an_example_that_it_understands(verb: Verb) -> None:
    assert verb.summary.endswith(".")
    assert verb.examples, f"{verb.name} has no line `Example: lczmap {verb.name} …` in its help"
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for example in verb.examples:
        program, name, *arguments = shlex.split(example)
        assert (program, name) == ("lczmap", verb.name)
        group.commands[name].make_context(name, arguments)  # UsageError for what it does not understand


def test_the_page_of_commands_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "write it again: python -m lczmap.clidocs"
