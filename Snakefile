"""lczmap: Local Climate Zone maps of cities. What to compute: config/README.md; how to run: profiles/."""

from snakemake.utils import min_version

min_version("9.19")


include: "workflow/rules/common.smk"
include: "workflow/rules/questions/scenes.smk"
include: "workflow/rules/questions/slc.smk"
include: "workflow/rules/questions/networks.smk"
include: "workflow/rules/questions/maps.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/slc.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/map.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/so2sat.smk"
include: "workflow/rules/questions/reproduce.smk"
include: "workflow/rules/reproduce.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    input:
        wanted_files(),
