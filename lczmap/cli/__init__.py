"""The command line: one verb per rule of the workflow, of the same name. Heavy imports stay inside the verbs."""

from __future__ import annotations

import copy
import os
import sys

from typer.core import TyperGroup
from typer.main import get_command_name, get_group

from lczmap.cli import (  # noqa: F401  the verbs register themselves
    assessment,
    benchmarks,
    city,
    exports,
    heat,
    maps,
    models,
    page,
    products,
    qgis,
    reading,
    reports,
    reproduce,
    sampling,
    scenes,
    slc,
    so2sat,
    sources,
    wrf,
)
from lczmap.cli.app import app
from lczmap.cli.errors import os_error_text


def main() -> None:
    """Run a verb; bad input and what the system refuses are one paragraph, with LCZMAP_TRACEBACK a traceback.

    Nothing is said where the reader of the output went away (`lczmap info map.tif | head -1`).
    """
    try:
        _command_line(sys.argv[1:])(standalone_mode=True)
    except (ValueError, OSError) as error:
        if os.environ.get("LCZMAP_TRACEBACK"):
            raise
        sys.exit(f"lczmap: {os_error_text(error) if isinstance(error, OSError) else error}")


def _command_line(arguments: list[str]) -> TyperGroup:
    """Return the command line with only the verb that `arguments` begin with; with all verbs where they name none.

    Typer builds the options of every verb that it holds: 0.2 s for all, and each job of the workflow is a process.
    """
    asked = [
        verb
        for verb in app.registered_commands
        if verb.callback is not None and (verb.name or get_command_name(verb.callback.__name__)) in arguments[:1]
    ]
    chosen = copy.copy(app)
    chosen.registered_commands = asked or app.registered_commands
    return get_group(chosen)
