"""ESA SNAP's command line `gpt`: where it is, which release it is, and running a graph with it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

GPT_VARIABLE = "LCZMAP_SNAP_GPT"
LIMIT_S = 12 * 3600
"""A run of `gpt` that takes longer is ended: one graph on a whole product takes of the order of an hour."""
_VERSION_LIMIT_S = 300
_TAIL = 2000  # characters of gpt's output that a message quotes


def find_gpt(environment: Mapping[str, str] = os.environ) -> Path:
    """Return SNAP's `gpt`: what LCZMAP_SNAP_GPT names, else the one on PATH. ValueError when there is none."""
    named = environment.get(GPT_VARIABLE)
    found = shutil.which(named or "gpt", path=environment.get("PATH", ""))
    if found is None:
        where = f"{GPT_VARIABLE} names {named}, which cannot be run" if named else "`gpt` is not on PATH"
        raise ValueError(
            f"`backend: snap` needs ESA SNAP with the Sentinel-1 toolbox: {where}; install it from "
            f"https://step.esa.int and set {GPT_VARIABLE} to its bin/gpt, or set `backend: python`"
        )
    return Path(found)


def snap_version(gpt: Path) -> tuple[int, ...]:
    """Return SNAP's release, such as (9, 0, 0), as `gpt --diag` says it. ValueError when it does not."""
    try:
        _, said = _ended([gpt, "--diag"], _VERSION_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"{gpt} --diag does not run ({error}); check the installation of SNAP") from error
    match = re.search(r"SNAP Release version (\d+(?:\.\d+)*)", said)
    if match is None:
        raise ValueError(
            f"{gpt} --diag: expected 'SNAP Release version', which decides the order of bands; got: "
            f"{said[-_TAIL:]!r}; is this SNAP's gpt?"
        )
    return tuple(int(part) for part in match[1].split("."))


def run_graph(gpt: Path, nodes: str, out: Path) -> None:
    """Let SNAP run the graph `nodes` (XML), which writes `out`; ValueError when it fails or is not done in LIMIT_S."""
    file = out.with_suffix(".xml")
    file.write_text(nodes, encoding="utf-8")
    try:
        status, said = _ended([gpt, file, "-e"], LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{gpt}: not finished after {LIMIT_S / 3600:g} hours; set `backend: python`") from error
    if status != 0 or not out.is_file():
        made = "" if out.is_file() else f" and no {out.name}"
        raise ValueError(f"{gpt} failed with exit status {status}{made}; the end of what it says: {said[-_TAIL:]}")


def _ended(command: Sequence[str | Path], limit_s: float) -> tuple[int, str]:
    """Run a command and return its exit status and what it says; TimeoutExpired when it is not done in time.

    `gpt` is a launcher of Java: when it is not done in time, or this program is interrupted, all that it started ends.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=limit_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out + err
