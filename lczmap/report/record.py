"""How the run was made: settings, versions, times."""

from __future__ import annotations

from lczmap.provenance import network_label
from lczmap.report.markup import Cell, Number, folded, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section, absent
from lczmap.report.values import flat_table
from lczmap.run_summary import measured_steps


def parameters_section(run: RunFolder) -> Section:
    """Return the configuration with every default, the versions and the weights."""
    record = run.record
    if not record:
        return Section("parameters", "Run parameters", absent("run.json is not there: make it with `record-run`."))
    versions = {"lczmap": record["lczmap"], "python": record["python"], **record["libraries"]}
    weights = [[network_label(one), tag("code", one["sha256"])] for one in record["networks"]]
    parts = [
        paragraph(record["attribution"]),
        folded("Configuration, with every default", flat_table(record["config"])),
        folded("Versions of software", flat_table(versions)),
        folded("Weights", table(["network", "SHA-256 of the checkpoint"], weights)),
        paragraph("SHA-256 of lcz.tif: ", tag("code", str(record.get("lcz_sha256", "unknown")))),
    ]
    return Section("parameters", "Run parameters", join(parts))


def timings_section(run: RunFolder) -> Section:
    """Return how long each step took, as Snakemake measured it."""
    steps = list(measured_steps(run.benchmarks, run.city, run.period))
    if not steps:
        sentence = "No measurements: Snakemake writes them to benchmarks/ in the folder that it runs in."
        return Section("timings", "Times", absent(sentence))
    rows: list[list[Cell]] = [
        [tag("code", name), jobs, Number(f"{seconds:,.1f}"), Number(f"{peak:,.0f}")]
        for name, (jobs, seconds, peak) in steps
    ]
    total = sum(seconds for _, (_, seconds, _) in steps)
    caption = (
        f"{total:,.0f} s together; jobs may have run beside each other. Each job as it last ran, also for an "
        "earlier configuration; steps without a measurement are not listed"
    )
    header = ["step", "jobs", "seconds", "peak memory of a job (MiB)"]
    return Section("timings", "Times", table(header, rows, caption=caption))
