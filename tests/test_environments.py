"""The conda environment files, solved strictly against a channel that holds exactly the pinned versions."""

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import rattler
import rattler.exceptions
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "envs").glob("*.yaml"))
CONDA_NAMES = {
    "asf-search": "asf_search",
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
}


def specs(path: Path) -> list[str]:
    return [str(entry) for entry in yaml.safe_load(path.read_text())["dependencies"]]


def pinned() -> dict[str, str]:
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    versions = dict(line.split(";")[0].strip().split("==") for line in lines)
    return {CONDA_NAMES.get(name.lower(), name.lower()): version for name, version in versions.items()}


def channel(folder: Path, packages: dict[str, str]) -> Path:
    """A conda channel on disk with one build of each package and no dependencies among them."""
    records = {
        f"{name}-{version}-0.conda": {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": [],
            "subdir": "noarch",
            "sha256": "0" * 64,
            "size": 1,
        }
        for name, version in packages.items()
    }
    for subdir, content in (("noarch", records), ("linux-64", {})):
        (folder / subdir).mkdir(parents=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": content, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))
    return folder


def solve(folder: Path, wanted: list[str]) -> dict[str, str]:
    async def run() -> Any:
        return await rattler.solve(
            sources=[rattler.Channel(folder.as_uri())],
            specs=[rattler.MatchSpec(spec, strict=True) for spec in wanted],
            platforms=["linux-64", "noarch"],
        )

    return {record.name.normalized: str(record.version) for record in asyncio.run(run())}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_an_environment_solves_to_the_pinned_versions(path: Path, tmp_path: Path) -> None:
    versions = pinned() | {"python": "3.11.9"}
    solved = solve(channel(tmp_path / "channel", versions), specs(path))
    wanted = {re.split(r"[ =<>]", spec)[0] for spec in specs(path)}
    assert solved == {name: versions[name] for name in wanted}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_version_that_is_too_old_does_not_solve(path: Path, tmp_path: Path) -> None:
    versions = pinned() | {"python": "3.11.9", "pydantic": "1.10.0"}
    with pytest.raises(rattler.exceptions.SolverError):
        solve(channel(tmp_path / "channel", versions), specs(path))


def test_the_runtime_environment_asks_for_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["geoparquet"]]  # an environment of all exports
    ours = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in map(Requirement, asked)}
    theirs = dict(spec.split(" ", 1) for spec in specs(ROOT / "envs" / "lczmap.yaml"))
    assert set(theirs) == set(ours) | {"python"}
    for name, specifier in ours.items():
        if name != "pytorch":  # pinned to one release here, to its minor version in conda
            assert SpecifierSet(theirs[name]) == specifier, name


def test_the_launcher_has_what_parsing_the_workflow_imports() -> None:
    launcher = {re.split(r"[ =<>]", spec)[0] for spec in specs(ROOT / "envs" / "snakemake.yaml")}
    assert {"snakemake-minimal", "pydantic", "pyproj", "shapely", "pyogrio", "odc-geo", "pyyaml", "numpy"} <= launcher


def test_channels_end_with_nodefaults() -> None:
    assert all(yaml.safe_load(path.read_text())["channels"][-1] == "nodefaults" for path in FILES)
