"""So2Sat LCZ42 for training: its files as published, and their compact copies. Nothing asks for them but by name."""


# Protected: Snakemake would delete up to 52 GB before it fetches them once more
rule fetch_so2sat:
    output:
        h5=protected("resources/so2sat/{version}/{file}.h5"),
    log:
        "logs/fetch_so2sat/{version}/{file}.log",
    benchmark:
        "benchmarks/fetch_so2sat/{version}/{file}.tsv"
    wildcard_constraints:
        version=r"v[1-4]",
        file=r"((random|block|culture_10)/)?(training|validation|testing)(_geo)?",
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap fetch-so2sat {wildcards.version} {wildcards.file} {output.h5:q} 2>&1 | tee {log:q}"


rule convert_so2sat:
    input:
        h5="resources/so2sat/{version}/{file}.h5",
        geo=branch(
            lambda wildcards: wildcards.version == "v4",
            then="resources/so2sat/{version}/{file}_geo.h5",
            otherwise=[],
        ),
    output:
        cache="resources/so2sat/{version}/{file}/cache.json",
    log:
        "logs/convert_so2sat/{version}/{file}.log",
    benchmark:
        "benchmarks/convert_so2sat/{version}/{file}.tsv"
    wildcard_constraints:
        version=r"v[1-4]",
        file=r"((random|block|culture_10)/)?(training|validation|testing)",
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=1000,
    shell:
        "python -m lczmap convert-so2sat {input.h5:q} {output.cache:q} 2>&1 | tee {log:q}"
