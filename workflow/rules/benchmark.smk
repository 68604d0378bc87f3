"""Tables over all cities and networks of an invocation: `snakemake results/accuracy.md --configfile …`."""


rule tabulate_accuracy:
    input:
        reports=reports_of_all("accuracy"),
        records=[f"{run.folder}/run.json" for run in RUNS.values()],
    output:
        table="results/accuracy.md",
    log:
        "logs/tabulate_accuracy/all.log",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap tabulate-accuracy {output.table:q} {input.reports:q} > {log:q} 2>&1"


rule tabulate_agreement:
    input:
        reports=reports_of_all("agreement"),
        records=[f"{run.folder}/run.json" for run in RUNS.values()],
    output:
        table="results/agreement.md",
    log:
        "logs/tabulate_agreement/all.log",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap tabulate-agreement {output.table:q} {input.reports:q} > {log:q} 2>&1"


rule measure_networks:
    output:
        table="results/networks.md",
    log:
        "logs/measure_networks/all.log",
    conda:
        "../../envs/lczmap.yaml"
    threads: 8
    shell:
        "python -m lczmap measure-networks {output.table:q} > {log:q} 2>&1"
