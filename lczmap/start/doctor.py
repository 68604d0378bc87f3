"""Whether this installation can run: versions, accounts (present, never shown), disk, GPU, conda."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

State = Literal["ok", "note", "problem"]
PYTHONS = ((3, 11), (3, 14))  # from, below
FREE_GB = 20
"""Less free disk is noted: a city of 30 × 30 km with six dates needs about 4 GB, a few cities fill 20."""
VARIABLES = {
    "Sentinel Hub": (("SH_CLIENT_ID", "SH_CLIENT_SECRET"),),
    "Alaska Satellite Facility": (("EARTHDATA_TOKEN",), ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD")),
    "Copernicus Data Space": (("CDSE_USERNAME", "CDSE_PASSWORD"), ("CDSE_ACCESS_TOKEN",)),
    "S3 archives": (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),),
}
"""Accounts, and the sets of environment variables of which one suffices."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; a `problem` keeps runs from working, a `note` need not."""

    what: str
    state: State
    text: str


def examine(folder: Path, environment: Mapping[str, str] = os.environ) -> tuple[Finding, ...]:
    """Look at the installation and at the disk that holds `folder`; nothing is changed, no network is asked."""
    return (
        _python(),
        *_libraries(),
        _torchvision(),
        _gpu(),
        _snakemake(),
        _conda(environment),
        _disk(folder),
        _cores(),
        *_accounts(environment),
    )


def _python() -> Finding:
    version = tuple(map(int, platform.python_version_tuple()[:2]))
    suits = PYTHONS[0] <= version < PYTHONS[1]
    remedy = "" if suits else "; lczmap needs Python 3.11, 3.12 or 3.13: make setup PYTHON=python3.12"
    return Finding("Python", "ok" if suits else "problem", platform.python_version() + remedy)


def _libraries() -> Iterator[Finding]:
    wrong = [text for requirement in _requirements() if (text := _mismatch(requirement))]
    if wrong:
        yield Finding("libraries", "problem", f"{'; '.join(wrong)}: make setup, or pip install -c constraints.txt -e .")
    else:
        yield Finding("libraries", "ok", f"lczmap {metadata.version('lczmap')} and all that it needs")


def _requirements() -> list[Requirement]:
    found = [Requirement(text) for text in metadata.requires("lczmap") or []]
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]


def _mismatch(requirement: Requirement) -> str:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement} is missing"
    plain = re.split(r"\+", installed)[0]  # 2.13.0+cpu is 2.13.0
    return "" if requirement.specifier.contains(plain, prereleases=True) else f"expected {requirement}, got {installed}"


def _torchvision() -> Finding:
    try:
        version = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        return Finding("torchvision", "ok", "not installed, as it should be")
    text = f"{version} is installed; built for another torch it breaks transformers: pip uninstall torchvision"
    return Finding("torchvision", "note", text)


def _gpu() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("GPU", "problem", f"torch does not load ({error}): make setup")
    if not torch.cuda.is_available():
        return Finding("GPU", "note", f"none that torch {torch.__version__} can use; everything runs on processors")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("GPU", "ok", ", ".join(names))


def _snakemake() -> Finding:
    try:
        return Finding("Snakemake", "ok", metadata.version("snakemake"))
    except metadata.PackageNotFoundError:
        text = "not in this environment; the workflow needs it: make setup, or conda env create -f envs/snakemake.yaml"
        return Finding("Snakemake", "note", text)


def _conda(environment: Mapping[str, str]) -> Finding:
    found = next((n for n in ("conda", "mamba") if shutil.which(n, path=environment.get("PATH", ""))), None)
    if found is None:
        return Finding("conda", "note", "not found; leave out --use-conda, jobs then run in this environment")
    return Finding("conda", "ok", f"{found} is there: snakemake --use-conda makes the environment of the jobs")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    state: State = "ok" if free >= FREE_GB else "note"
    return Finding(
        "disk", state, f"{free:.0f} GB free" + ("" if state == "ok" else "; scenes of a city take several GB")
    )


def _cores() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = f"{os.cpu_count()} cores, {memory:.0f} GiB of memory"
    few = memory < 4
    return Finding(
        "machine", "note" if few else "ok", text + ("; a tile takes up to 3 GiB: run one job" if few else "")
    )


def _accounts(environment: Mapping[str, str]) -> Iterator[Finding]:
    for service, sets in VARIABLES.items():
        complete = any(all(environment.get(name) for name in names) for names in sets)
        if complete:
            yield Finding(service, "ok", "an account is set in the environment (not checked against the service)")
            continue
        partial = [n for names in sets for n in names if environment.get(n)]
        ways = " or ".join(" and ".join(names) for names in sets)
        begun = f"; only {', '.join(partial)} is set" if partial else ""
        yield Finding(service, "note", f"no account{begun}; where a source needs it, set {ways} (docs/data.md)")
