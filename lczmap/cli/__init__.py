"""The command line: one verb per rule of the workflow, of the same name. Heavy imports stay inside the verbs."""

from __future__ import annotations

import os
import sys

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


def main() -> None:
    """Run a verb; a ValueError is printed as one paragraph, with its traceback if LCZMAP_TRACEBACK is set."""
    try:
        app(standalone_mode=True)
    except ValueError as error:
        if os.environ.get("LCZMAP_TRACEBACK"):
            raise
        sys.exit(f"lczmap: {error}")
