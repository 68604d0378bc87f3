"""Snakemake for tests: runs by the command that people type, and plans (dry runs) without its seconds of imports."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PERIOD = "2024-05-01_2024-09-30"

# A plan is a process of its own, forked from one that has imported what every Snakemake process imports
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    ["snakemake.cli", "lczmap.configfiles", "lczmap.grid", "lczmap.reproduce.tables", "pyogrio"]
)


def environment() -> dict[str, str]:
    """The environment's programs first, and no accidental import of the clone from the working directory."""
    programs = str(Path(sys.executable).parent)
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**kept, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def snakemake(folder: Path, *arguments: str | Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    command = _command(folder, *arguments, root=root)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=600)


def plan(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Return what a dry run in a folder says: Snakemake's own entry point with the command's arguments."""
    command = _command(folder, *arguments, "--dry-run", "--printshellcmds")
    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "output")
        process = _FORKED.Process(target=_run, args=(command, environment(), output))
        process.start()
        process.join(timeout=120)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(command, 120)
        return subprocess.CompletedProcess(command, process.exitcode, output.read_text(), "")


def succeeded(result: subprocess.CompletedProcess[str]) -> str:
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-6000:]
    return output


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    return result.stdout + result.stderr


def city_file(folder: Path, text: str, name: str = "city.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def planned(folder: Path, text: str, *targets: str) -> str:
    """What Snakemake would run for the files of cities that lines of dashes separate."""
    files = [city_file(folder, part, f"{number}.yaml") for number, part in enumerate(text.split("---"))]
    return succeeded(plan(folder, *targets, "--configfile", *files))


def command(said: str, verb: str, output: str) -> str:
    """The one command line of a verb that names an output."""
    found = [line for line in said.splitlines() if f"lczmap {verb} " in line and output in line]
    assert len(found) == 1, (verb, output, found)
    return found[0]


def _command(folder: Path, *arguments: str | Path, root: Path = ROOT) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    whole = ["snakemake", "--snakefile", root / "Snakefile", "--directory", folder, "--cores", "2", *arguments]
    return [str(part) for part in whole]


def _run(command: list[str], variables: dict[str, str], output: Path) -> None:
    os.environ.clear()
    os.environ.update(variables)
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = command
    from snakemake.cli import main

    main(command[1:])
