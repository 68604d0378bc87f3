"""Write docs/commands.md from the command line's own help: `python -m lczmap.clidocs`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

import lczmap.cli  # noqa: F401  the verbs register themselves
from lczmap.cli.app import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
_HEAD = """# Commands

Written by `python -m lczmap.clidocs`. The workflow calls most of these itself, one verb for each rule of the same name;
`lczmap VERB --help` lists every argument and option.

Exit codes: 0 all went well; 1 something was wrong with the input, the data, the disk or the installation, and the last
line of standard error says what and what to do (`LCZMAP_TRACEBACK=1` adds where in the code; nothing is said where the
reader of the output went away, as in `lczmap info lcz.tif | head -1`); 2 the command itself was mistyped. A command
that fails leaves no half-written file under a final name. Snakemake ends with 1 when a job failed.
"""
_EXAMPLE = "Example: "


@dataclass(frozen=True)
class Verb:
    """A verb of the command line: its summary in one paragraph, and examples as one would type them."""

    name: str
    summary: str
    examples: tuple[str, ...]


def verbs() -> Iterator[Verb]:
    """Yield the verbs by name."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in sorted(group.commands.items()):
        paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
        plain = [" ".join(paragraph.split()) for paragraph in paragraphs]
        examples = tuple(p.removeprefix(_EXAMPLE) for p in plain if p.startswith(_EXAMPLE))
        yield Verb(name, plain[0], examples)


def commands_page() -> str:
    """Return docs/commands.md."""
    parts = [f"## {v.name}\n\n{v.summary}\n\n```\n" + "\n".join(v.examples) + "\n```\n" for v in verbs()]
    return "\n".join([_HEAD, *parts])


def main() -> None:
    """Write the page."""
    PAGE.write_text(commands_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
