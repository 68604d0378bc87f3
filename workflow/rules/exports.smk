"""The map for other programs: polygons, Google Earth, a catalogue, a description of the data set."""


rule export_vector:
    input:
        lcz="results/{city}/{period}/lcz_filtered.tif",
        confidence="results/{city}/{period}/confidence.tif",
    output:
        vector="results/{city}/{period}/exports/lcz.gpkg",
    log:
        "logs/export_vector/{city}_{period}.log",
    benchmark:
        "benchmarks/export_vector/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    resources:
        mem_mb=6000,  # for 10,000 × 10,000 cells
    shell:
        "python -m lczmap export-vector {input.lcz:q} {output.vector:q} --confidence {input.confidence:q} "
        "> {log:q} 2>&1"


use rule export_vector as export_vector_parquet with:
    output:
        vector="results/{city}/{period}/exports/lcz.parquet",
    log:
        "logs/export_vector/{city}_{period}_parquet.log",
    benchmark:
        "benchmarks/export_vector/{city}_{period}_parquet.tsv"


rule export_kmz:
    input:
        lcz="results/{city}/{period}/lcz.tif",
        filtered="results/{city}/{period}/lcz_filtered.tif",
        grid="results/{city}/grid.json",
        run="results/{city}/{period}/run.json",
        accuracy=accuracy_of,
        assessed=assessed_of,
    output:
        kmz="results/{city}/{period}/exports/lcz.kmz",
    log:
        "logs/export_kmz/{city}_{period}.log",
    benchmark:
        "benchmarks/export_kmz/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        accuracy=described_arguments,
    shell:
        "python -m lczmap export-kmz {input.lcz:q} {output.kmz:q} --filtered {input.filtered:q} --grid {input.grid:q} "
        "--run {input.run:q} {params.accuracy} > {log:q} 2>&1"


rule export_stac:
    input:
        run="results/{city}/{period}/run.json",
        grid="results/{city}/grid.json",
        files=described_files,
        accuracy=accuracy_of,
        assessed=assessed_of,
    output:
        item="results/{city}/{period}/exports/stac_item.json",
    log:
        "logs/export_stac/{city}_{period}.log",
    benchmark:
        "benchmarks/export_stac/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        accuracy=described_arguments,
    shell:
        "python -m lczmap export-stac {input.run:q} {input.grid:q} {output.item:q} {input.files:q} {params.accuracy} "
        "> {log:q} 2>&1"


rule write_metadata:
    input:
        run="results/{city}/{period}/run.json",
        grid="results/{city}/grid.json",
        files=described_files,
        accuracy=accuracy_of,
        assessed=assessed_of,
    output:
        metadata="results/{city}/{period}/exports/metadata.json",
    log:
        "logs/write_metadata/{city}_{period}.log",
    benchmark:
        "benchmarks/write_metadata/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        accuracy=described_arguments,
    shell:
        "python -m lczmap write-metadata {input.run:q} {input.grid:q} {output.metadata:q} {input.files:q} "
        "{params.accuracy} 2>&1 | tee {log:q}"
