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
include: "workflow/rules/questions/products.smk"
include: "workflow/rules/products.smk"
include: "workflow/rules/questions/qgis.smk"
include: "workflow/rules/qgis.smk"
include: "workflow/rules/questions/wrf.smk"
include: "workflow/rules/wrf.smk"
include: "workflow/rules/questions/exports.smk"
include: "workflow/rules/exports.smk"
include: "workflow/rules/questions/assessment.smk"
include: "workflow/rules/assessment.smk"
include: "workflow/rules/questions/heat.smk"
include: "workflow/rules/heat.smk"
include: "workflow/rules/questions/page.smk"
include: "workflow/rules/page.smk"
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
