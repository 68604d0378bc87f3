"""Papers' tables on So2Sat LCZ42: `snakemake reproduce --configfile config/reproduce/<table>.yaml`."""


wildcard_constraints:
    table="|".join(sorted(REPRODUCTIONS)) or "none",
    row=r"[a-z0-9][a-z0-9_-]*",
    seed=r"\d+",


use rule convert_so2sat as convert_so2sat_own with:
    input:
        h5=own_so2sat,
        geo=own_so2sat_places,
    output:
        cache="resources/so2sat/own/{file}/cache.json",
    log:
        "logs/convert_so2sat/own/{file}.log",
    benchmark:
        "benchmarks/convert_so2sat/own/{file}.tsv"
    wildcard_constraints:
        file=r"((random|block|culture_10)/)?(training|validation|testing)",


rule run_reproduction:
    input:
        copies=so2sat_copies,
        checkpoint=ready_weights,
    output:
        result="results/reproduce/{table}/{row}/seed{seed}/result.json",
        features="results/reproduce/{table}/{row}/seed{seed}/features.npz",
    log:
        "logs/run_reproduction/{table}_{row}_seed{seed}.log",
    benchmark:
        "benchmarks/run_reproduction/{table}_{row}_seed{seed}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        gpu=0,
        strategy="auto",
    params:
        definition=reproduction_definition,
        sources=reproduction_sources,
        options=reproduction_recipe,
        split_seed=lambda w: reproduction_of(w)[0].split_seed,
        shrink=lambda w: "--shrink" if reproduction_of(w)[0].shrink else "",
        checkpoint=lambda w, input: (
            f"--checkpoint {shlex.quote(str(input.checkpoint))}"
            if input.checkpoint
            else ""
        ),
    shell:
        "python -m lczmap run-reproduction {wildcards.table} {wildcards.row} {output.result:q} {output.features:q} "
        "{params.sources} {params.checkpoint} {params.shrink} --seed {wildcards.seed} "
        "--split-seed {params.split_seed} --options {params.options:q} "
        "--devices {resources.gpu} --strategy {resources.strategy} 2>&1 | tee {log:q}"


rule draw_reproduction:
    input:
        result="results/reproduce/{table}/{row}/seed{seed}/result.json",
        features="results/reproduce/{table}/{row}/seed{seed}/features.npz",
    output:
        confusion="results/reproduce/{table}/{row}/seed{seed}/confusion.png",
        tsne="results/reproduce/{table}/{row}/seed{seed}/tsne.png",
        training="results/reproduce/{table}/{row}/seed{seed}/training.png",
    log:
        "logs/draw_reproduction/{table}_{row}_seed{seed}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        palette=reproduction_palette,
    shell:
        "python -m lczmap draw-reproduction {input.result:q} {input.features:q} {output.confusion:q} {output.tsne:q} "
        "{output.training:q} --palette {params.palette} > {log:q} 2>&1"


rule tabulate_reproduction:
    input:
        results=lambda w: reproduction_files(w.table, ["result.json"]),
        pictures=lambda w: reproduction_files(
            w.table, ["confusion.png", "tsne.png", "training.png"]
        ),
    output:
        report="results/reproduce/{table}/report.md",
    log:
        "logs/tabulate_reproduction/{table}.log",
    conda:
        "../../envs/lczmap.yaml"
    params:
        table=lambda w: load_table(w.table).model_dump_json(),
    shell:
        "python -m lczmap tabulate-reproduction {wildcards.table} {output.report:q} {input.results:q} > {log:q} 2>&1"


rule reproduce:
    input:
        reports=reproduction_reports,
    log:
        "logs/reproduce/all.log",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap reproduce {input.reports:q} 2>&1 | tee {log:q}"
